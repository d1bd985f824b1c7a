/** Writes `recordCount` records through the producer library, acks=all, and waits for every acknowledgement. */
import { createProducer } from '@stratalog/producer'
import type { LoadJob } from './job.ts'
import { PayloadPool } from './payload.ts'

/** Returns when the last record is acknowledged; throws when one is not. */
export async function produceLoad(job: LoadJob): Promise<void> {
  const pool = new PayloadPool(job.valueBytes)
  let failure: Error | null = null
  await using producer = createProducer(
    { bootstrap: job.bootstrap },
    {
      onError: ({ error }) => {
        failure ??= error
      },
    },
  )
  // Until the topic's partitions are known, records are held as they were given; from then on they are encoded at once,
  // which lets the pool be used again.
  const first = job.firstRecord ?? 0
  await producer.send({ topic: job.topic, partition: first % job.partitionCount, value: pool.value(first) })
  for (let i = first + 1; i < first + job.recordCount; i++) {
    const record = { topic: job.topic, partition: i % job.partitionCount, value: pool.value(i) }
    while (!producer.enqueue(record)) await producer.ready()
    if (failure !== null) throw failure
  }
  await producer.flush()
  if (failure !== null) throw failure
}
