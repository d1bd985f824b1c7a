/**
 * Reads the flights back through the consumer library and counts them.
 */
import type { Client } from '@stratalog/client'
import { createConsumer } from '@stratalog/consumer'
import { FLIGHTS_TOPIC } from './load-flights.ts'

/** What was read. */
export interface ReadResult {
  readonly recordCount: number
  readonly bytes: number
  readonly durationMs: number
  /** Records by partition. */
  readonly counts: ReadonlyMap<number, number>
  /** The first record of some partitions, as lines for people. */
  readonly samples: readonly string[]
}

const SAMPLE_COUNT = 3

/** Reads from the first record to the end as it is now. */
export async function readFlightsBack(client: Client, signal: AbortSignal): Promise<ReadResult> {
  const startedAtMs = performance.now()
  const counts = new Map<number, number>()
  const samples: string[] = []
  let recordCount = 0
  let bytes = 0
  await using consumer = createConsumer(client)
  const flights = await consumer.assign({ topics: [FLIGHTS_TOPIC], from: 'earliest', until: 'end' }, { signal })
  for await (const { partition, offset, key, value } of flights) {
    const count = counts.get(partition) ?? 0
    if (count === 0 && samples.length < SAMPLE_COUNT)
      samples.push(`${FLIGHTS_TOPIC}-${partition}@${offset}  ${key}  ${value}`)
    counts.set(partition, count + 1)
    recordCount += 1
    bytes += (key?.length ?? 0) + (value?.length ?? 0)
  }
  return { recordCount, bytes, durationMs: performance.now() - startedAtMs, counts, samples }
}
