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

/** A range of a partition that is to be cut for parallel readers. */
export interface SplitQuery {
  readonly topic: string
  readonly partition: number
  /** 32 hexadecimal digits; the topic must have this id. Default: any. */
  readonly topicId?: string | undefined
  /** First offset. Default: the log start. */
  readonly startOffset?: number | undefined
  /** Exclusive, at most the high watermark. Default: the visible end. */
  readonly endOffset?: number | undefined
  /** Bytes that a piece should have, about. Default: it is not cut. */
  readonly targetBytes?: number | undefined
}

/** A piece of a partition; all but the range's own start and end are batch boundaries. */
export interface PartitionSplit {
  readonly startOffset: number
  /** Exclusive. */
  readonly endOffset: number
  /** Of the segment files between the two, about. */
  readonly bytes: number
  /** Of the batch that holds the start. */
  readonly leaderEpoch: number
}

/** The answer to a {@link SplitQuery}; where `error` is set the rest says nothing. */
export interface SplitAnswer {
  readonly topic: string
  readonly partition: number
  readonly error: StratalogError | null
  /** 32 hexadecimal digits. */
  readonly topicId: string
  /** In order, without gaps; none for an empty range. */
  readonly splits: readonly PartitionSplit[]
  readonly logStartOffset: number
  /** One past the last committed record (exclusive). */
  readonly visibleEnd: number
  /** End of the committed log (exclusive). */
  readonly highWatermark: number
  readonly leaderEpoch: number
}

/** Which records of a partition are to be deleted. */
export interface RecordDeletion {
  readonly topic: string
  readonly partition: number
  /** First offset that stays, at most the visible end; null: all that is committed goes. */
  readonly beforeOffset: number | null
  /** 32 hexadecimal digits; the topic must have this id. Default: any. */
  readonly topicId?: string | undefined
  /** Check only. */
  readonly validateOnly?: boolean | undefined
}

/** What a deletion did, or would do. */
export interface RecordDeletionResult {
  /** First offset that can be read after it. */
  readonly logStartOffset: number
  readonly previousLogStartOffset: number
  /** One past the last committed record (exclusive). */
  readonly visibleEnd: number
}

/** A broker of the cluster. */
export interface BrokerDescription {
  readonly address: BrokerAddress | null
  readonly brokerId: number
  /** Failure domain, or empty. */
  readonly rack: string
  readonly state: 'running' | 'draining' | 'decommissioning' | 'unreachable' | 'unknown'
  /** In maintenance: it leads nothing and gets no new replicas. */
  readonly drained: boolean
  /** Its replicas are moved away, after which it leaves the cluster. */
  readonly decommissioning: boolean
  /** 0 when it is unreachable; so are the numbers that follow. */
  readonly pid: number
  readonly leaderCount: number
  readonly replicaCount: number
  /** Bytes of segment files. */
  readonly logBytes: number
  /** ms since 1970. */
  readonly startedAtMs: number
  /** What it runs; empty when it is unreachable. */
  readonly version: string
  /** Each a sentence that names what is wrong with it. */
  readonly problems: readonly string[]
}

/** How the partitions of a cluster are. */
export interface PartitionCounts {
  readonly total: number
  /** Take no records and serve none. */
  readonly leaderless: number
  /** Have fewer live, caught-up replicas than they should. */
  readonly underReplicated: number
  /** Are on their way to other brokers. */
  readonly moving: number
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
  readonly partitions: PartitionCounts
}

/** One copy of a partition, as the leader sees it. */
export interface ReplicaDescription {
  readonly brokerId: number
  /** 0 for the first copy on that broker, one more for each that was lost and rebuilt. */
  readonly generation: number
  /** A learner is being filled and does not count yet; a missing one should be there and is not. */
  readonly role: 'leader' | 'voter' | 'learner' | 'missing'
  /** Exclusive; `null` when unknown. */
  readonly logEndOffset: number | null
  /** Offsets behind the leader; `null` when unknown. */
  readonly lagOffsets: number | null
  readonly live: boolean
  readonly caughtUp: boolean
}

/** What is wrong with a partition. */
export type PartitionProblem = 'leaderless' | 'under-replicated' | 'damaged' | 'disk-full'

/** A partition with its replicas, as its leader tells it. */
export interface PartitionDescription {
  readonly topic: string
  readonly partition: number
  /** `null` when there is none. */
  readonly leaderId: number | null
  readonly leader: BrokerAddress | null
  /** 0 = there was no leader ever. */
  readonly leaderEpoch: number
  /** All copies that there are or should be, the preferred leader first. */
  readonly replicas: readonly ReplicaDescription[]
  /** Brokers that will hold it once the move under way is done; empty when there is none. */
  readonly targetReplicas: readonly number[]
  readonly problems: readonly PartitionProblem[]
  /** `null` when no leader answers. The ends likewise. */
  readonly logStartOffset: number | null
  /** End of the committed log (exclusive). */
  readonly highWatermark: number | null
  /** One past the last committed record (exclusive). */
  readonly visibleEnd: number | null
  /** Bytes of the leader's segment files. */
  readonly logBytes: number
  readonly segmentCount: number
}

/** Which partitions `describePartitions` tells of. */
export interface PartitionSelection {
  /** Default: all topics. */
  readonly topics?: readonly string[] | undefined
  readonly includeInternal?: boolean | undefined
  readonly onlyProblems?: boolean | undefined
}

/** A change of where a partition's replicas are. */
export interface PartitionMove {
  readonly topic: string
  readonly partition: number
  /** Broker ids, the preferred leader first. */
  readonly replicas: readonly number[]
  /** Check only. */
  readonly validateOnly?: boolean | undefined
}

/** Where a partition is, and where it is going. */
export interface PartitionPlacement {
  readonly replicas: readonly number[]
  /** Empty when it stays. */
  readonly targetReplicas: readonly number[]
}

/** How a maintenance begins or ends. */
export interface DrainOptions {
  /** End it. */
  readonly undo?: boolean | undefined
  /** Check only. */
  readonly validateOnly?: boolean | undefined
  /** Even if a partition loses its quorum. */
  readonly force?: boolean | undefined
}

/** How a broker begins to be emptied for good, or no longer is. */
export interface DecommissionOptions {
  /** Keep it after all. */
  readonly cancel?: boolean | undefined
  /** Check only. */
  readonly validateOnly?: boolean | undefined
}

/** Who leads a partition. */
export interface LeaderDescription {
  readonly leaderId: number | null
  readonly leader: BrokerAddress | null
  readonly leaderEpoch: number
}

/** The replicas of the cluster's own metadata. */
export interface QuorumDescription {
  readonly leaderId: number | null
  readonly leaderEpoch: number
  /** End of what is committed (exclusive). */
  readonly highWatermark: number
  /** The controllers. */
  readonly voters: readonly ReplicaDescription[]
  /** Brokers that only follow. */
  readonly observers: readonly ReplicaDescription[]
}

/** A record in plain form, for `produceRecords`. */
export interface PlainRecord {
  readonly key?: Uint8Array | string | null | undefined
  readonly value?: Uint8Array | string | null | undefined
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | string | null }[] | undefined
  /** ms since 1970; default: the broker's clock. */
  readonly timestamp?: number | undefined
}

/** Records for a unary call to each leader; for more than a handful use a producer. Not idempotent: never retried by itself. */
export interface PlainProduce {
  readonly topic: string
  /** Default: by key, or one drawn at random for all records without a key. */
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
