/**
 * Producers of a failure run: the real library, idempotent, at a steady rate, each value unique.
 *
 * Open loop: what is due is sent whether or not the last was acknowledged, up to a bound. Bursts of a few values go to
 * one partition. Now and then a value is larger than the topic takes: it must be refused and never be read.
 */
import { createProducer, isStratalogError, type Producer } from '@stratalog/producer'
import { encodeValue } from '../../history/index.ts'
import { HistoryFile } from './history-file.ts'
import type { ProduceJob, RunningClient } from './job.ts'
import { OutcomeRuns } from './outcome-runs.ts'

const TICK_MS = 5
const BURST_MAX = 8
const OUTSTANDING_MAX = 20_000
/** What is not acknowledged by then has an unknown outcome. */
const CLOSE_TIMEOUT_MS = 30_000
const OVERSIZED_CHANCE = 0.001
/** Of producer numbers: a producer that cannot go on is followed by the next number of its series. */
const SERIES_LENGTH = 1000

/** Refusals after which the value is in no log: made before anything was sent, or by every broker alike. */
const DEFINITE_FAILURES: ReadonlySet<string> = new Set([
  'RECORD_TOO_LARGE',
  'MESSAGE_TOO_LARGE',
  'SERIALIZATION_FAILED',
  'INVALID_TIMESTAMP',
  'INVALID_RECORD',
])
/** What the producer does not recover from: another one goes on. */
const FATAL_FAILURES: ReadonlySet<string> = new Set(['CLIENT_CLOSED', 'INVALID_PRODUCER_EPOCH', 'UNKNOWN_PRODUCER_ID'])

type ProducerSpec = ProduceJob['producers'][number]

/** Starts all producers of the job. */
export function produce(job: ProduceJob): RunningClient {
  const history = new HistoryFile(job.historyPath)
  const outcomes = new OutcomeRuns(history)
  const loads = job.producers.map((spec) => new ProducerLoad(job, spec, history, outcomes))
  const flushing = setInterval(() => history.flush(), 200)
  return {
    ended: new Promise(() => {}),
    stop: async () => {
      const counts = await Promise.all(loads.map((load) => load.stop()))
      clearInterval(flushing)
      outcomes.flush()
      history.close()
      return sum(counts)
    },
  }
}

class ProducerLoad {
  readonly #job: ProduceJob
  readonly #spec: ProducerSpec
  readonly #history: HistoryFile
  readonly #outcomes: OutcomeRuns
  readonly #timer: NodeJS.Timeout
  readonly #startedMs = performance.now()
  readonly #counts = { sent: 0, ok: 0, refused: 0, unknown: 0, duplicates: 0, producers: 1 }
  #producer: Producer
  #number: number
  #sequences: number[]
  #outstanding = 0
  #due = 0

  constructor(job: ProduceJob, spec: ProducerSpec, history: HistoryFile, outcomes: OutcomeRuns) {
    this.#job = job
    this.#spec = spec
    this.#history = history
    this.#outcomes = outcomes
    this.#number = spec.producer * SERIES_LENGTH
    this.#producer = this.#create()
    this.#sequences = job.partitions.map(() => 0)
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  async stop(): Promise<Record<string, number>> {
    clearInterval(this.#timer)
    await this.#producer.close({ timeoutMs: CLOSE_TIMEOUT_MS })
    while (this.#outstanding > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    return this.#counts
  }

  #create(): Producer {
    const { acks, deliveryTimeoutMs } = this.#spec
    const requestTimeoutMs = Math.min(10_000, deliveryTimeoutMs)
    return createProducer(
      { bootstrap: this.#job.bootstrap, clientId: `chaos-${this.#number}` },
      { acks, idempotent: true, deliveryTimeoutMs, requestTimeoutMs },
    )
  }

  #tick(): void {
    const due = ((performance.now() - this.#startedMs) * this.#spec.rate) / 1000
    while (this.#due < due) {
      const count = Math.min(1 + Math.floor(Math.random() * BURST_MAX), Math.ceil(due - this.#due))
      this.#due += count
      if (this.#outstanding + count <= OUTSTANDING_MAX) this.#burst(count)
    }
  }

  #burst(count: number): void {
    const index = Math.floor(Math.random() * this.#job.partitions.length)
    const { number: partition, topic, partition: topicPartition } = this.#job.partitions[index]!
    const first = this.#sequences[index]!
    this.#sequences[index] = first + count
    const producer = this.#number
    this.#history.append({ kind: 'invoke', producer, partition, first, count })
    const { valueBytesMin, valueBytesMax } = this.#spec
    for (let sequence = first; sequence < first + count; sequence++) {
      const isOversized = Math.random() < OVERSIZED_CHANCE
      const length = isOversized
        ? this.#job.recordBytesMax + 1
        : valueBytesMin + Math.floor(Math.random() * (valueBytesMax - valueBytesMin + 1))
      const value = encodeValue({ producer, partition, sequence }, length)
      this.#send(producer, partition, sequence, { topic, partition: topicPartition, value })
    }
  }

  #send(
    producer: number,
    partition: number,
    sequence: number,
    record: { topic: string; partition: number; value: Buffer },
  ): void {
    this.#outstanding++
    this.#counts.sent++
    this.#producer.send(record).then(
      ({ offset, durability, duplicate, leaderEpoch }) => {
        this.#outstanding--
        this.#counts.ok++
        if (duplicate) this.#counts.duplicates++
        this.#outcomes.add(producer, partition, sequence, {
          kind: 'ok',
          offset,
          acks: this.#spec.acks,
          durability,
          // Of a duplicate the epoch is the one that it was written under, perhaps by another leader before.
          ...(duplicate ? {} : { leader: leaderEpoch }),
        })
      },
      (error: unknown) => {
        this.#outstanding--
        const code = isStratalogError(error) ? error.code : String(error)
        const kind = DEFINITE_FAILURES.has(code) ? 'fail' : 'info'
        this.#counts[kind === 'fail' ? 'refused' : 'unknown']++
        this.#outcomes.add(producer, partition, sequence, { kind, error: code })
        if (producer === this.#number && FATAL_FAILURES.has(code)) this.#replace()
      },
    )
  }

  /** Another producer, with values of its own, goes on. */
  #replace(): void {
    const old = this.#producer
    this.#number++
    this.#counts.producers++
    this.#sequences = this.#job.partitions.map(() => 0)
    this.#producer = this.#create()
    old.close({ timeoutMs: 0 }).catch((error: unknown) => console.error(error))
  }
}

function sum(counts: readonly Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const each of counts) for (const [name, count] of Object.entries(each)) total[name] = (total[name] ?? 0) + count
  return total
}
