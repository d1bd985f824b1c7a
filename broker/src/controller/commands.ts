/**
 * What the controller can be asked to do, and what its decisions have in common.
 *
 * A command and the image give records and an answer, or the error that refuses it (topic-decisions.ts,
 * broker-decisions.ts, move-decisions.ts, put together in decide.ts). Commands travel between brokers as JSON
 * (controller-protocol.ts), so they are plain data.
 */
import { StratalogError } from '@stratalog/proto'
import type { Replica } from '../replication/raft-ids.ts'
import type { BrokerImage, MetadataImage, PartitionImage, TopicImage } from './metadata-image.ts'
import type { CommandResult, MetadataRecord } from './metadata-records.ts'

/** Most partitions of one topic. */
export const PARTITION_COUNT_MAX = 10_000

/** Producer ids that are allocated at a time: one synced write serves this many producers. */
export const PRODUCER_ID_BLOCK_COUNT = 1000

/** Last epoch of a producer id (int16); the next one needs a new id. */
export const PRODUCER_EPOCH_MAX = 0x7fff

/** Partitions that one record batch moves at most; the rest follows in the next. */
export const MOVE_COUNT_MAX = 1000

/** Asks for a topic; counts are those in force, defaults filled in. */
export interface CreateTopicCommand {
  readonly name: string
  readonly partitionCount: number
  readonly replicationFactor: number
  readonly configs: ReadonlyMap<string, string>
}

/** Sets values of a topic and returns others to the default. */
export interface AlterTopicConfigCommand {
  readonly name: string
  readonly set: ReadonlyMap<string, string>
  readonly unset: readonly string[]
}

/** What a broker says of itself when it starts. */
export interface BrokerRegistration {
  readonly brokerId: number
  /** Null while it belongs to no cluster. */
  readonly clusterId: string | null
  /** Where clients reach it. */
  readonly host: string
  readonly port: number
  readonly rack: string
  /** Where brokers reach it. */
  readonly peerHost: string
  readonly peerPort: number
  /** Names its data folder: a wiped one has another. */
  readonly directoryId: string
  /** Names of the folder's last runs, the present one last: the same in every repetition. At least one. */
  readonly runs: readonly string[]
}

/** Everything that the controller can be asked to do. */
export type Command =
  | {
      readonly type: 'found-cluster'
      readonly clusterId: string
      readonly controllers: readonly Replica[]
      readonly featureLevel: number
      /** What the founder held as its own before there was a cluster. */
      readonly inherited: readonly MetadataRecord[]
    }
  | {
      readonly type: 'create-topic'
      readonly name: string
      readonly partitionCount: number
      readonly replicationFactor: number
      readonly configs: Readonly<Record<string, string>>
    }
  /** Makes the topic of the groups, or has its copies brought up to their number; see offsets-topic.ts. */
  | { readonly type: 'ensure-offsets-topic'; readonly partitionCount: number }
  | { readonly type: 'delete-topic'; readonly name: string }
  | {
      readonly type: 'alter-topic-config'
      readonly name: string
      readonly set: Readonly<Record<string, string>>
      readonly unset: readonly string[]
    }
  | { readonly type: 'add-partitions'; readonly name: string; readonly partitionCount: number }
  | { readonly type: 'allocate-producer-ids' }
  | { readonly type: 'register-broker'; readonly registration: BrokerRegistration }
  | {
      readonly type: 'drain-broker'
      readonly brokerId: number
      readonly drained: boolean
      /** Drain although partitions lose their quorum when the broker stops. */
      readonly force: boolean
    }
  | { readonly type: 'decommission-broker'; readonly brokerId: number; readonly decommissioning: boolean }
  | { readonly type: 'maybe-remove-broker'; readonly brokerId: number }
  | {
      readonly type: 'move-partition'
      readonly topic: string
      readonly partition: number
      /** The preferred leader first. */
      readonly brokerIds: readonly number[]
    }
  | { readonly type: 'cancel-move'; readonly topic: string; readonly partition: number }
  | {
      readonly type: 'complete-reassignment'
      readonly topicId: string
      readonly partition: number
      /** The target that the group was seen to consist of. */
      readonly target: readonly Replica[]
    }
  | {
      readonly type: 'renew-replica'
      readonly topicId: string
      readonly partition: number
      /** The copy that was lost. */
      readonly lost: Replica
    }
  /** Changes nothing; its answer is how far the log is. */
  | { readonly type: 'barrier' }

/** What a decision may know beside the image. */
export interface DecisionContext {
  /** Whether the process of that registration is up now, as far as the controller can tell. Its own always is. */
  readonly isBrokerUp: (broker: BrokerImage) => boolean
  /** 32 hexadecimal digits, never used before. */
  readonly newTopicId: () => string
}

/** What a command leads to. */
export interface Accepted {
  /** None when nothing would change. */
  readonly records: readonly MetadataRecord[]
  readonly result: CommandResult
}

/** What a command leads to, or why it is refused. */
export type Decision = Accepted | StratalogError

/** A decision without an answer of its own. */
export function accepted(records: readonly MetadataRecord[], result: CommandResult = {}): Accepted {
  return { records, result }
}

/** The topic, or UNKNOWN_TOPIC_OR_PARTITION. */
export function findTopic(image: MetadataImage, name: string): TopicImage | StratalogError {
  return (
    image.topicsByName.get(name) ??
    new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`, { topic: name })
  )
}

/** The partition of a topic, or UNKNOWN_TOPIC_OR_PARTITION. */
export function findPartition(topic: TopicImage, partition: number): PartitionImage | StratalogError {
  const count = topic.partitions.length
  const text = `topic ${topic.name} has no partition ${partition}; it has ${count}, numbered from 0`
  return (
    topic.partitions[partition] ??
    new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', text, { topic: topic.name, partition })
  )
}

/** The broker, or BROKER_ID_NOT_REGISTERED. */
export function findBroker(image: MetadataImage, brokerId: number): BrokerImage | StratalogError {
  const known = [...image.brokers.keys()].sort((a, b) => a - b)
  const text = `there is no broker ${brokerId}; registered are ${known.join(', ')}`
  return image.brokers.get(brokerId) ?? new StratalogError('BROKER_ID_NOT_REGISTERED', text)
}

/** Copies that a group needs to go on. */
export function quorumOf(replicaCount: number): number {
  return Math.floor(replicaCount / 2) + 1
}
