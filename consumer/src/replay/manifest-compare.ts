/** What differs between two plans: what a second run of the same question reads that the first did not, and the reverse. */
import type { ReplayManifest, ReplayPartition, ReplayTopic } from './manifest.ts'

/** One difference. */
export type ManifestDifference =
  /** Only one of the plans has the topic, or the partition. */
  | { readonly kind: 'topic'; readonly topic: string; readonly in: 'first' | 'second' }
  | { readonly kind: 'partition'; readonly topic: string; readonly partition: number; readonly in: 'first' | 'second' }
  /** The topic was deleted and created again in between: nothing of it is the same. */
  | { readonly kind: 'topic-id'; readonly topic: string; readonly first: string; readonly second: string }
  | {
      readonly kind: 'range'
      readonly topic: string
      readonly partition: number
      /** `[start, end)` of each. */
      readonly first: readonly [number, number]
      readonly second: readonly [number, number]
    }
  /** The same offset was written by leaders of different terms: the log was cut back and written anew. */
  | {
      readonly kind: 'leader-epoch'
      readonly topic: string
      readonly partition: number
      readonly offset: number
      readonly first: number
      readonly second: number
    }
  /** The same ranges, cut into other pieces. */
  | { readonly kind: 'splits'; readonly first: number; readonly second: number }

/** The differences by topic and partition; none when both read the same records in the same pieces. */
export function compareManifests(first: ReplayManifest, second: ReplayManifest): ManifestDifference[] {
  const differences: ManifestDifference[] = []
  const others = new Map(second.topics.map((topic) => [topic.topic, topic]))
  for (const topic of first.topics) {
    const other = others.get(topic.topic)
    others.delete(topic.topic)
    if (other === undefined) differences.push({ kind: 'topic', topic: topic.topic, in: 'first' })
    else differences.push(...compareTopics(topic, other))
  }
  for (const topic of others.keys()) differences.push({ kind: 'topic', topic, in: 'second' })
  const isSameRead = differences.every(({ kind }) => kind === 'leader-epoch')
  if (isSameRead && first.id !== second.id) {
    differences.push({ kind: 'splits', first: first.splits.length, second: second.splits.length })
  }
  return differences
}

function compareTopics(first: ReplayTopic, second: ReplayTopic): ManifestDifference[] {
  const { topic } = first
  if (first.topicId !== second.topicId) {
    return [{ kind: 'topic-id', topic, first: first.topicId, second: second.topicId }]
  }
  const differences: ManifestDifference[] = []
  const others = new Map(second.partitions.map((partition) => [partition.partition, partition]))
  for (const partition of first.partitions) {
    const other = others.get(partition.partition)
    others.delete(partition.partition)
    if (other === undefined) {
      differences.push({ kind: 'partition', topic, partition: partition.partition, in: 'first' })
    } else differences.push(...comparePartitions(topic, partition, other))
  }
  for (const partition of others.keys()) differences.push({ kind: 'partition', topic, partition, in: 'second' })
  return differences
}

function comparePartitions(topic: string, first: ReplayPartition, second: ReplayPartition): ManifestDifference[] {
  const differences: ManifestDifference[] = []
  const { partition } = first
  if (first.startOffset !== second.startOffset || first.endOffset !== second.endOffset) {
    differences.push({
      kind: 'range',
      topic,
      partition,
      first: [first.startOffset, first.endOffset],
      second: [second.startOffset, second.endOffset],
    })
  }
  const epochs = new Map(second.leaderEpochs.map(({ startOffset, leaderEpoch }) => [startOffset, leaderEpoch]))
  for (const { startOffset, leaderEpoch } of first.leaderEpochs) {
    const other = epochs.get(startOffset)
    if (other === undefined || other === leaderEpoch) continue
    differences.push({ kind: 'leader-epoch', topic, partition, offset: startOffset, first: leaderEpoch, second: other })
  }
  return differences
}
