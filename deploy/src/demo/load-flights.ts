/**
 * Puts the flights into their topic, once: what is there already, whole or in part, is not sent again.
 */
import { type Client, isStratalogError, type TopicMetadata } from '@stratalog/client'
import { createConsumer } from '@stratalog/consumer'
import { createProducer } from '@stratalog/producer'
import { FLIGHT_COUNT, missingFlights, readFlights } from './flights.ts'

/** Topic of the demo. */
export const FLIGHTS_TOPIC = 'flights'

const PARTITION_COUNT = 6
const REPLICATION_FACTOR = 3

/** What was done. */
export interface LoadResult {
  /** Whether the topic was created by this run. */
  readonly created: boolean
  readonly partitionCount: number
  /** Records sent by this run; 0 when all were there. */
  readonly sentCount: number
  readonly bytes: number
  readonly durationMs: number
  /** Weakest durability of the acknowledgements; `null` when nothing was sent. */
  readonly durability: string | null
}

/** Creates the topic if need be and sends what is missing. */
export async function loadFlights(client: Client, signal: AbortSignal): Promise<LoadResult> {
  const { topic, created } = await ensureTopic(client, signal)
  const partitionCount = topic.partitions.length
  const present = topic.partitions.reduce((sum, each) => sum + (each.visibleEnd ?? 0) - (each.logStartOffset ?? 0), 0)
  const nothing = { created, partitionCount, sentCount: 0, bytes: 0, durationMs: 0, durability: null }
  if (present >= FLIGHT_COUNT) return nothing
  const flights = await readFlights()
  const missing = present === 0 ? flights : missingFlights(flights, await countRecords(client, partitionCount, signal))
  if (missing.length === 0) return nothing
  const startedAtMs = performance.now()
  await using producer = createProducer(client)
  const sent = missing.map((flight) => ({ topic: FLIGHTS_TOPIC, ...flight }))
  const acks = await producer.sendBatch(sent, { signal })
  const bytes = missing.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
  const durability = acks.every((ack) => ack.durability === 'fsynced') ? 'fsynced' : 'replicated'
  return { ...nothing, sentCount: missing.length, bytes, durationMs: performance.now() - startedAtMs, durability }
}

async function ensureTopic(client: Client, signal: AbortSignal): Promise<{ topic: TopicMetadata; created: boolean }> {
  try {
    const [topic] = await client.admin.describeTopics([FLIGHTS_TOPIC], { signal })
    if (topic !== undefined) return { topic, created: false }
  } catch (error) {
    if (!isStratalogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error
  }
  // Kept for ever: the default retention would empty the demo of a clone that is started again after a week.
  const configs = { 'retention.ms': '-1' }
  const topic = await client.admin.createTopic(
    { name: FLIGHTS_TOPIC, partitionCount: PARTITION_COUNT, replicationFactor: REPLICATION_FACTOR, configs },
    { signal },
  )
  return { topic, created: true }
}

async function countRecords(client: Client, partitionCount: number, signal: AbortSignal): Promise<number[]> {
  const counts = new Array<number>(partitionCount).fill(0)
  await using consumer = createConsumer(client)
  const subscription = await consumer.assign({ topics: [FLIGHTS_TOPIC], from: 'earliest', until: 'end' }, { signal })
  for await (const batch of subscription.batches({ signal })) counts[batch.partition]! += batch.count
  return counts
}
