/** Decisions on single partitions: where their copies are to be, and what became of that. Pure. */
import { StratalogError } from '@stratalog/proto'
import { GENERATION_MAX, type Replica } from '../replication/raft-ids.ts'
import {
  accepted,
  type Command,
  type Decision,
  type DecisionContext,
  findBroker,
  findPartition,
  findTopic,
} from './commands.ts'
import { type MetadataImage, type PartitionImage, replicaOn, sameReplicas } from './metadata-image.ts'
import { METADATA_PARTITION, METADATA_TOPIC, METADATA_TOPIC_ID } from './metadata-topic.ts'

type CommandOf<Type extends Command['type']> = Extract<Command, { type: Type }>

/** Decides on a move. No records when that is where the copies are, or go already. */
export function decideMovePartition(
  image: MetadataImage,
  command: CommandOf<'move-partition'>,
  context: DecisionContext,
): Decision {
  const { brokerIds } = command
  const topic = findTopic(image, command.topic)
  if (topic instanceof StratalogError) return topic
  const partition = findPartition(topic, command.partition)
  if (partition instanceof StratalogError) return partition
  const where = { topic: topic.name, partition: partition.partition }
  const error = checkBrokerIds(image, partition, brokerIds, where, context)
  if (error !== null) return error
  const target = targetOf(partition, brokerIds)
  if (target instanceof StratalogError) return target
  const { topicId } = topic
  if (sameList(target, partition.target ?? partition.replicas)) return accepted([])
  if (partition.target !== null) {
    const brokers = partition.target.map(({ brokerId }) => brokerId).join(', ')
    const text = `partition ${topic.name}-${partition.partition} is being moved to brokers ${brokers} already`
    return new StratalogError('REASSIGNMENT_IN_PROGRESS', text, where)
  }
  return accepted([{ type: 'partition-reassigned', topicId, partition: where.partition, target }])
}

/** Decides on giving up a move: the copies stay where they were. */
export function decideCancelMove(image: MetadataImage, command: CommandOf<'cancel-move'>): Decision {
  const topic = findTopic(image, command.topic)
  if (topic instanceof StratalogError) return topic
  const partition = findPartition(topic, command.partition)
  if (partition instanceof StratalogError) return partition
  if (partition.target === null) {
    const text = `partition ${topic.name}-${partition.partition} is not being moved`
    const where = { topic: topic.name, partition: partition.partition }
    return new StratalogError('NO_REASSIGNMENT_IN_PROGRESS', text, where)
  }
  const { topicId } = topic
  return accepted([{ type: 'reassignment-cancelled', topicId, partition: partition.partition }])
}

/** Notes that a move is done; no records when the target has changed meanwhile, or the topic is gone. */
export function decideCompleteReassignment(
  image: MetadataImage,
  { topicId, partition, target }: CommandOf<'complete-reassignment'>,
): Decision {
  const current = image.topicsById.get(topicId)?.partitions[partition]?.target ?? null
  if (current === null || !sameReplicas(current, target)) return accepted([], { completed: false })
  return accepted([{ type: 'reassignment-completed', topicId, partition }], { completed: true })
}

/**
 * Decides that a copy was lost and another takes its place; no records when that has been decided already.
 *
 * Refused for the only copy: there is nobody to take its content from. Answer: generation, of the copy that is current.
 */
export function decideRenewReplica(
  image: MetadataImage,
  { topicId, partition: number, lost }: CommandOf<'renew-replica'>,
): Decision {
  if (topicId === METADATA_TOPIC_ID) return decideRenewMetadataCopy(image, lost)
  const topic = image.topicsById.get(topicId)
  if (topic === undefined) return new StratalogError('UNKNOWN_TOPIC_ID', `there is no topic with id ${topicId}`)
  const partition = findPartition(topic, number)
  if (partition instanceof StratalogError) return partition
  const where = { topic: topic.name, partition: number }
  const { replicas, target } = partition
  const { brokerId } = lost
  const current = replicaOn(replicas, brokerId) ?? replicaOn(target ?? [], brokerId)
  if (current === undefined) {
    const text = `broker ${brokerId} holds no replica of ${topic.name}-${number}`
    return new StratalogError('REPLICA_NOT_AVAILABLE', text, where)
  }
  return renewal(current, lost, where, topicId, replicas)
}

function decideRenewMetadataCopy(image: MetadataImage, lost: Replica): Decision {
  const { brokerId } = lost
  const broker = findBroker(image, brokerId)
  if (broker instanceof StratalogError) return broker
  const current = { brokerId, generation: broker.metadataGeneration }
  const where = { topic: METADATA_TOPIC, partition: METADATA_PARTITION }
  return renewal(current, lost, where, METADATA_TOPIC_ID, image.controllers)
}

/** @param voters the copies that count; the lost one must not be all of them. */
function renewal(
  current: Replica,
  lost: Replica,
  where: { readonly topic: string; readonly partition: number },
  topicId: string,
  voters: readonly Replica[],
): Decision {
  const { brokerId } = lost
  if (current.generation > lost.generation) return accepted([], { generation: current.generation })
  if (current.generation < lost.generation || lost.generation >= GENERATION_MAX) {
    const text = `generation of the copy on broker ${brokerId} is ${current.generation}; ${lost.generation} cannot be lost`
    return new StratalogError('INVALID_REQUEST', text, where)
  }
  const { topic, partition } = where
  if (voters.length === 1 && voters[0]!.brokerId === brokerId) {
    const text = `the copy of ${topic}-${partition} on broker ${brokerId} is the only one: there is nothing to rebuild it from`
    return new StratalogError('PARTITION_DAMAGED', text, where)
  }
  const generation = lost.generation + 1
  return accepted([{ type: 'replica-renewed', topicId, partition, brokerId, generation }], { generation })
}

/** The copies on these brokers: those that are there stay, new ones get a generation that no copy has had. */
export function targetOf(
  { partition, replicas, target, retiredGeneration }: PartitionImage,
  brokerIds: readonly number[],
): readonly Replica[] | StratalogError {
  const generation = retiredGeneration + 1
  const copies = brokerIds.map(
    (brokerId) => replicaOn(replicas, brokerId) ?? replicaOn(target ?? [], brokerId) ?? { brokerId, generation },
  )
  if (copies.every((copy) => copy.generation <= GENERATION_MAX)) return copies
  return new StratalogError('INVALID_REPLICA_ASSIGNMENT', `partition ${partition} was moved too often`)
}

function checkBrokerIds(
  image: MetadataImage,
  { replicas, target }: PartitionImage,
  brokerIds: readonly number[],
  where: { readonly topic: string; readonly partition: number },
  { isBrokerUp }: DecisionContext,
): StratalogError | null {
  const name = `${where.topic}-${where.partition}`
  const invalid = (text: string) => new StratalogError('INVALID_REPLICA_ASSIGNMENT', text, where)
  if (brokerIds.length === 0) return invalid(`${name} is to have no replicas; it must have at least one`)
  for (const [i, brokerId] of brokerIds.entries()) {
    if (brokerIds.indexOf(brokerId) !== i) return invalid(`${name} is to have two replicas on broker ${brokerId}`)
    const broker = findBroker(image, brokerId)
    if (broker instanceof StratalogError) return invalid(broker.message)
    if (broker.isDecommissioning) return invalid(`broker ${brokerId} is being decommissioned`)
    if (replicaOn(replicas, brokerId) !== undefined || replicaOn(target ?? [], brokerId) !== undefined) continue
    if (broker.isDrained) return invalid(`broker ${brokerId} is drained and takes no new replica`)
    if (!isBrokerUp(broker)) {
      return new StratalogError('BROKER_NOT_AVAILABLE', `broker ${brokerId} is down and takes no new replica`, where)
    }
  }
  return null
}

/** Whether both hold the same copies in the same order: the first is the preferred leader. */
function sameList(left: readonly Replica[], right: readonly Replica[]): boolean {
  return (
    left.length === right.length &&
    left.every(({ brokerId, generation }, i) => {
      return right[i]!.brokerId === brokerId && right[i]!.generation === generation
    })
  )
}
