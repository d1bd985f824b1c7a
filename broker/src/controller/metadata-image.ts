/**
 * What the cluster is: the fold of all metadata records (metadata-replay.ts). Immutable; a change makes a new image that
 * shares what stayed.
 *
 * Invariant: topicsByName and topicsById hold the same topics; partition ids of a topic are 0..n-1.
 * Invariant: a broker among the controllers has there the generation that it has in `brokers`, once it has registered.
 */
import type { Replica } from '../replication/raft-ids.ts'
import type { CommandResult, PartitionRecord } from './metadata-records.ts'

/** Highest feature level that this release knows; a cluster above it is not followed. */
export const FEATURE_LEVEL = 1

/** Commands whose answers are remembered. */
export const REMEMBERED_COMMAND_COUNT = 1000

/** One partition as the metadata knows it. */
export type PartitionImage = PartitionRecord

/** One topic. */
export interface TopicImage {
  readonly name: string
  /** 32 lower-case hexadecimal digits: the 16 bytes of the id. A topic created again under its name has another. */
  readonly topicId: string
  /** By partition id. */
  readonly partitions: readonly PartitionImage[]
  /** Only what was set on the topic itself; values are as they were given, checked. */
  readonly configs: ReadonlyMap<string, string>
}

/** One broker that has registered and was not removed. */
export interface BrokerImage {
  readonly brokerId: number
  /** Where clients reach it. */
  readonly host: string
  readonly port: number
  /** Failure domain; empty when not set. */
  readonly rack: string
  /** Where brokers reach it; empty and 0 while it runs a release that knew no other brokers. */
  readonly peerHost: string
  readonly peerPort: number
  /** Names its data folder. */
  readonly directoryId: string
  /** Names the run of that folder that registered. */
  readonly run: string
  /** Runs of this broker before that one, the last ones, as far as it has told. */
  readonly formerRuns: readonly string[]
  /** Whether that run began without the disk that the broker had before. */
  readonly storageLost: boolean
  /** Of its copy of the metadata log. */
  readonly metadataGeneration: number
  /** Kept free of leaders and new replicas, for maintenance. */
  readonly isDrained: boolean
  /** Being emptied for good. */
  readonly isDecommissioning: boolean
}

/** What is remembered of a broker that was removed. */
export interface RemovedBroker {
  readonly brokerId: number
  /** Of its last copy of the metadata log. */
  readonly metadataGeneration: number
  /** Data folders that may not come back. */
  readonly directoryIds: readonly string[]
}

/** A command that was carried out. */
export interface ExecutedCommand {
  /** 0, 1, 2... in the order of execution. */
  readonly serial: number
  readonly commandId: string
  readonly result: CommandResult
}

/** The whole cluster. */
export interface MetadataImage {
  /** Exclusive end of the metadata log that this image contains. */
  readonly metadataOffset: number
  /** Null until the cluster is founded. */
  readonly clusterId: string | null
  readonly featureLevel: number
  /** Voters of the metadata group. */
  readonly controllers: readonly Replica[]
  readonly topicsByName: ReadonlyMap<string, TopicImage>
  readonly topicsById: ReadonlyMap<string, TopicImage>
  readonly brokers: ReadonlyMap<number, BrokerImage>
  readonly removedBrokers: ReadonlyMap<number, RemovedBroker>
  /** Producer ids below this are given out, or in a block that was. */
  readonly nextProducerId: number
  /** The last commands by id, the oldest first; at most {@link REMEMBERED_COMMAND_COUNT}. */
  readonly commands: ReadonlyMap<string, ExecutedCommand>
  /** Commands ever executed: the serial of the next one. */
  readonly commandCount: number
}

/** The image of a cluster in which nothing has happened. */
export const EMPTY_IMAGE: MetadataImage = {
  metadataOffset: 0,
  clusterId: null,
  featureLevel: 0,
  controllers: [],
  topicsByName: new Map(),
  topicsById: new Map(),
  brokers: new Map(),
  removedBrokers: new Map(),
  nextProducerId: 0,
  commands: new Map(),
  commandCount: 0,
}

/** Who is to be in the metadata group. */
export interface MetadataMembers {
  readonly voters: readonly Replica[]
  /** The brokers that only follow. */
  readonly learners: readonly Replica[]
}

/** The metadata group as it should be: the controllers vote, every other broker follows. Each by broker id. */
export function metadataMembers(image: MetadataImage): MetadataMembers {
  const voting = new Set(image.controllers.map(({ brokerId }) => brokerId))
  const learners = [...image.brokers.values()]
    .filter(({ brokerId }) => !voting.has(brokerId))
    .map(({ brokerId, metadataGeneration }) => ({ brokerId, generation: metadataGeneration }))
  return { voters: [...image.controllers].sort(byBrokerId), learners: learners.sort(byBrokerId) }
}

/** Whether two lists hold the same copies, in any order. */
export function sameReplicas(left: readonly Replica[], right: readonly Replica[]): boolean {
  return left.length === right.length && left.every((replica) => hasReplica(right, replica))
}

/** Whether the copy is in the list. */
export function hasReplica(replicas: readonly Replica[], { brokerId, generation }: Replica): boolean {
  return replicas.some((other) => other.brokerId === brokerId && other.generation === generation)
}

/** The broker's copy in the list. */
export function replicaOn(replicas: readonly Replica[], brokerId: number): Replica | undefined {
  return replicas.find((replica) => replica.brokerId === brokerId)
}

function byBrokerId(left: Replica, right: Replica): number {
  return left.brokerId - right.brokerId
}
