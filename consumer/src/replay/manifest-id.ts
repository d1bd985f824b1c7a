/** What makes two plans the same: a digest over which records they read, and in which pieces. */
import { createHash } from 'node:crypto'
import type { ReplayManifest } from './manifest.ts'

/** 32 hexadecimal digits; see `ReplayManifest.id`. */
export function manifestId({ topics, splits }: Pick<ReplayManifest, 'topics' | 'splits'>): string {
  const ranges = topics.map(({ topic, topicId, partitions }) => [
    topic,
    topicId,
    partitions.map(({ partition, startOffset, endOffset }) => [partition, startOffset, endOffset]),
  ])
  const content = JSON.stringify([ranges, splits.map(({ id, topicId }) => [id, topicId])])
  return createHash('sha256').update(content).digest('hex').slice(0, 32)
}
