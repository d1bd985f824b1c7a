/**
 * Sends records when they are due, not when the last ones were answered (an open loop), and measures from the moment at
 * which each was due to its acknowledgement by a majority. The value carries that moment for the consumer.
 */
import { createProducer } from '@stratalog/producer'
import type { LoadJob } from './job.ts'
import { LatencyHistogram, type LatencySummary } from './latency-histogram.ts'
import { nowNs, pace } from './pacer.ts'
import { PayloadPool, stampDue } from './payload.ts'
import { Schedule } from './schedule.ts'

/** From the first record, which makes the connections, to the beginning of the schedule. */
const LEAD_NS = 200e6

/** Returns when every record is acknowledged; throws when one is not. */
export async function pacedProduceLoad(job: LoadJob): Promise<Record<string, LatencySummary>> {
  const { pace: { ratePerSecond, warmUpCount } = { ratePerSecond: 1, warmUpCount: 0 } } = job
  const schedule = new Schedule(ratePerSecond)
  const pool = new PayloadPool(job.valueBytes)
  const produce = new LatencyHistogram()
  const delay = new LatencyHistogram()
  await using producer = createProducer({ bootstrap: job.bootstrap }, { lingerMs: 0 })
  let failure: Error | null = null
  let sequence = 0
  let outstanding = 0
  let onIdle = (): void => undefined
  const idle = new Promise<void>((resolve) => {
    onIdle = resolve
  })
  const ended = (): void => {
    if (--outstanding === 0 && sequence === job.recordCount) onIdle()
  }
  // Of records that are answered nothing is kept: millions of them would make the collector what is measured.
  const send = (startNs: number): void => {
    const current = sequence++
    outstanding++
    const dueNs = startNs + schedule.dueNs(current)
    const value = Buffer.from(pool.value(current))
    stampDue(value, dueNs)
    if (current >= warmUpCount) delay.record(nowNs() - dueNs)
    producer.send({ topic: job.topic, partition: current % job.partitionCount, value }).then(
      () => {
        if (current >= warmUpCount) produce.record(nowNs() - dueNs)
        ended()
      },
      (error: Error) => {
        failure ??= error
        ended()
      },
    )
  }
  await producer.client.admin.describeTopics([job.topic])
  const startNs = nowNs() + LEAD_NS
  const turns = Math.ceil(schedule.dueNs(job.recordCount - 1) / schedule.groupNs) + 1
  await pace({ startNs, intervalNs: schedule.groupNs, count: turns }, () => {
    if (failure !== null) throw failure
    const now = nowNs()
    while (sequence < job.recordCount && startNs + schedule.dueNs(sequence) <= now) send(startNs)
  })
  if (outstanding > 0) await idle
  if (failure !== null) throw failure
  if (sequence !== job.recordCount) throw new Error(`sent ${sequence} of ${job.recordCount} records`)
  return { produce: produce.summary(), sendDelay: delay.summary() }
}
