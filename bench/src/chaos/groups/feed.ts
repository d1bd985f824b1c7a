/** Writes a group run's records at a steady rate, to every partition in turn, each until it is acknowledged. */
import { createProducer } from '@stratalog/producer'
import type { FeedJob, RunningClient } from '../workload/job.ts'
import { GroupHistory } from './group-history.ts'
import { realValues } from './real-records.ts'

const TICK_MS = 10
const OUTSTANDING_MAX = 20_000
const DELIVERY_TIMEOUT_MS = 120_000

/** Starts it; it ends by itself when all are acknowledged. Errors: a record that was not taken. */
export async function feed(job: FeedJob): Promise<RunningClient> {
  const { bootstrap, historyPath, topic, partitionCount, recordCount, rate, input } = job
  const values = await realValues(input)
  const history = new GroupHistory(historyPath)
  const acknowledged = new AcknowledgedRuns(history)
  const producer = createProducer(
    { bootstrap, clientId: 'group-feed' },
    { acks: 'all', idempotent: true, deliveryTimeoutMs: DELIVERY_TIMEOUT_MS, lingerMs: 20 },
  )
  const startedMs = performance.now()
  let sentCount = 0
  let doneCount = 0
  let isStopped = false
  let timer: NodeJS.Timeout | null = null

  const ended = new Promise<void>((resolve, reject) => {
    const tick = (): void => {
      const target = isStopped ? sentCount : Math.min(recordCount, ((performance.now() - startedMs) * rate) / 1000)
      while (sentCount < target && sentCount - doneCount < OUTSTANDING_MAX) send()
      acknowledged.flush()
      if ((isStopped || sentCount >= recordCount) && doneCount === sentCount) resolve()
    }
    const send = (): void => {
      const value = values[sentCount % values.length]!
      const partition = sentCount % partitionCount
      sentCount++
      producer.send({ topic, partition, value }).then(({ offset }) => {
        doneCount++
        acknowledged.add(partition, offset)
      }, reject)
    }
    timer = setInterval(tick, TICK_MS)
  })
  return {
    ended,
    stop: async () => {
      isStopped = true
      await ended
      if (timer !== null) clearInterval(timer)
      await producer.close()
      history.close()
      return { written: doneCount }
    },
  }
}

/** Consecutive offsets of a partition become one event. */
class AcknowledgedRuns {
  readonly #history: GroupHistory
  readonly #runs = new Map<number, { readonly first: number; count: number }>()

  constructor(history: GroupHistory) {
    this.#history = history
  }

  add(partition: number, offset: number): void {
    const run = this.#runs.get(partition)
    if (run !== undefined && offset === run.first + run.count) {
      run.count++
      return
    }
    if (run !== undefined) this.#history.append({ kind: 'written', partition, ...run })
    this.#runs.set(partition, { first: offset, count: 1 })
  }

  flush(): void {
    for (const [partition, run] of this.#runs) this.#history.append({ kind: 'written', partition, ...run })
    this.#runs.clear()
  }
}
