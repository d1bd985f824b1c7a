/**
 * Reads records as they come, checks that every one came once and in order, and measures from the moment at which each
 * was due (it is in the value) to its being handed to the application.
 */
import { createConsumer } from '@stratalog/consumer'
import type { LoadJob } from './job.ts'
import { LatencyHistogram, type LatencySummary } from './latency-histogram.ts'
import { nowNs } from './pacer.ts'
import { dueOf } from './payload.ts'
import { SequenceCheck } from './sequence-check.ts'

/** Returns when the last record of the job is read. */
export async function timedConsumeLoad(job: LoadJob): Promise<Record<string, LatencySummary>> {
  const warmUpCount = job.pace?.warmUpCount ?? 0
  const endToEnd = new LatencyHistogram()
  const check = new SequenceCheck(job)
  await using consumer = createConsumer({ bootstrap: job.bootstrap })
  const subscription = await consumer.assign({ topics: [job.topic], from: 'earliest' })
  for await (const batch of subscription.batches()) {
    const now = nowNs()
    for (const record of batch.records) {
      const sequence = check.take(batch.partition, record)
      if (sequence >= warmUpCount && record.value !== null) endToEnd.record(now - dueOf(record.value))
    }
    if (check.isComplete) break
  }
  check.assertComplete()
  return { endToEnd: endToEnd.summary() }
}
