/** Decisions on topics. Pure: what must be new or be known of the world comes in the context. */
import { StratalogError } from '@stratalog/proto'
import {
  accepted,
  type Command,
  type Decision,
  type DecisionContext,
  findTopic,
  PARTITION_COUNT_MAX,
  PRODUCER_ID_BLOCK_COUNT,
} from './commands.ts'
import type { MetadataImage } from './metadata-image.ts'
import { newPartition, type PartitionRecord } from './metadata-records.ts'
import { Placer, takesReplicas } from './placement.ts'
import { checkTopicConfig, checkTopicConfigKey } from './topic-config.ts'
import { checkTopicName, internalTopic, isInternalTopic } from './topic-name.ts'

type CommandOf<Type extends Command['type']> = Extract<Command, { type: Type }>

/** Decides on a new topic. Answer: topicId. */
export function decideCreateTopic(
  image: MetadataImage,
  command: CommandOf<'create-topic'>,
  context: DecisionContext,
): Decision {
  const { name, partitionCount, replicationFactor, configs } = command
  const placer = new Placer(image, (broker) => takesReplicas(broker) && context.isBrokerUp(broker))
  const error =
    checkClientTopic(name) ??
    checkFree(image, name) ??
    checkPartitionCount(name, partitionCount) ??
    checkReplicationFactor(image, name, replicationFactor, placer.candidateCount) ??
    checkConfigs(configs)
  if (error !== null) return error
  const topicId = context.newTopicId()
  const partitions = placedPartitions(0, partitionCount, replicationFactor, placer)
  return accepted([{ type: 'topic-created', name, topicId, partitions, configs }], { topicId })
}

/** Decides on the end of a topic. Answer: topicId. */
export function decideDeleteTopic(image: MetadataImage, { name }: CommandOf<'delete-topic'>): Decision {
  const topic = findTopic(image, name)
  if (topic instanceof StratalogError) return topic
  if (isInternalTopic(name)) return internalTopic(name)
  const { topicId } = topic
  return accepted([{ type: 'topic-deleted', topicId }], { topicId })
}

/** Decides on a change of configuration; no records when nothing would change. Answer: topicId. */
export function decideAlterTopicConfig(image: MetadataImage, command: CommandOf<'alter-topic-config'>): Decision {
  const { name, set, unset } = command
  const topic = findTopic(image, name)
  if (topic instanceof StratalogError) return topic
  if (isInternalTopic(name)) return internalTopic(name)
  const error = checkConfigs(set) ?? checkUnset(set, unset)
  if (error !== null) return error
  const { topicId, configs } = topic
  const changed = Object.entries(set).filter(([key, value]) => configs.get(key) !== value)
  const removed = unset.filter((key) => configs.has(key))
  if (changed.length + removed.length === 0) return accepted([], { topicId })
  const record = { type: 'topic-config-changed', topicId, set: Object.fromEntries(changed), unset: removed } as const
  return accepted([record], { topicId })
}

/** Decides on more partitions, as many copies of each as partition 0 has. Answer: topicId. */
export function decideAddPartitions(
  image: MetadataImage,
  { name, partitionCount }: CommandOf<'add-partitions'>,
  context: DecisionContext,
): Decision {
  const topic = findTopic(image, name)
  if (topic instanceof StratalogError) return topic
  const current = topic.partitions.length
  const error = isInternalTopic(name) ? internalTopic(name) : checkPartitionCount(name, partitionCount)
  if (error !== null) return error
  if (partitionCount <= current) {
    return invalidPartitions(name, `topic ${name} has ${current} partitions; ${partitionCount} would not add any`)
  }
  const [first] = topic.partitions
  const replicationFactor = (first!.target ?? first!.replicas).length
  const placer = new Placer(image, (broker) => takesReplicas(broker) && context.isBrokerUp(broker))
  placer.enter(topic)
  const tooFew = checkReplicationFactor(image, name, replicationFactor, placer.candidateCount)
  if (tooFew !== null) return tooFew
  const { topicId } = topic
  const partitions = placedPartitions(current, partitionCount, replicationFactor, placer)
  return accepted([{ type: 'partitions-added', topicId, partitions }], { topicId })
}

/** Reserves the next block of producer ids. Answer: [firstProducerId, endProducerId). */
export function decideAllocateProducerIds(image: MetadataImage): Decision {
  const firstProducerId = image.nextProducerId
  const endProducerId = firstProducerId + PRODUCER_ID_BLOCK_COUNT
  const record = { type: 'producer-ids-allocated', nextProducerId: endProducerId } as const
  return accepted([record], { firstProducerId, endProducerId })
}

/** Partitions [from, to) of a topic, placed. */
export function placedPartitions(
  from: number,
  to: number,
  replicationFactor: number,
  placer: Placer,
): PartitionRecord[] {
  return Array.from({ length: to - from }, (_, i) => newPartition(from + i, placer.place(replicationFactor)))
}

function checkClientTopic(name: string): StratalogError | null {
  return checkTopicName(name) ?? (isInternalTopic(name) ? internalTopic(name) : null)
}

function checkFree(image: MetadataImage, name: string): StratalogError | null {
  return image.topicsByName.has(name)
    ? new StratalogError('TOPIC_ALREADY_EXISTS', `topic ${name} exists already`, { topic: name })
    : null
}

/** Null, or INVALID_PARTITIONS. */
export function checkPartitionCount(name: string, count: number): StratalogError | null {
  const allowed = Number.isInteger(count) && count >= 1 && count <= PARTITION_COUNT_MAX
  return allowed ? null : invalidPartitions(name, `partition count is ${count}; it must be 1 to ${PARTITION_COUNT_MAX}`)
}

function invalidPartitions(name: string, message: string): StratalogError {
  return new StratalogError('INVALID_PARTITIONS', message, { topic: name })
}

function checkReplicationFactor(
  image: MetadataImage,
  name: string,
  factor: number,
  brokerCount: number,
): StratalogError | null {
  if (Number.isInteger(factor) && factor >= 1 && factor <= brokerCount) return null
  const rest = image.brokers.size - brokerCount
  const others = rest === 0 ? '' : ` that take replicas (${rest} more are down, drained or being decommissioned)`
  const text = `replication factor is ${factor}; it must be 1 to ${brokerCount}, the number of brokers${others}`
  return new StratalogError('INVALID_REPLICATION_FACTOR', text, { topic: name })
}

function checkConfigs(configs: Readonly<Record<string, string>>): StratalogError | null {
  for (const [key, value] of Object.entries(configs)) {
    const error = checkTopicConfig(key, value)
    if (error !== null) return error
  }
  return null
}

function checkUnset(set: Readonly<Record<string, string>>, unset: readonly string[]): StratalogError | null {
  for (const key of unset) {
    if (Object.hasOwn(set, key)) return new StratalogError('INVALID_REQUEST', `${key} is both set and unset`)
    const error = checkTopicConfigKey(key)
    if (error !== null) return error
  }
  return null
}
