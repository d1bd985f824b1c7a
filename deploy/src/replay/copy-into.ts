/** The destination of `stratalog replay --into`: the topic, made like its source if it does not exist, and the producer. */
import { type Client, isStratalogError } from '@stratalog/client'
import { clusterSource, type RecordSink, type ReplayManifest, topicCopy } from '@stratalog/consumer'
import { createProducer } from '@stratalog/producer'
import { usageError } from '../command-error.ts'

/** What is copied to. */
export interface CopyTarget {
  readonly topic: string
  /** null = as many partitions as the source has, each record in the one of the same number. */
  readonly partitionCount: number | null
}

/** The sink. Errors: `USAGE`, and those of the cluster. */
export async function copyInto(
  client: Client,
  target: CopyTarget,
  manifest: ReplayManifest,
  signal: AbortSignal,
): Promise<RecordSink> {
  const { topic, partitionCount } = target
  if (manifest.topics.some((source) => source.topic === topic)) {
    throw usageError(`${topic} is what is read`, 'copy into another topic')
  }
  const partitions = manifest.topics.flatMap((source) => source.partitions.map(({ partition }) => partition))
  const sameCount = Math.max(0, ...partitions) + 1
  await ensureTopic(client, topic, partitionCount ?? sameCount, signal)
  return topicCopy({
    producer: createProducer(client),
    topic,
    destination: clusterSource(client),
    partitioning: partitionCount === null ? 'same' : 'key',
    signal,
  })
}

/** Kept for ever: records keep their old timestamps, which retention by time goes by. */
async function ensureTopic(client: Client, name: string, partitionCount: number, signal: AbortSignal): Promise<void> {
  try {
    await client.admin.describeTopics([name], { signal })
  } catch (error) {
    if (!isStratalogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error
    await client.admin.createTopic({ name, partitionCount, configs: { 'retention.ms': '-1' } }, { signal })
  }
}
