/** What a partition is made of, and what it shows of itself. */
import type { BrokerId, StratalogError } from '@stratalog/proto'
import type { FlushScheduler } from '../log/flush-scheduler.ts'
import type { OpenFileCache } from '../log/open-file-cache.ts'
import type { TailBudget } from '../log/tail-cache.ts'
import type { HardStateStore } from '../replication/hard-state-store.ts'
import type { PeerTransport } from '../replication/peer-transport.ts'
import type { TickLoop } from '../replication/tick-loop.ts'
import type { FileSystem } from '../storage/file-system.ts'
import type { PartitionConfig } from './partition-config.ts'

/** What all partitions of a broker share. */
export interface PartitionEnvironment {
  readonly brokerId: BrokerId
  readonly fileSystem: FileSystem
  readonly flusher: FlushScheduler
  readonly openFiles: OpenFileCache
  readonly tails: TailBudget
  readonly hardStates: HardStateStore
  readonly ticks: TickLoop
  readonly transport: PeerTransport
  /** Draws from [0, 1). */
  readonly random: () => number
  readonly limits: PartitionLimits
  readonly logger: PartitionLogger
}

/** What bounds the memory of a partition. */
export interface PartitionLimits {
  /** Bytes accepted and not committed, at most; beyond it produce is OVERLOADED. */
  readonly uncommittedBytesMax: number
  /** Idempotent producers remembered; beyond it the one silent longest is forgotten. */
  readonly producerCountMax: number
  /** Silence after which a producer is forgotten, ms. */
  readonly producerIdExpirationMs: number
}

/** Where a partition tells operators what happened; pino fits. */
export interface PartitionLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Which partition to open, and where it is. */
export interface PartitionSpec {
  readonly topic: string
  /** 32 hexadecimal digits. */
  readonly topicId: string
  readonly partition: number
  readonly replicas: readonly number[]
  readonly config: PartitionConfig
  readonly directory: string
}

/** Whether a partition serves clients, and if not, what they are told. */
export type PartitionState =
  | { readonly kind: 'serving' }
  | { readonly kind: 'unavailable'; readonly error: StratalogError }

/** Where a partition begins and ends; all but logStartOffset are exclusive ends. */
export interface PartitionBounds {
  readonly logStartOffset: number
  readonly highWatermark: number
  /** One past the last committed data record: what lag and "latest" are measured against. */
  readonly visibleEnd: number
  readonly logEndOffset: number
  readonly leaderEpoch: number
}

/** What an operator sees of a partition. */
export interface PartitionDescription {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly replicas: readonly number[]
  /** Null while no leader is known. */
  readonly leaderId: number | null
  readonly leaderEpoch: number
  readonly logBytes: number
  readonly segmentCount: number
  readonly producerCount: number
  /** Set when writing has stopped because of a full disk. */
  readonly diskFull: boolean
}
