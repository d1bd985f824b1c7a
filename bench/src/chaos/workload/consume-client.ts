/**
 * Consumers of a failure run: the real library, every partition, batch by batch into the history.
 *
 * Each seeks back now and then, and sometimes gives its subscription up and goes on with a new one. Beside them an
 * asker keeps asking the leaders where the partitions end.
 */
import { createClient } from '@stratalog/client'
import { type ConsumerBatch, createConsumer, isStratalogError, type Subscription } from '@stratalog/consumer'
import { HistoryFile } from './history-file.ts'
import type { ConsumeJob, RunningClient, RunPartition } from './job.ts'
import { batchContent } from './value-runs.ts'

const RETRY_MS = 200
const ASK_EVERY_MS = 50
/** Mean time between two seeks, and between two subscriptions, ms. */
const SEEK_EVERY_MS = 4000
const SUBSCRIBE_EVERY_MS = 15_000
/** How far back seeks go. */
const SEEK_RECORDS_MAX = 3000
/** Silence after which a consumer gives a connection up: a paused broker says nothing and closes nothing. */
const STALL_TIMEOUT_MS = 5000

/** Starts all consumers of the job. */
export function consume(job: ConsumeJob): RunningClient {
  const history = new HistoryFile(job.historyPath)
  const ending = new AbortController()
  const counts = { batches: 0, records: 0, seeks: 0, subscriptions: 0, interruptions: 0, answers: 0 }
  const work = [
    ...job.consumers.map((consumer) => new ConsumerLoad(job, consumer, history, ending.signal, counts).run()),
    ask(job, history, ending.signal, counts),
  ]
  const flushing = setInterval(() => history.flush(), 200)
  return {
    ended: new Promise(() => {}),
    stop: async () => {
      ending.abort()
      await Promise.all(work)
      clearInterval(flushing)
      history.close()
      return counts
    },
  }
}

type Counts = { -readonly [Name in 'batches' | 'records' | 'seeks' | 'subscriptions' | 'interruptions']: number }

class ConsumerLoad {
  readonly #job: ConsumeJob
  readonly #consumer: number
  readonly #history: HistoryFile
  readonly #ending: AbortSignal
  readonly #counts: Counts
  readonly #partitions: Map<string, RunPartition>
  /** Next offsets, by the run's number. */
  readonly #positions = new Map<number, number>()

  constructor(job: ConsumeJob, consumer: number, history: HistoryFile, ending: AbortSignal, counts: Counts) {
    this.#job = job
    this.#consumer = consumer
    this.#history = history
    this.#ending = ending
    this.#counts = counts
    this.#partitions = new Map(job.partitions.map((each) => [`${each.topic}/${each.partition}`, each]))
  }

  async run(): Promise<void> {
    while (!this.#ending.aborted) {
      try {
        await this.#subscribe()
      } catch (error) {
        if (this.#ending.aborted) return
        this.#interrupted(error)
        await pause(RETRY_MS)
      }
    }
  }

  async #subscribe(): Promise<void> {
    const { bootstrap, partitions } = this.#job
    await using consumer = createConsumer(
      { bootstrap, clientId: `chaos-consumer-${this.#consumer}`, requestTimeoutMs: 10_000 },
      { stallTimeoutMs: STALL_TIMEOUT_MS },
    )
    const assignments = partitions.map(({ number, topic, partition }) => {
      return { topic, partition, offset: this.#positions.get(number) ?? 0 }
    })
    const subscription = await consumer.assign({ partitions: assignments }, { signal: this.#ending })
    this.#counts.subscriptions++
    for (const { number } of partitions) this.#place(number, this.#positions.get(number) ?? 0)
    let seekAtMs = soon(SEEK_EVERY_MS)
    const endAtMs = soon(SUBSCRIBE_EVERY_MS)
    for await (const batch of subscription.batches()) {
      this.#take(batch)
      const nowMs = performance.now()
      if (nowMs > endAtMs) return
      if (nowMs > seekAtMs) {
        this.#seek(subscription)
        seekAtMs = soon(SEEK_EVERY_MS)
      }
    }
  }

  #take(batch: ConsumerBatch): void {
    const { number } = this.#partitions.get(`${batch.topic}/${batch.partition}`)!
    const { runs, strange } = batchContent(number, batch)
    const place = { consumer: this.#consumer, partition: number }
    const { leaderEpoch: epoch, servingEpoch: leader } = batch
    if (runs.length > 0) this.#history.append({ kind: 'poll', ...place, epoch, leader, runs })
    for (const each of strange) this.#history.append({ kind: 'strange', ...place, ...each })
    this.#positions.set(number, batch.nextOffset)
    this.#counts.batches++
    this.#counts.records += runs.reduce((sum, run) => sum + run[3], 0)
  }

  /** Between two batches, so that none is on its way to us when the position changes. */
  #seek(subscription: Subscription): void {
    const { number, topic, partition } = this.#job.partitions[Math.floor(Math.random() * this.#job.partitions.length)]!
    const back = Math.floor(Math.random() * SEEK_RECORDS_MAX)
    const offset = Math.max(0, (this.#positions.get(number) ?? 0) - back)
    this.#place(number, offset)
    this.#positions.set(number, offset)
    this.#counts.seeks++
    subscription.seek({ topic, partition }, { offset }).catch((error: unknown) => this.#interrupted(error))
  }

  #place(partition: number, offset: number): void {
    this.#history.append({ kind: 'place', consumer: this.#consumer, partition, offset })
  }

  /** Whatever waiting mends is no finding; that an offset reached by reading does not exist is one. */
  #interrupted(error: unknown): void {
    this.#counts.interruptions++
    if (!isStratalogError(error)) throw error
    console.error(new Date().toISOString(), this.#consumer, error.code, error.message)
    if (error.code !== 'OFFSET_OUT_OF_RANGE' && error.code !== 'CORRUPT_MESSAGE') return
    const found = this.#partitions.get(`${error.topic}/${error.partition}`)
    this.#history.append({
      kind: 'refused',
      consumer: this.#consumer,
      partition: found?.number ?? -1,
      offset: this.#positions.get(found?.number ?? -1) ?? 0,
      reason: `${error.code}: ${error.message}`,
    })
  }
}

/** Asks where partitions end, one after another. Failures are no answers, and say nothing. */
async function ask(
  job: ConsumeJob,
  history: HistoryFile,
  ending: AbortSignal,
  counts: { answers: number },
): Promise<void> {
  await using client = createClient({ bootstrap: job.bootstrap, clientId: 'chaos-asker' })
  const asker = job.consumers[0] ?? 0
  for (let turn = 0; !ending.aborted; turn++) {
    const { number, topic, partition } = job.partitions[turn % job.partitions.length]!
    history.append({ kind: 'ask', asker, partition: number })
    try {
      const query = [{ topic, partition, position: 'latest' }] as const
      const [answer] = await client.admin.listOffsets(query, { timeoutMs: 2000, signal: ending })
      if (answer !== undefined && answer.error === null) {
        const { leaderEpoch: epoch, logStartOffset: logStart, visibleEnd, highWatermark } = answer
        history.append({ kind: 'bounds', asker, partition: number, epoch, logStart, visibleEnd, highWatermark })
        counts.answers++
      }
    } catch (error) {
      if (!isStratalogError(error)) throw error
    }
    await pause(ASK_EVERY_MS)
  }
}

function soon(meanMs: number): number {
  return performance.now() + meanMs * (0.5 + Math.random())
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
