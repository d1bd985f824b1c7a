/**
 * The controller's decisions: a command and the image give records, or the error that refuses it.
 *
 * Pure: ids that must be new are passed in. Validated here once; records are trusted from then on.
 */
import { StratalogError } from '@stratalog/proto'
import type { MetadataImage, TopicImage } from './metadata-image.ts'
import type { MetadataRecord, PartitionRecord } from './metadata-records.ts'
import { checkTopicConfig, checkTopicConfigKey } from './topic-config.ts'
import { checkTopicName, isInternalTopic } from './topic-name.ts'

/** Most partitions of one topic. */
export const PARTITION_COUNT_MAX = 10_000

/** Producer ids that are allocated at a time: one synced write serves this many producers. */
export const PRODUCER_ID_BLOCK_COUNT = 1000

/** Last epoch of a producer id (int16); the next one needs a new id. */
export const PRODUCER_EPOCH_MAX = 0x7fff

/** What a command leads to. */
export type Decision = readonly MetadataRecord[] | StratalogError

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

/** Where the replicas of new partitions go. */
export type Placement = (partition: number, replicationFactor: number) => readonly number[]

/** Decides on a new topic. @param topicId 32 hexadecimal digits, never used before. */
export function decideCreateTopic(
  image: MetadataImage,
  command: CreateTopicCommand,
  topicId: string,
  place: Placement,
): Decision {
  const { name, partitionCount, replicationFactor, configs } = command
  const error =
    checkClientTopic(name) ??
    checkFree(image, name) ??
    checkPartitionCount(name, partitionCount) ??
    checkReplicationFactor(image, name, replicationFactor) ??
    checkConfigs(configs)
  if (error !== null) return error
  const partitions = placed(0, partitionCount, replicationFactor, place)
  return [{ type: 'topic-created', name, topicId, partitions, configs: Object.fromEntries(configs) }]
}

/** Decides on the end of a topic. */
export function decideDeleteTopic(image: MetadataImage, name: string): Decision {
  const topic = findTopic(image, name)
  if (topic instanceof StratalogError) return topic
  return isInternalTopic(name) ? internalTopic(name) : [{ type: 'topic-deleted', topicId: topic.topicId }]
}

/** Decides on a change of configuration; no records when nothing would change. */
export function decideAlterTopicConfig(image: MetadataImage, command: AlterTopicConfigCommand): Decision {
  const { name, set, unset } = command
  const topic = findTopic(image, name)
  if (topic instanceof StratalogError) return topic
  const error = checkConfigs(set) ?? checkUnset(set, unset)
  if (error !== null) return error
  const changed = [...set].filter(([key, value]) => topic.configs.get(key) !== value)
  const removed = unset.filter((key) => topic.configs.has(key))
  if (changed.length + removed.length === 0) return []
  return [{ type: 'topic-config-changed', topicId: topic.topicId, set: Object.fromEntries(changed), unset: removed }]
}

/** Decides on more partitions. @param partitionCount the new total. */
export function decideAddPartitions(
  image: MetadataImage,
  name: string,
  partitionCount: number,
  place: Placement,
): Decision {
  const topic = findTopic(image, name)
  if (topic instanceof StratalogError) return topic
  const current = topic.partitions.length
  const error = isInternalTopic(name) ? internalTopic(name) : checkPartitionCount(name, partitionCount)
  if (error !== null) return error
  if (partitionCount <= current) {
    return invalidPartitions(name, `topic ${name} has ${current} partitions; ${partitionCount} would not add any`)
  }
  const replicationFactor = topic.partitions[0]!.replicas.length
  const partitions = placed(current, partitionCount, replicationFactor, place)
  return [{ type: 'partitions-added', topicId: topic.topicId, partitions }]
}

/** Reserves the next block of producer ids. */
export function decideAllocateProducerIds(image: MetadataImage): Decision {
  return [{ type: 'producer-ids-allocated', nextProducerId: image.nextProducerId + PRODUCER_ID_BLOCK_COUNT }]
}

/** The topic, or UNKNOWN_TOPIC_OR_PARTITION. */
export function findTopic(image: MetadataImage, name: string): TopicImage | StratalogError {
  return (
    image.topicsByName.get(name) ??
    new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`, { topic: name })
  )
}

function placed(from: number, to: number, replicationFactor: number, place: Placement): PartitionRecord[] {
  return Array.from({ length: to - from }, (_, i) => ({
    partition: from + i,
    replicas: place(from + i, replicationFactor),
    lineage: null,
    fork: null,
  }))
}

function checkClientTopic(name: string): StratalogError | null {
  return checkTopicName(name) ?? (isInternalTopic(name) ? internalTopic(name) : null)
}

function internalTopic(name: string): StratalogError {
  return new StratalogError('INVALID_TOPIC', `${name} is internal: names that begin with __ belong to the system`, {
    topic: name,
  })
}

function checkFree(image: MetadataImage, name: string): StratalogError | null {
  return image.topicsByName.has(name)
    ? new StratalogError('TOPIC_ALREADY_EXISTS', `topic ${name} exists already`, { topic: name })
    : null
}

function checkPartitionCount(name: string, count: number): StratalogError | null {
  const allowed = Number.isInteger(count) && count >= 1 && count <= PARTITION_COUNT_MAX
  return allowed ? null : invalidPartitions(name, `partition count is ${count}; it must be 1 to ${PARTITION_COUNT_MAX}`)
}

function invalidPartitions(name: string, message: string): StratalogError {
  return new StratalogError('INVALID_PARTITIONS', message, { topic: name })
}

function checkReplicationFactor(image: MetadataImage, name: string, factor: number): StratalogError | null {
  const brokerCount = image.brokers.size
  if (Number.isInteger(factor) && factor >= 1 && factor <= brokerCount) return null
  const text = `replication factor is ${factor}; it must be 1 to ${brokerCount}, the number of brokers`
  return new StratalogError('INVALID_REPLICATION_FACTOR', text, { topic: name })
}

function checkConfigs(configs: ReadonlyMap<string, string>): StratalogError | null {
  for (const [key, value] of configs) {
    const error = checkTopicConfig(key, value)
    if (error !== null) return error
  }
  return null
}

function checkUnset(set: ReadonlyMap<string, string>, unset: readonly string[]): StratalogError | null {
  for (const key of unset) {
    if (set.has(key)) return new StratalogError('INVALID_REQUEST', `${key} is both set and unset`)
    const error = checkTopicConfigKey(key)
    if (error !== null) return error
  }
  return null
}
