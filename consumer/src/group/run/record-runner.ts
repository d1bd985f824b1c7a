/**
 * Runs the records of a subscription through a handler: so many at a time, in order where order is asked for, and with a
 * policy for those that it throws for.
 *
 * Invariant: at most `inFlightMax` records are taken and not done with.
 * Invariant: records whose partition is to be given up are not begun; those begun are done with, or their retries ended.
 */
import { abortError, backoffDelayMs, type Client, delay, onAbort } from '@stratalog/client'
import { StratalogError } from '@stratalog/proto'
import type { ConsumerRecord } from '../../consumer-record.ts'
import { RecordIterator } from '../../iterators.ts'
import type { PartitionState } from '../../partition-state.ts'
import type { HandOutObserver, PullSource } from '../../pull-iterator.ts'
import type { PoisonedEvent } from '../group-events.ts'
import type { GroupPartition } from '../group-partition.ts'
import type { GroupSession } from '../group-session.ts'
import type { HandedOut } from '../offset-tracker.ts'
import { sendDeadLetter, toDeadLetter } from './dead-letter.ts'
import { KeyLanes } from './key-lanes.ts'
import type { ResolvedRunOptions } from './run-options.ts'

/** What a runner is made of. */
export interface RecordRunnerOptions<K, V> {
  readonly client: Client
  readonly group: string
  readonly session: GroupSession<K, V>
  readonly sourceFor: (observer: HandOutObserver<K, V>) => PullSource<K, V>
  readonly run: ResolvedRunOptions<K, V>
  /** Commits what is processed. */
  readonly commit: () => Promise<void>
  readonly onPoisoned: (event: PoisonedEvent) => void
}

interface Task<K, V> {
  readonly record: ConsumerRecord<K, V>
  readonly partition: GroupPartition
  readonly entry: HandedOut
}

/** See the file's header. */
export class RecordRunner<K, V> {
  readonly #options: RecordRunnerOptions<K, V>
  readonly #lanes: KeyLanes<Task<K, V>>
  readonly #stopping = new AbortController()
  #failure: { readonly error: unknown } | null = null
  /** Of the record that the iterator gives next. */
  #handedOut: { readonly partition: GroupPartition; readonly entry: HandedOut } | null = null

  constructor(options: RecordRunnerOptions<K, V>) {
    this.#options = options
    this.#lanes = new KeyLanes(options.run.concurrency, (task) => this.#work(task))
  }

  /** Until the subscription ends, the signal is aborted, or a record fails. */
  async run(): Promise<void> {
    const { session, run, sourceFor, commit } = this.#options
    const { signal } = run
    const stopListening = [
      onAbort(signal, () => signal !== undefined && this.#stop(abortError(signal))),
      session.onLeaving((partition) => this.#drop((task) => task.partition === partition)),
    ]
    const observer: HandOutObserver<K, V> = {
      begun: () => session.finishAbandoned(),
      handedOut: (state, item) => this.#take(state, item as ConsumerRecord<K, V>),
    }
    const records = new RecordIterator<K, V>(sourceFor(observer), { signal: this.#stopping.signal })
    try {
      for (;;) {
        await this.#lanes.room(run.inFlightMax)
        const next = await records.next()
        if (next.done) break
        this.#enqueue(next.value)
      }
    } catch (error) {
      this.#stop(error)
    }
    await records.return()
    // The end of the subscription: what waits is left to the next owner, as if it had not been handed out.
    this.#drop(() => true)
    await this.#lanes.room(1)
    for (const stop of stopListening) stop()
    if (this.#failure === null) return
    session.readAgain()
    // What was processed beside the record that failed; if that cannot be committed, it comes again as well.
    await commit().catch(() => {})
    throw this.#failure.error
  }

  #stop(error: unknown): void {
    this.#failure ??= { error }
    this.#stopping.abort()
    this.#drop(() => true)
  }

  #take(state: PartitionState, record: ConsumerRecord<K, V>): null {
    const { session } = this.#options
    const partition = session.of(state)
    const entry = session.handOut(state, record, null)
    this.#handedOut = partition === null || entry === null ? null : { partition, entry }
    return null
  }

  #enqueue(record: ConsumerRecord<K, V>): void {
    const handedOut = this.#handedOut
    this.#handedOut = null
    if (handedOut === null) return
    const { partition, entry } = handedOut
    if (partition.leaving.aborted || this.#stopping.signal.aborted) entry.abandon()
    else this.#lanes.add(this.#laneOf(record, partition), { record, partition, entry })
  }

  #laneOf(record: ConsumerRecord<K, V>, partition: GroupPartition): string | null {
    if (this.#options.run.order === 'partition') return partition.key
    const { rawKey } = record
    return rawKey === null ? null : `${partition.key} ${rawKey.toString('latin1')}`
  }

  #drop(isMeant: (task: Task<K, V>) => boolean): void {
    for (const { entry } of this.#lanes.drop(isMeant)) entry.abandon()
  }

  /** Never rejects. */
  async #work(task: Task<K, V>): Promise<void> {
    const { run, session } = this.#options
    const { record, partition, entry } = task
    while (session.held !== null) await session.held
    if (partition.leaving.aborted) {
      entry.abandon()
      return
    }
    for (let attempt = 1; ; attempt++) {
      entry.sinceMs = session.watch.nowMs
      entry.isStalled = false
      try {
        const running = run.handler(record, { attempt, signal: partition.gone })
        if (running !== undefined) await running
        entry.finish()
        return
      } catch (error) {
        try {
          if (attempt >= run.attempts) {
            await this.#giveUp(task, error, attempt)
            entry.finish()
            return
          }
          const backoff = { initialMs: run.initialBackoffMs, maxMs: run.maxBackoffMs }
          entry.sinceMs = null
          await delay(backoffDelayMs(attempt, backoff, Math.random), this.#endOf(partition))
        } catch (failure) {
          entry.abandon()
          // What must end because the partition goes is no failure: the next owner tries.
          if (!partition.leaving.aborted) this.#stop(failure)
          return
        }
      }
    }
  }

  /** Applies the final policy; rejects when that is to fail. */
  async #giveUp({ record, partition }: Task<K, V>, error: unknown, attempts: number): Promise<void> {
    const { client, group, run, onPoisoned } = this.#options
    const { final } = run
    const { topic, partition: number, offset } = record
    if (final === 'fail') throw handlerFailed(record, attempts, error)
    if (final !== 'skip') {
      const { deadLetter } = final
      try {
        if (typeof deadLetter === 'function') await deadLetter(record, error)
        else {
          const letter = toDeadLetter(record, { group, attempts, error })
          await sendDeadLetter(client, deadLetter, letter, this.#endOf(partition))
        }
      } catch (cause) {
        throw deadLetterFailed(record, cause)
      }
    }
    const outcome = final === 'skip' ? 'skipped' : 'dead-lettered'
    client.options.logger.warn({ group, topic, partition: number, offset, attempts, err: error }, `record ${outcome}`)
    onPoisoned({ topic, partition: number, offset, outcome, error })
  }

  /** Ends what waits for a partition's sake. */
  #endOf(partition: GroupPartition): AbortSignal {
    return AbortSignal.any([this.#stopping.signal, partition.leaving])
  }
}

function handlerFailed<K, V>(record: ConsumerRecord<K, V>, attempts: number, cause: unknown): StratalogError {
  const { topic, partition, offset } = record
  const why = cause instanceof Error ? cause.message : String(cause)
  const often = attempts === 1 ? '' : ` ${attempts} times`
  return new StratalogError(
    'HANDLER_FAILED',
    `the handler failed${often} at offset ${offset} of ${topic}-${partition}: ${why}`,
    {
      cause,
      topic,
      partition,
      metadata: { offset: String(offset) },
    },
  )
}

function deadLetterFailed<K, V>(record: ConsumerRecord<K, V>, cause: unknown): StratalogError {
  const { topic, partition, offset } = record
  const why = cause instanceof Error ? cause.message : String(cause)
  const text = `offset ${offset} of ${topic}-${partition} could not be put into the dead-letter topic: ${why}`
  return new StratalogError('HANDLER_FAILED', text, { cause, topic, partition, metadata: { offset: String(offset) } })
}
