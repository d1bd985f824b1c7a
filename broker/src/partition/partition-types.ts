/** What a partition is made of, and what it shows of itself. */
import { type BrokerId, invariant, type StratalogError } from '@stratalog/proto'
import type { ConfState } from 'raft-ts'
import type { FlushScheduler } from '../log/flush-scheduler.ts'
import type { OpenFileCache } from '../log/open-file-cache.ts'
import type { TailBudget } from '../log/tail-cache.ts'
import type { ByteRate } from '../replication/byte-rate.ts'
import type { FlushedMarks } from '../replication/flushed-marks.ts'
import type { GroupStateStore } from '../replication/group-state-store.ts'
import type { RaftGroupTable } from '../replication/group-table.ts'
import type { PeerTransport } from '../replication/peer-transport.ts'
import type { Replica } from '../replication/raft-ids.ts'
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
  readonly groupStates: GroupStateStore
  readonly groups: RaftGroupTable
  readonly ticks: TickLoop
  readonly marks: FlushedMarks
  readonly transport: PeerTransport
  /** Draws from [0, 1). */
  readonly random: () => number
  /** Limits what is read back from disk for replicas that lag. */
  readonly catchUp: ByteRate
  /** A copy has lost what it acknowledged, and must be rebuilt as the next generation. Once per copy; must not throw. */
  readonly onReplicaLost: (lost: LostReplica) => void
  /** Role, leader or readiness of a partition of this broker changed. Must not throw. */
  readonly onLeadership: (partition: LedPartition) => void
  readonly limits: PartitionLimits
  readonly logger: PartitionLogger
}

/** What is told of a partition whose leadership changed. */
export interface LedPartition {
  readonly topic: string
  /** 16 bytes. */
  readonly topicId: Buffer
  readonly partition: number
}

/** A copy that cannot vouch for its log any more: this broker's, or one that this broker leads. */
export interface LostReplica extends Replica {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** PARTITION_DAMAGED. */
  readonly error: StratalogError
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
  /** Of this broker's copy: 0 for the first, one more for each that was lost. */
  readonly generation: number
  /** Voters of a group that has never run, the preferred leader first; null for a copy that joins and will be told. */
  readonly initialVoters: readonly Replica[] | null
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

/** Throws InvariantError if bounds contradict each other. */
export function checkBounds({ logStartOffset, highWatermark, visibleEnd, logEndOffset }: PartitionBounds): void {
  invariant(logStartOffset <= visibleEnd, 'visible end below log start')
  invariant(visibleEnd <= highWatermark, 'visible end beyond the high watermark')
  invariant(highWatermark <= logEndOffset, 'high watermark beyond the log end')
}

/** What an operator sees of a partition. */
export interface PartitionDescription {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** Brokers of the voters. */
  readonly replicas: readonly number[]
  /** Node ids; see raft-ids.ts. Without voters while this copy has not been told. */
  readonly members: ConfState
  /** Of this broker's copy. */
  readonly generation: number
  /** Set by a leader that a voter has not caught up with, or is silent to. */
  readonly underReplicated: boolean
  /** Null while no leader is known. */
  readonly leaderId: number | null
  readonly leaderEpoch: number
  readonly logBytes: number
  readonly segmentCount: number
  readonly producerCount: number
  /** Set when writing has stopped because of a full disk. */
  readonly diskFull: boolean
}
