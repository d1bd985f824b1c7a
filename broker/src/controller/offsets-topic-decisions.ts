/** Decides on the topic of the groups: that it exists, and has as many copies as brokers allow. Pure. */
import { StratalogError } from '@stratalog/proto'
import { accepted, type Command, type Decision, type DecisionContext } from './commands.ts'
import type { MetadataImage, TopicImage } from './metadata-image.ts'
import type { MetadataRecord } from './metadata-records.ts'
import { targetOf } from './move-decisions.ts'
import { OFFSETS_REPLICATION_FACTOR, OFFSETS_TOPIC, OFFSETS_TOPIC_CONFIGS } from './offsets-topic.ts'
import { Placer, takesReplicas } from './placement.ts'
import { checkPartitionCount, placedPartitions } from './topic-decisions.ts'

/** Idempotent: no records when nothing is to be done. Answer: topicId. */
export function decideEnsureOffsetsTopic(
  image: MetadataImage,
  { partitionCount }: Extract<Command, { type: 'ensure-offsets-topic' }>,
  context: DecisionContext,
): Decision {
  const placer = new Placer(image, (broker) => takesReplicas(broker) && context.isBrokerUp(broker))
  const replicationFactor = Math.min(OFFSETS_REPLICATION_FACTOR, placer.candidateCount)
  const existing = image.topicsByName.get(OFFSETS_TOPIC)
  if (existing !== undefined) {
    return accepted(raised(existing, replicationFactor, placer), { topicId: existing.topicId })
  }
  if (replicationFactor === 0) {
    const text = `no broker takes the copies of ${OFFSETS_TOPIC}: all are down, drained or being decommissioned`
    return new StratalogError('INVALID_REPLICATION_FACTOR', text, { topic: OFFSETS_TOPIC })
  }
  const error = checkPartitionCount(OFFSETS_TOPIC, partitionCount)
  if (error !== null) return error
  const topicId = context.newTopicId()
  const partitions = placedPartitions(0, partitionCount, replicationFactor, placer)
  const configs = OFFSETS_TOPIC_CONFIGS
  return accepted([{ type: 'topic-created', name: OFFSETS_TOPIC, topicId, partitions, configs }], { topicId })
}

/** Whether the topic has fewer copies than it could have on so many brokers. */
export function lacksCopies({ partitions }: TopicImage, brokerCount: number): boolean {
  const wanted = Math.min(OFFSETS_REPLICATION_FACTOR, brokerCount)
  return partitions.some(({ replicas, target }) => target === null && replicas.length < wanted)
}

/** Moves that give each partition its missing copies, beside those that it has. */
function raised(topic: TopicImage, replicationFactor: number, placer: Placer): MetadataRecord[] {
  const { topicId } = topic
  placer.enter(topic)
  return topic.partitions.flatMap((partition) => {
    const { replicas, target } = partition
    const missing = replicationFactor - replicas.length
    if (target !== null || missing <= 0) return []
    const present = replicas.map(({ brokerId }) => brokerId)
    const raisedTo = targetOf(partition, placer.widen(present, missing))
    if (raisedTo instanceof StratalogError) return []
    return [{ type: 'partition-reassigned' as const, topicId, partition: partition.partition, target: raisedTo }]
  })
}
