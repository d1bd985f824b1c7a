/**
 * The machinery shared by the iterators over records and over batches: waiting, ends, aborts, and leaving room for
 * the event loop.
 *
 * An iterator over buffered records settles in microtasks only, and a loop of microtasks would shut out sockets,
 * timers and everyone else until the buffers are empty; so after TURN_MS without waiting it lets the event loop turn.
 *
 * `break`, `return()` and an abort give back what is half read: the next iteration goes on behind the last record
 * handed out. Calls of `next()` that do not wait for one another are answered in order.
 *
 * With an observer, asking for the next item says that the last one is done with; `return()` does not say so, because a
 * loop that is left by an error calls it too.
 */
import { abortError, isStratalogError, onAbort } from '@stratalog/client'
import type { ConsumerBatch } from './consumer-batch.ts'
import type { ConsumerRecord } from './consumer-record.ts'
import type { Acquired, Delivery, PartitionCursor } from './delivery.ts'
import type { PartitionState } from './partition-state.ts'
import type { Signal } from './signal.ts'

/** Longest time, in ms, that an iteration holds the event loop by itself. */
const TURN_MS = 10
/** Calls of `next()` between two looks at the clock. */
const CALLS_PER_LOOK = 256

/** What an iterator draws from: all partitions, or one. */
export interface PullSource<K, V> {
  readonly delivery: Delivery<K, V>
  readonly signal: Signal
  acquire(): Acquired<K, V>
  /** Who keeps account of what is handed out; none for a subscription without a group. */
  readonly observer?: HandOutObserver<K, V> | undefined
}

/** Something in the application's hands. */
export interface InHand {
  /** The application is done with it. */
  finish(): void
  /** The application has ended the iteration without asking for more. */
  abandon(): void
}

/** Keeps account of what is handed out. */
export interface HandOutObserver<K, V> {
  /** An iteration begins. */
  begun(): void
  /** Called before the application gets the item. @returns null when the iteration need not tell what becomes of it. */
  handedOut(state: PartitionState, item: ConsumerRecord<K, V> | ConsumerBatch<K, V>): InHand | null
}

/** Options of an iteration. */
export interface IterationOptions {
  /** Ends the iteration with CANCELLED; the subscription stays open. */
  readonly signal?: AbortSignal | undefined
}

/** See the file's header. `next` is what a subclass makes of the held cursor. */
export abstract class PullIterator<K, V, T extends ConsumerRecord<K, V> | ConsumerBatch<K, V>>
  implements AsyncIterableIterator<T, undefined, undefined>
{
  readonly #source: PullSource<K, V>
  readonly #abortSignal: AbortSignal | undefined
  readonly #stopListening: () => void
  #cursor: PartitionCursor<K, V> | null = null
  #inHand: InHand | null = null
  #hasBegun = false
  #pulling: Promise<IteratorResult<T, undefined>> | null = null
  #done = false
  #aborted = false
  #calls = 0
  #turnStartedMs = 0

  constructor(source: PullSource<K, V>, options: IterationOptions) {
    this.#source = source
    this.#abortSignal = options.signal
    this.#stopListening = onAbort(options.signal, () => {
      this.#aborted = true
      source.signal.notify()
    })
    this.#turnStartedMs = performance.now()
  }

  /** The next item of the held cursor's batch, or null when there is none left that can be handed out. */
  protected abstract nextOf(cursor: PartitionCursor<K, V>, delivery: Delivery<K, V>): T | null

  /** Errors: CANCELLED, CLIENT_CLOSED, and what failed a partition, such as OFFSET_OUT_OF_RANGE or CORRUPT_MESSAGE. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#inHand !== null && this.#pulling === null) this.#settle()
    if (this.#pulling === null && this.#cursor !== null && !this.#aborted && !this.#lookDue()) {
      const item = this.#nextHeld(this.#cursor)
      if (item instanceof Error) return this.#reject(item)
      if (item !== null) return Promise.resolve({ done: false, value: item })
    }
    return this.#enqueue()
  }

  /** Ends the iteration; the subscription stays open. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#inHand?.abandon()
    this.#inHand = null
    this.#finish()
    this.#source.signal.notify()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Ends the iteration, as `return()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.return().then(() => {})
  }

  #enqueue(): Promise<IteratorResult<T, undefined>> {
    const pull = this.#pulling === null ? this.#pull() : this.#pulling.then(() => this.#pull())
    this.#pulling = pull
    const clear = (): void => {
      if (this.#pulling === pull) this.#pulling = null
    }
    pull.then(clear, clear)
    return pull
  }

  async #pull(): Promise<IteratorResult<T, undefined>> {
    this.#settle()
    if (!this.#hasBegun) {
      this.#hasBegun = true
      this.#source.observer?.begun()
    }
    if (performance.now() - this.#turnStartedMs >= TURN_MS) await this.#turn()
    try {
      for (;;) {
        if (this.#done) return { done: true, value: undefined }
        if (this.#aborted && this.#abortSignal !== undefined) throw abortError(this.#abortSignal)
        const cursor = this.#cursor
        if (cursor === null) {
          if (await this.#acquire()) continue
          this.#finish()
          return { done: true, value: undefined }
        }
        const item = this.#nextHeld(cursor)
        if (item instanceof Error) throw item
        if (item !== null) return { done: false, value: item }
      }
    } catch (error) {
      this.#finish()
      throw error
    }
  }

  /** Waits for a cursor or for a reason to look again; false at the end. */
  async #acquire(): Promise<boolean> {
    const acquired = this.#source.acquire()
    if (acquired === 'end') return false
    if (acquired === 'wait') {
      await this.#source.signal.wait()
      this.#turnStartedMs = performance.now()
      return true
    }
    const cursor = acquired instanceof Promise ? await acquired : acquired
    if (cursor !== null && this.#done) this.#source.delivery.release(cursor)
    else this.#cursor = cursor
    return true
  }

  /** An item; an error that ends the iteration; or null after giving the cursor back. */
  #nextHeld(cursor: PartitionCursor<K, V>): T | Error | null {
    try {
      const item = this.nextOf(cursor, this.#source.delivery)
      const { observer } = this.#source
      if (item !== null && observer !== undefined) this.#inHand = observer.handedOut(cursor.state, item)
      if (item !== null && cursor.open?.exhausted !== true) return item
      this.#cursor = null
      this.#source.delivery.release(cursor)
      return item
    } catch (error) {
      if (!isStratalogError(error)) throw error
      this.#cursor = null
      return this.#source.delivery.damaged(cursor, error)
    }
  }

  /** The application has asked for more: it is done with what it has. */
  #settle(): void {
    this.#inHand?.finish()
    this.#inHand = null
  }

  #finish(): void {
    if (this.#done) return
    this.#done = true
    this.#stopListening()
    if (this.#cursor !== null) this.#source.delivery.release(this.#cursor)
    this.#cursor = null
  }

  #reject(error: Error): Promise<never> {
    this.#finish()
    return Promise.reject(error)
  }

  #lookDue(): boolean {
    return ++this.#calls % CALLS_PER_LOOK === 0 && performance.now() - this.#turnStartedMs >= TURN_MS
  }

  async #turn(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve))
    this.#turnStartedMs = performance.now()
  }
}
