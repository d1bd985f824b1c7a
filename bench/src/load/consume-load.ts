/** Reads a topic to its end through the consumer library and checks that every record came once and in order. */
import { createConsumer } from '@stratalog/consumer'
import type { LoadJob } from './job.ts'
import { sequenceOf } from './payload.ts'

/** Throws when a record is missing, repeated, out of order or of another size. */
export async function consumeLoad(job: LoadJob): Promise<void> {
  await using consumer = createConsumer({ bootstrap: job.bootstrap })
  const subscription = await consumer.assign({ topics: [job.topic], from: 'earliest', until: 'end' })
  const next = Array.from({ length: job.partitionCount }, (_, partition) => partition)
  let count = 0
  for await (const batch of subscription.batches()) {
    for (const record of batch.records) {
      const value = record.value
      const expected = next[batch.partition]
      if (value === null || value.length !== job.valueBytes || sequenceOf(value) !== expected) {
        throw new Error(`record ${record.offset} of partition ${batch.partition} is not number ${expected}`)
      }
      next[batch.partition] = expected + job.partitionCount
      count++
    }
  }
  if (count !== job.recordCount) throw new Error(`read ${count} of ${job.recordCount} records`)
}
