/** Reads a topic to its end through the consumer library and checks that every record came once and in order. */
import { createConsumer } from '@stratalog/consumer'
import type { LoadJob } from './job.ts'
import { SequenceCheck } from './sequence-check.ts'

/** Throws when a record is missing, repeated, out of order or of another size. */
export async function consumeLoad(job: LoadJob): Promise<void> {
  const check = new SequenceCheck(job)
  await using consumer = createConsumer({ bootstrap: job.bootstrap })
  const subscription = await consumer.assign({ topics: [job.topic], from: 'earliest', until: 'end' })
  for await (const batch of subscription.batches()) {
    for (const record of batch.records) check.take(batch.partition, record)
  }
  check.assertComplete()
}
