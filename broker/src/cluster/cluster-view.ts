/**
 * What one broker knows of the whole cluster beside the metadata: who leads, who is alive, how the replicas are.
 *
 * The server answers clients from it and from the metadata image. What is asked for on every call is known here without
 * asking anybody; what only the other brokers know is fetched from them, at most for about a second, and a broker that
 * does not answer is reported instead of awaited.
 */
import type { DeletionOutcome } from '../partition/record-deletion.ts'
import type { DeletionOrder } from './record-deletions.ts'

/** Who leads a partition. */
export interface PartitionLeader {
  /** Null when no leader is known. */
  readonly leaderId: number | null
  /** 0 when there was none ever. */
  readonly leaderEpoch: number
}

/** What is known of a registered broker without asking it. */
export interface BrokerLiveness {
  /** This broker itself, or one that it has a connection with. */
  readonly isUp: boolean
  /** In maintenance. */
  readonly isDrained: boolean
  /** Being emptied for good. */
  readonly isDecommissioning: boolean
}

/** What a broker tells of itself. */
export interface BrokerReport {
  /** It has begun to stop. */
  readonly isStopping: boolean
  /** Process id on its host. */
  readonly pid: number
  /** What it runs, such as 0.1.0. */
  readonly version: string
  /** ms since 1970. */
  readonly startedAtMs: number
  readonly leaderCount: number
  readonly replicaCount: number
  /** Bytes of segment files. */
  readonly logBytes: number
  /** Sentences, each names what is wrong with it. */
  readonly problems: readonly string[]
}

/** A registered broker. */
export interface BrokerStatus extends BrokerLiveness {
  readonly brokerId: number
  /** Null when it did not answer in time. */
  readonly report: BrokerReport | null
}

/** One copy of a partition, or of the metadata log. */
export interface ReplicaStatus {
  readonly brokerId: number
  /** 0 for the first copy on that broker, one more for each that was lost. */
  readonly generation: number
  /** `missing`: it should be there and is not part of the group, or nobody leads who could tell. */
  readonly role: 'leader' | 'voter' | 'learner' | 'missing'
  /** What the leader knows that it holds (exclusive); null when unknown. */
  readonly logEndOffset: number | null
  /** Offsets that it is behind the leader; null when unknown. */
  readonly lagOffsets: number | null
  readonly isLive: boolean
  /** Holds all of the log but what is under way. */
  readonly isCaughtUp: boolean
}

/**
 * What is wrong with a partition.
 * - `leaderless`: nobody leads it; with more than half of its replicas away nobody can.
 * - `under-replicated`: fewer live, caught-up voters than the metadata wants.
 * - `damaged`: a copy is damaged.
 * - `disk-full`: the leader's disk has no room.
 */
export type PartitionProblemKind = 'leaderless' | 'under-replicated' | 'damaged' | 'disk-full'

/** One partition, as its leader tells it. */
export interface PartitionStatus extends PartitionLeader {
  readonly topic: string
  /** 32 hexadecimal digits. */
  readonly topicId: string
  readonly partition: number
  /** All copies that there are or should be, the preferred leader first. */
  readonly replicas: readonly ReplicaStatus[]
  /** Brokers that will hold it, preferred leader first; null while no move is under way. */
  readonly target: readonly number[] | null
  readonly problems: readonly PartitionProblemKind[]
  /** Null where the leader does not answer. */
  readonly log: PartitionLogStatus | null
}

/** The log of a partition, at its leader. */
export interface PartitionLogStatus {
  /** First offset that can be read. */
  readonly logStartOffset: number
  /** End of the committed log (exclusive). */
  readonly highWatermark: number
  /** One past the last committed data record (exclusive). */
  readonly visibleEnd: number
  /** Bytes of segment files. */
  readonly logBytes: number
  readonly segmentCount: number
}

/** Which partitions are asked for. */
export interface PartitionFilter {
  /** Names; all topics when left out. */
  readonly topics?: ReadonlySet<string>
}

/** The replicas of the metadata log. */
export interface QuorumStatus extends PartitionLeader {
  /** End of what is committed (exclusive). */
  readonly highWatermark: number
  /** The controllers. */
  readonly voters: readonly ReplicaStatus[]
  /** Brokers that only follow. */
  readonly learners: readonly ReplicaStatus[]
}

/** See the file's header. */
export interface ClusterView {
  /**
   * Who leads, as far as is known here: from Raft where this broker holds a replica, else from the leaders' news. O(1).
   * Epochs of a partition never go back.
   */
  leaderOf(topicId: string, partition: number): PartitionLeader
  /** Calls `listener` whenever an answer of {@link leaderOf} or {@link liveness} changed; must be cheap. Returns how to stop it. */
  onChange(listener: () => void): () => void
  /** The registered brokers. */
  liveness(): ReadonlyMap<number, BrokerLiveness>
  /** The leader of the controllers; null while none is known. */
  controllerId(): number | null
  /**
   * Resolves when this broker's metadata image holds all that was committed when it was called, or after about a
   * second, whether it does or not. Never rejects.
   */
  catchUp(): Promise<void>
  /** Asks every broker for its report. By id. Never rejects. */
  brokerStatuses(): Promise<readonly BrokerStatus[]>
  /** Asks the leaders. By topic name and partition. Never rejects. */
  partitionStatuses(filter?: PartitionFilter): Promise<readonly PartitionStatus[]>
  /**
   * Hands leadership to another replica; resolves when that one leads and {@link leaderOf} says so.
   *
   * @param toBrokerId null: the preferred leader, or if that is the leader already or cannot lead, any that can.
   * Errors: INELIGIBLE_REPLICA, ELIGIBLE_LEADERS_NOT_AVAILABLE, LEADER_NOT_AVAILABLE, REQUEST_TIMED_OUT.
   */
  transferLeadership(topicId: string, partition: number, toBrokerId: number | null): Promise<void>
  /** Deletes records at the partition's leader. Errors: as of RecordDeletion.delete; LEADER_NOT_AVAILABLE, UNKNOWN_TOPIC_ID. */
  deleteRecords(order: DeletionOrder): Promise<DeletionOutcome>
  /** Errors: LEADER_NOT_AVAILABLE when no leader of the controllers answers. */
  quorum(): Promise<QuorumStatus>
}
