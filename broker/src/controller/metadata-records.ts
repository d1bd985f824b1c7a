/**
 * The facts that make up the cluster's metadata: what the metadata log holds, and what the image is the fold of.
 *
 * Their bytes are in metadata-codec.ts. A record is decided once, by the controller, and replayed by every broker; none
 * is ever taken back, only followed by another.
 * Room is left in partitions for lineage (split from another at an offset) and for shared segments (a fork): both null.
 */
import type { Replica } from '../replication/raft-ids.ts'

/** One copy of a partition: the broker that holds it, and which of its copies (0 = the first). */
export type ReplicaRecord = Replica

/** Where a partition comes from: a child of `partition` of the same topic, from `offset` on. */
export interface PartitionLineage {
  readonly partition: number
  readonly offset: number
}

/** Segments shared with another topic's partition, below `endOffset` (exclusive). */
export interface PartitionFork {
  readonly topicId: string
  readonly partition: number
  readonly endOffset: number
}

/** A partition and where its replicas are. */
export interface PartitionRecord {
  /** 0..n-1 in its topic. */
  readonly partition: number
  /** The copies, the preferred leader first; at least one, each on another broker. */
  readonly replicas: readonly ReplicaRecord[]
  /** What the copies are to become, the preferred leader first; null while no move is under way. */
  readonly target: readonly ReplicaRecord[] | null
  /** Whether it was ever moved, or a copy of it renewed: then its group cannot be founded by `replicas` any more. */
  readonly moved: boolean
  /** Highest generation of copies that have left, -1 when none has: a copy that comes anew gets the next one. */
  readonly retiredGeneration: number
  /** Null for a partition that was not split off another. */
  readonly lineage: PartitionLineage | null
  /** Null for a partition that shares no segments. */
  readonly fork: PartitionFork | null
}

/** The cluster begins: the first record of its log. What a broker held before as its own follows in the same batch. */
export interface ClusterFounded {
  readonly type: 'cluster-founded'
  readonly clusterId: string
  /** Voters of the metadata group. */
  readonly controllers: readonly ReplicaRecord[]
  readonly featureLevel: number
}

/** Other brokers are controllers from here on. */
export interface ControllersChanged {
  readonly type: 'controllers-changed'
  readonly controllers: readonly ReplicaRecord[]
}

/** A topic exists from here on. */
export interface TopicCreated {
  readonly type: 'topic-created'
  readonly name: string
  /** 32 lower-case hexadecimal digits. */
  readonly topicId: string
  readonly partitions: readonly PartitionRecord[]
  readonly configs: Readonly<Record<string, string>>
}

/** A topic is gone; its name is free. */
export interface TopicDeleted {
  readonly type: 'topic-deleted'
  readonly topicId: string
}

/** Values set on a topic, and keys that go back to the default. */
export interface TopicConfigChanged {
  readonly type: 'topic-config-changed'
  readonly topicId: string
  readonly set: Readonly<Record<string, string>>
  readonly unset: readonly string[]
}

/** Partitions after those there were. */
export interface PartitionsAdded {
  readonly type: 'partitions-added'
  readonly topicId: string
  readonly partitions: readonly PartitionRecord[]
}

/** All producer ids below `nextProducerId` are taken. */
export interface ProducerIdsAllocated {
  readonly type: 'producer-ids-allocated'
  readonly nextProducerId: number
}

/** A broker has started, and where it is reached; replaces what was known of it but for its drained state. */
export interface BrokerRegistered {
  readonly type: 'broker-registered'
  readonly brokerId: number
  /** Where clients reach it. */
  readonly host: string
  readonly port: number
  /** Failure domain; empty when not set. */
  readonly rack: string
  /** Where brokers reach it; empty and 0 in a record of version 1. */
  readonly peerHost: string
  readonly peerPort: number
  /** Names its data folder; empty in a record of version 1. */
  readonly directoryId: string
  /** Names the run of that folder: an old copy of it does not know it. Empty in a record of version 1. */
  readonly run: string
  /** Runs of this broker before this one, whatever their folder, the last ones: none of them registers any more. */
  readonly formerRuns: readonly string[]
  /** The disk it once had is gone: each of its copies, its seat among the controllers too, goes up one generation. */
  readonly storageLost: boolean
}

/** A broker is being kept free of leaders and new replicas (maintenance), or no longer is. */
export interface BrokerDrained {
  readonly type: 'broker-drained'
  readonly brokerId: number
  readonly drained: boolean
}

/** A broker is being emptied for good, or no longer is. */
export interface BrokerDecommissioned {
  readonly type: 'broker-decommissioned'
  readonly brokerId: number
  readonly decommissioning: boolean
}

/** An emptied broker is gone; its data folder may not come back. */
export interface BrokerRemoved {
  readonly type: 'broker-removed'
  readonly brokerId: number
}

/** A partition is to move: its copies become `target`. Replaces a move that is under way. */
export interface PartitionReassigned {
  readonly type: 'partition-reassigned'
  readonly topicId: string
  readonly partition: number
  readonly target: readonly ReplicaRecord[]
}

/** A move is done: the copies are those of the target. */
export interface ReassignmentCompleted {
  readonly type: 'reassignment-completed'
  readonly topicId: string
  readonly partition: number
}

/** A move is given up: the copies are what they were. */
export interface ReassignmentCancelled {
  readonly type: 'reassignment-cancelled'
  readonly topicId: string
  readonly partition: number
}

/** A copy was lost; its place is taken by one of this generation, which begins empty. */
export interface ReplicaRenewed {
  readonly type: 'replica-renewed'
  readonly topicId: string
  readonly partition: number
  readonly brokerId: number
  readonly generation: number
}

/** What a command was answered, kept so that its repetition gets the same answer. Last of the command's records. */
export interface CommandExecuted {
  readonly type: 'command-executed'
  readonly commandId: string
  readonly result: CommandResult
}

/** A small answer of a command, by name. */
export type CommandResult = Readonly<Record<string, string | number | boolean>>

/** Everything that the metadata log can hold. */
export type MetadataRecord =
  | ClusterFounded
  | ControllersChanged
  | TopicCreated
  | TopicDeleted
  | TopicConfigChanged
  | PartitionsAdded
  | ProducerIdsAllocated
  | BrokerRegistered
  | BrokerDrained
  | BrokerDecommissioned
  | BrokerRemoved
  | PartitionReassigned
  | ReassignmentCompleted
  | ReassignmentCancelled
  | ReplicaRenewed
  | CommandExecuted

/** A partition that has just come to be. @param brokerIds the preferred leader first. */
export function newPartition(partition: number, brokerIds: readonly number[]): PartitionRecord {
  const replicas = brokerIds.map((brokerId) => ({ brokerId, generation: 0 }))
  return { partition, replicas, target: null, moved: false, retiredGeneration: -1, lineage: null, fork: null }
}
