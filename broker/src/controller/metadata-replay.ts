/**
 * Folds metadata records into the image.
 *
 * Pure: the same records give the same image on every broker and on every replay. Records were checked when they were
 * decided; one that cannot follow what was before is a broken invariant.
 */
import { invariant } from '@stratalog/proto'
import { GENERATION_MAX, type Replica } from '../replication/raft-ids.ts'
import {
  type BrokerImage,
  EMPTY_IMAGE,
  type ExecutedCommand,
  type MetadataImage,
  type PartitionImage,
  REMEMBERED_COMMAND_COUNT,
  type RemovedBroker,
  replicaOn,
  type TopicImage,
} from './metadata-image.ts'
import type {
  BrokerRegistered,
  ClusterFounded,
  CommandExecuted,
  MetadataRecord,
  PartitionRecord,
  ReplicaRenewed,
} from './metadata-records.ts'
import { METADATA_TOPIC_ID } from './metadata-topic.ts'

/**
 * The image after `records`, in order. Throws InvariantError for records that cannot follow.
 *
 * @param metadataOffset exclusive end of the log that holds them; by default there is one offset for each.
 */
export function replay(
  image: MetadataImage,
  records: readonly MetadataRecord[],
  metadataOffset: number = image.metadataOffset + records.length,
): MetadataImage {
  const draft = draftOf(image)
  for (const record of records) applyRecord(draft, record)
  return { ...draft, metadataOffset }
}

/** As the image, but open to change: the maps are the draft's own, what they hold is not. */
interface Draft {
  clusterId: string | null
  featureLevel: number
  controllers: readonly Replica[]
  topicsByName: Map<string, TopicImage>
  topicsById: Map<string, TopicImage>
  brokers: Map<number, BrokerImage>
  removedBrokers: Map<number, RemovedBroker>
  nextProducerId: number
  commands: Map<string, ExecutedCommand>
  commandCount: number
}

function draftOf(image: MetadataImage): Draft {
  return {
    clusterId: image.clusterId,
    featureLevel: image.featureLevel,
    controllers: image.controllers,
    topicsByName: new Map(image.topicsByName),
    topicsById: new Map(image.topicsById),
    brokers: new Map(image.brokers),
    removedBrokers: new Map(image.removedBrokers),
    nextProducerId: image.nextProducerId,
    commands: new Map(image.commands),
    commandCount: image.commandCount,
  }
}

function applyRecord(draft: Draft, record: MetadataRecord): void {
  switch (record.type) {
    case 'cluster-founded':
      found(draft, record)
      return
    case 'controllers-changed':
      draft.controllers = record.controllers
      return
    case 'topic-created':
    case 'topic-deleted':
    case 'topic-config-changed':
    case 'partitions-added':
      applyTopicRecord(draft, record)
      return
    case 'producer-ids-allocated':
      invariant(record.nextProducerId >= draft.nextProducerId, 'producer ids are never given back')
      draft.nextProducerId = record.nextProducerId
      return
    case 'broker-registered':
      register(draft, record)
      return
    case 'broker-drained':
      putBroker(draft, { ...brokerOf(draft, record.brokerId), isDrained: record.drained })
      return
    case 'broker-decommissioned':
      putBroker(draft, { ...brokerOf(draft, record.brokerId), isDecommissioning: record.decommissioning })
      return
    case 'broker-removed':
      removeBroker(draft, record.brokerId)
      return
    case 'partition-reassigned':
      changePartition(draft, record, (partition) => reassigned(partition, record.target))
      return
    case 'reassignment-completed':
      changePartition(draft, record, completed)
      return
    case 'reassignment-cancelled':
      changePartition(draft, record, cancelled)
      return
    case 'replica-renewed':
      if (record.topicId === METADATA_TOPIC_ID) renewMetadataCopy(draft, record)
      else changePartition(draft, record, (partition) => renewed(partition, record))
      return
    case 'command-executed':
      remember(draft, record)
      return
  }
}

type TopicRecord = Extract<
  MetadataRecord,
  { type: 'topic-created' | 'topic-deleted' | 'topic-config-changed' | 'partitions-added' }
>

function applyTopicRecord(draft: Draft, record: TopicRecord): void {
  switch (record.type) {
    case 'topic-created': {
      invariant(!draft.topicsByName.has(record.name), () => `topic ${record.name} is created twice`)
      invariant(!draft.topicsById.has(record.topicId), () => `topic id ${record.topicId} is used twice`)
      checkIds(record.partitions, 0)
      const configs = new Map(Object.entries(record.configs))
      putTopic(draft, { name: record.name, topicId: record.topicId, partitions: record.partitions, configs })
      return
    }
    case 'topic-deleted': {
      const topic = topicOf(draft, record.topicId)
      draft.topicsByName.delete(topic.name)
      draft.topicsById.delete(topic.topicId)
      return
    }
    case 'topic-config-changed': {
      const topic = topicOf(draft, record.topicId)
      const configs = new Map(topic.configs)
      for (const [key, value] of Object.entries(record.set)) configs.set(key, value)
      for (const key of record.unset) configs.delete(key)
      putTopic(draft, { ...topic, configs })
      return
    }
    case 'partitions-added': {
      const topic = topicOf(draft, record.topicId)
      checkIds(record.partitions, topic.partitions.length)
      putTopic(draft, { ...topic, partitions: [...topic.partitions, ...record.partitions] })
    }
  }
}

/** What a broker had of its own before there was a cluster counts no more: the founder's follows as records. */
function found(draft: Draft, { clusterId, controllers, featureLevel }: ClusterFounded): void {
  invariant(draft.clusterId === null, 'the cluster is founded twice')
  Object.assign(draft, draftOf(EMPTY_IMAGE), { clusterId, controllers, featureLevel })
}

function register(draft: Draft, record: BrokerRegistered): void {
  const { brokerId, storageLost } = record
  const known = draft.brokers.get(brokerId)
  const generation = known?.metadataGeneration ?? firstMetadataGeneration(draft, brokerId)
  const metadataGeneration = storageLost ? next(generation) : generation
  const { type: _, ...registration } = record
  putBroker(draft, {
    ...registration,
    metadataGeneration,
    isDrained: known?.isDrained ?? false,
    isDecommissioning: known?.isDecommissioning ?? false,
  })
  if (!storageLost) return
  draft.controllers = raised(draft.controllers, brokerId)
  for (const topic of draft.topicsById.values()) {
    if (!topic.partitions.some((partition) => isOn(partition, brokerId))) continue
    const partitions = topic.partitions.map((partition) =>
      isOn(partition, brokerId) ? withLostCopy(partition, brokerId) : partition,
    )
    putTopic(draft, { ...topic, partitions })
  }
}

/** Of a broker that is new: that of its seat among the controllers, or past those that its forerunner used up. */
function firstMetadataGeneration(draft: Draft, brokerId: number): number {
  const seat = replicaOn(draft.controllers, brokerId)
  if (seat !== undefined) return seat.generation
  const removed = draft.removedBrokers.get(brokerId)
  return removed === undefined ? 0 : next(removed.metadataGeneration)
}

function removeBroker(draft: Draft, brokerId: number): void {
  const { metadataGeneration, directoryId } = brokerOf(draft, brokerId)
  invariant(replicaOn(draft.controllers, brokerId) === undefined, () => `broker ${brokerId} is still a controller`)
  draft.brokers.delete(brokerId)
  const directoryIds = [...(draft.removedBrokers.get(brokerId)?.directoryIds ?? []), directoryId]
  draft.removedBrokers.set(brokerId, { brokerId, metadataGeneration, directoryIds })
}

/** The broker's copy of the metadata log itself, and its seat if it has one. */
function renewMetadataCopy(draft: Draft, { brokerId, generation }: ReplicaRenewed): void {
  const broker = brokerOf(draft, brokerId)
  invariant(generation === broker.metadataGeneration + 1, 'generations follow one another')
  putBroker(draft, { ...broker, metadataGeneration: generation })
  draft.controllers = raised(draft.controllers, brokerId)
}

function reassigned(partition: PartitionImage, target: readonly Replica[]): PartitionImage {
  const stay = [...partition.replicas, ...target]
  return { ...partition, target, moved: true, retiredGeneration: retired(partition, stay) }
}

function completed(partition: PartitionImage): PartitionImage {
  const { target } = partition
  invariant(target !== null, 'a move ends that was not under way')
  return { ...partition, replicas: target, target: null, retiredGeneration: retired(partition, target) }
}

function cancelled(partition: PartitionImage): PartitionImage {
  invariant(partition.target !== null, 'a move is given up that was not under way')
  return { ...partition, target: null, retiredGeneration: retired(partition, partition.replicas) }
}

function renewed(partition: PartitionImage, { brokerId, generation }: ReplicaRenewed): PartitionImage {
  const lost = copyOn(partition, brokerId)
  invariant(lost !== undefined, () => `broker ${brokerId} has no copy to renew`)
  invariant(generation === lost.generation + 1, () => `generation ${generation} follows ${lost.generation}`)
  return withLostCopy(partition, brokerId)
}

/** The highest generation of copies that have left, when only those that `stay` are left of the partition's. */
function retired(partition: PartitionImage, stay: readonly Replica[]): number {
  const leaving = [...partition.replicas, ...(partition.target ?? [])].filter(
    ({ brokerId, generation }) => !stay.some((copy) => copy.brokerId === brokerId && copy.generation >= generation),
  )
  return leaving.reduce((highest, { generation }) => Math.max(highest, generation), partition.retiredGeneration)
}

function isOn(partition: PartitionImage, brokerId: number): boolean {
  return copyOn(partition, brokerId) !== undefined
}

function copyOn({ replicas, target }: PartitionImage, brokerId: number): Replica | undefined {
  return replicaOn(replicas, brokerId) ?? (target === null ? undefined : replicaOn(target, brokerId))
}

/** The broker's copy, in both lists, is followed by one that begins empty. */
function withLostCopy(partition: PartitionImage, brokerId: number): PartitionImage {
  const { replicas, target } = partition
  return {
    ...partition,
    moved: true,
    replicas: raised(replicas, brokerId),
    target: target === null ? null : raised(target, brokerId),
  }
}

function raised(replicas: readonly Replica[], brokerId: number): readonly Replica[] {
  return replicas.map((replica) =>
    replica.brokerId === brokerId ? { brokerId, generation: next(replica.generation) } : replica,
  )
}

function next(generation: number): number {
  invariant(generation < GENERATION_MAX, 'generations are used up')
  return generation + 1
}

function remember(draft: Draft, { commandId, result }: CommandExecuted): void {
  invariant(!draft.commands.has(commandId), () => `command ${commandId} is executed twice`)
  draft.commands.set(commandId, { serial: draft.commandCount++, commandId, result })
  if (draft.commands.size <= REMEMBERED_COMMAND_COUNT) return
  for (const oldest of draft.commands.keys()) {
    draft.commands.delete(oldest)
    return
  }
}

function topicOf(draft: Draft, topicId: string): TopicImage {
  const topic = draft.topicsById.get(topicId)
  invariant(topic !== undefined, () => `a record names topic id ${topicId}, which does not exist`)
  return topic
}

function brokerOf(draft: Draft, brokerId: number): BrokerImage {
  const broker = draft.brokers.get(brokerId)
  invariant(broker !== undefined, () => `a record names broker ${brokerId}, which does not exist`)
  return broker
}

function putTopic(draft: Draft, topic: TopicImage): void {
  draft.topicsByName.set(topic.name, topic)
  draft.topicsById.set(topic.topicId, topic)
}

function putBroker(draft: Draft, broker: BrokerImage): void {
  draft.brokers.set(broker.brokerId, broker)
}

function changePartition(
  draft: Draft,
  place: { readonly topicId: string; readonly partition: number },
  change: (partition: PartitionImage) => PartitionImage,
): void {
  const topic = topicOf(draft, place.topicId)
  const partition = topic.partitions[place.partition]
  invariant(partition !== undefined, () => `a record names partition ${topic.name}-${place.partition}`)
  const partitions = topic.partitions.with(place.partition, change(partition))
  putTopic(draft, { ...topic, partitions })
}

function checkIds(partitions: readonly PartitionRecord[], first: number): void {
  for (const [i, { partition }] of partitions.entries()) {
    invariant(partition === first + i, () => `partition ${partition} where ${first + i} is due`)
  }
}
