/** Requests and results of AdminClient: plain values, with no class of the wire format. */
import type { StratalogError } from '@stratalog/proto'
import type { BrokerAddress } from './address.ts'

/** Of every call: how long, and a way to end it. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Deadline of the whole call, in ms; default `requestTimeoutMs` of the client. */
  readonly timeoutMs?: number | undefined
}

/** A topic to be created. */
export interface NewTopic {
  /** 1..249 of the characters a-z A-Z 0-9 . _ - */
  readonly name: string
  /** 1..10,000; default: the broker's. */
  readonly partitionCount?: number | undefined
  /** 1..number of brokers; default: the broker's. */
  readonly replicationFactor?: number | undefined
  readonly configs?: Readonly<Record<string, string>> | undefined
  /** Check only. */
  readonly validateOnly?: boolean | undefined
}

/** Changes to a topic's configuration, made together or not at all. */
export interface TopicConfigChange {
  readonly set?: Readonly<Record<string, string>> | undefined
  /** Keys that go back to the broker's default. */
  readonly unset?: readonly string[] | undefined
  readonly validateOnly?: boolean | undefined
}

/** One setting in force. */
export interface ConfigEntry {
  readonly key: string
  readonly value: string
  readonly source: 'default' | 'broker' | 'topic'
  readonly documentation: string
}

/** A place in a partition: its first readable offset, its visible end, its latest record by time, or by time. */
export type OffsetPosition = 'earliest' | 'latest' | 'max-timestamp' | { readonly timestamp: number }

/** A question to listOffsets. */
export interface OffsetQuery {
  readonly topic: string
  readonly partition: number
  readonly position: OffsetPosition
}

/** Its answer; where `error` is set the rest says nothing. */
export interface OffsetAnswer {
  readonly topic: string
  readonly partition: number
  readonly error: StratalogError | null
  /** `null` when no record is that late. */
  readonly offset: number | null
  /** Of that record, ms since 1970, or `null`. */
  readonly timestamp: number | null
  readonly leaderEpoch: number
  readonly logStartOffset: number
  /** One past the last committed record (exclusive). */
  readonly visibleEnd: number
  /** End of the committed log (exclusive). */
  readonly highWatermark: number
}

/** A broker of the cluster. */
export interface BrokerDescription {
  readonly address: BrokerAddress | null
  readonly brokerId: number
  /** Failure domain, or empty. */
  readonly rack: string
  readonly state: 'running' | 'draining' | 'unreachable' | 'unknown'
  readonly pid: number
  readonly leaderCount: number
  readonly replicaCount: number
  readonly logBytes: number
  /** ms since 1970. */
  readonly startedAtMs: number
}

/** The cluster as one broker sees it. */
export interface ClusterDescription {
  readonly clusterId: string
  /** Leader of the controllers; `null` when unknown. */
  readonly controllerId: number | null
  /** The broker that answered. */
  readonly brokerId: number
  readonly version: string
  readonly brokers: readonly BrokerDescription[]
  /** Empty when healthy; each a sentence that names what is wrong. */
  readonly problems: readonly string[]
  readonly metadataOffset: number
}

/** A record in plain form, for `produceRecords`. */
export interface PlainRecord {
  readonly key?: Uint8Array | string | null | undefined
  readonly value?: Uint8Array | string | null | undefined
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | string | null }[] | undefined
  /** ms since 1970; default: the broker's clock. */
  readonly timestamp?: number | undefined
}

/** Records for one unary call; for more than a handful use a producer. Not idempotent: never retried by itself. */
export interface PlainProduce {
  readonly topic: string
  /** Default: by key, or one for the whole request. */
  readonly partition?: number | undefined
  readonly records: readonly PlainRecord[]
  readonly acks?: 'all' | 'leader' | undefined
}

/** What an acknowledgement vouches for, weakest first: page cache of the leader, of a majority, disk of a majority. */
export type Durability = 'memory' | 'replicated' | 'fsynced'

/** What became of one record of `produceRecords`. */
export interface PlainAck {
  readonly partition: number
  readonly error: StratalogError | null
  /** `null` when it failed. */
  readonly offset: number | null
  readonly timestamp: number
  readonly durability: Durability
}
