/**
 * The topics that a producer writes to: describes each when it is first used, keeps it up to date, and lets in the
 * records that waited.
 *
 * Invariant: at most one description of a topic is under way. A topic that does not exist is forgotten with the
 * records that waited for it, so that it may be created and used later.
 */
import { type BackoffOptions, backoffDelayMs, delay, type MetadataCache } from '@stratalog/client'
import { StratalogError } from '@stratalog/proto'
import type { ProducerConfig } from './config.ts'
import type { ProducerBatch } from './producer-batch.ts'
import type { RecordAccumulator } from './record-accumulator.ts'
import { type PreparedRecord, type RecordTarget, TopicIntake, type WaitingRecord } from './topic-intake.ts'

/** On top of the metadata cache, which spaces calls that fail. */
const PAUSE: BackoffOptions = { initialMs: 10, maxMs: 250 }

/** What the directory works with. */
export interface DirectoryParts {
  readonly metadata: MetadataCache
  readonly accumulator: RecordAccumulator
  readonly config: ProducerConfig
  /** Puts a record into a batch; gives its memory back when it throws. */
  readonly place: (intake: TopicIntake, record: PreparedRecord) => ProducerBatch
  /** Gives back the memory of a record that is in no batch. */
  readonly release: (bytes: number) => void
}

/** See the head of this file. */
export class TopicDirectory {
  readonly #parts: DirectoryParts
  readonly #intakes = new Map<string, TopicIntake>()
  readonly #describing = new Map<string, Promise<void>>()
  readonly #closing = new AbortController()
  readonly #stopListening: () => void
  #last: TopicIntake | null = null

  constructor(parts: DirectoryParts) {
    this.#parts = parts
    this.#stopListening = parts.metadata.onChange((topic) => {
      const known = parts.metadata.peek(topic)
      const intake = this.#intakes.get(topic)
      if (known !== undefined && intake !== undefined && intake.partitionCount > 0) intake.describe(known)
    })
  }

  /** The intake of a topic, described or not. */
  intake(name: string): TopicIntake {
    if (this.#last?.name === name) return this.#last
    let intake = this.#intakes.get(name)
    if (intake === undefined) {
      const { accumulator, config, metadata } = this.#parts
      intake = new TopicIntake(name, config.batchBytesMax, (partition) => accumulator.queue(name, partition))
      this.#intakes.set(name, intake)
      const known = metadata.peek(name)
      if (known !== undefined) intake.describe(known)
    }
    this.#last = intake
    return intake
  }

  /** Keeps a copy of the record until its topic is described. */
  wait(intake: TopicIntake, record: PreparedRecord, target: RecordTarget): void {
    intake.waiting.push({ record: { ...record }, target })
    if (this.#describing.has(intake.name)) return
    const done = this.#describe(intake).finally(() => this.#describing.delete(intake.name))
    this.#describing.set(intake.name, done)
  }

  /** Resolves when no topic is being described. */
  async described(): Promise<void> {
    while (this.#describing.size > 0) await Promise.all(this.#describing.values())
  }

  /** Fails all records that wait. */
  close(error: StratalogError): void {
    this.#closing.abort(error)
    this.#stopListening()
    for (const intake of this.#intakes.values()) this.#failWaiting(intake.waiting.splice(0), error)
  }

  async #describe(intake: TopicIntake): Promise<void> {
    const { metadata, config } = this.#parts
    let cause = new StratalogError('BROKER_NOT_AVAILABLE', 'no broker answered')
    for (let failureCount = 1; intake.waiting.length > 0; failureCount++) {
      const deadlineMs = intake.waiting[0]!.record.takenMs + config.deliveryTimeoutMs
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(Math.max(1, deadlineMs - Date.now()))])
      try {
        intake.describe(await metadata.topic(intake.name, { signal }))
        this.#letIn(intake)
        return
      } catch (thrown) {
        if (this.#closing.signal.aborted) return
        const error = asStratalogError(thrown)
        if (!error.retriable && error.code !== 'CANCELLED') {
          this.#forget(intake, error)
          return
        }
        if (error.code !== 'CANCELLED') cause = error
        this.#expire(intake, cause)
      }
      const pauseMs = backoffDelayMs(failureCount, PAUSE, Math.random)
      await delay(pauseMs, this.#closing.signal).catch(() => {})
    }
  }

  #letIn(intake: TopicIntake): void {
    for (const { record, target } of intake.waiting.splice(0)) {
      let batch: ProducerBatch
      try {
        batch = this.#parts.place(intake, record)
      } catch (error) {
        target.failed(asStratalogError(error))
        continue
      }
      target.placed(batch)
    }
  }

  #expire(intake: TopicIntake, cause: StratalogError): void {
    const { deliveryTimeoutMs } = this.#parts.config
    const nowMs = Date.now()
    const fresh = intake.waiting.findIndex(({ record }) => nowMs - record.takenMs < deliveryTimeoutMs)
    const expired = intake.waiting.splice(0, fresh < 0 ? intake.waiting.length : fresh)
    const why = `topic ${intake.name} could not be looked up within ${deliveryTimeoutMs} ms`
    this.#failWaiting(
      expired,
      new StratalogError('DELIVERY_TIMED_OUT', `${why}, the last error: ${cause.code}: ${cause.message}`, {
        topic: intake.name,
        cause,
        hint: 'The record was not sent. See the cause; raise deliveryTimeoutMs to ride out longer outages.',
      }),
    )
  }

  #forget(intake: TopicIntake, error: StratalogError): void {
    this.#intakes.delete(intake.name)
    if (this.#last === intake) this.#last = null
    this.#failWaiting(intake.waiting.splice(0), error)
  }

  #failWaiting(waiting: readonly WaitingRecord[], error: StratalogError): void {
    for (const { record, target } of waiting) {
      target.failed(error)
      this.#parts.release(record.recordBytes)
    }
  }
}

function asStratalogError(thrown: unknown): StratalogError {
  if (thrown instanceof StratalogError) return thrown
  return new StratalogError('UNKNOWN_SERVER_ERROR', String(thrown), { cause: thrown })
}
