/**
 * From buffered bytes to batches in the application's hands: which partition is next, and its batch opened.
 *
 * Partitions take turns, a batch at a time. A batch that an iteration leaves half read (a `break`, a pause) stays open
 * at its partition, so that the next iteration goes on with the record behind the last one handed out.
 *
 * Invariant: a cursor is held by at most one iterator, and is in the ready queue at most once and never while held.
 * Invariant: at most one batch is decompressed ahead of its turn, in the whole subscription.
 */
import type { StratalogError } from '@stratalog/proto'
import { type BatchSection, openSection, opensInPool } from './batch-section.ts'
import { ConsumerBatch } from './consumer-batch.ts'
import { type ConsumerRecord, corruptRecord, type RecordContext } from './consumer-record.ts'
import type { PartitionState, TakenBatch } from './partition-state.ts'
import { RecordWalk, type SkipListener, type WalkOptions } from './record-walk.ts'
import type { Deserializer } from './serde.ts'
import { Signal } from './signal.ts'
import type { SubscriptionState } from './subscription-state.ts'

/** How records are read. */
export interface DeliveryOptions<K, V> {
  /** null = the bytes themselves. */
  readonly keyDeserializer: Deserializer<K> | null
  readonly valueDeserializer: Deserializer<V> | null
  readonly onDeserializationError: 'fail' | 'skip' | 'raw'
  readonly verifyCrc: boolean
}

/** A partition as the delivery sees it. */
export class PartitionCursor<K, V> {
  readonly state: PartitionState
  /** Notified when there may be something to take, and at the end. */
  readonly signal: Signal = new Signal()
  open: OpenBatch<K, V> | null = null
  held = false
  queued = false

  constructor(state: PartitionState) {
    this.state = state
  }

  /** Whether it can be acquired. */
  get available(): boolean {
    return !this.held && !this.state.withheld && (this.state.deliverable || this.#openIsLive)
  }

  /** The next record of the open batch; null when it is over, or cut off by a pause, a halt or a seek. */
  nextRecord(): ConsumerRecord<K, V> | null {
    const { open, state } = this
    if (open === null || state.withheld || open.taken.generation !== state.generation) return null
    const record = open.walk.next()
    if (record === null) open.exhausted = true
    else state.position = record.offset + 1
    return record
  }

  get #openIsLive(): boolean {
    return this.open !== null && this.open.taken.generation === this.state.generation
  }
}

/** A batch being handed out. */
export interface OpenBatch<K, V> {
  readonly taken: TakenBatch
  readonly options: WalkOptions<K, V>
  readonly walk: RecordWalk<K, V>
  exhausted: boolean
}

/** `wait` = nothing at the moment; `end` = nothing ever again. */
export type Acquired<K, V> = PartitionCursor<K, V> | Promise<PartitionCursor<K, V> | null> | 'wait' | 'end'

/** A batch that is being decompressed before its turn. */
interface OpenedAhead<K, V> {
  readonly cursor: PartitionCursor<K, V>
  readonly generation: number
  readonly bytes: Buffer
  readonly bytePosition: number
  readonly section: Promise<BatchSection>
}

/** See the file's header. */
export class Delivery<K, V> {
  readonly #core: SubscriptionState
  readonly #options: DeliveryOptions<K, V>
  readonly #onSkipped: SkipListener
  readonly #cursors = new Map<PartitionState, PartitionCursor<K, V>>()
  readonly #ready: PartitionCursor<K, V>[] = []
  /** Notified when there may be something to take from any partition, and at the end. */
  readonly signal: Signal = new Signal()
  #closed: { readonly error: StratalogError | null } | null = null
  #ahead: OpenedAhead<K, V> | null = null

  constructor(core: SubscriptionState, options: DeliveryOptions<K, V>, onSkipped: SkipListener) {
    this.#core = core
    this.#options = options
    this.#onSkipped = onSkipped
  }

  /** The cursor of a partition of the core. */
  cursor(state: PartitionState): PartitionCursor<K, V> {
    let cursor = this.#cursors.get(state)
    if (cursor === undefined) {
      cursor = new PartitionCursor(state)
      this.#cursors.set(state, cursor)
    }
    return cursor
  }

  /** The core's hook: a partition has something to deliver, or has ended. */
  onReady(state: PartitionState): void {
    const cursor = this.cursor(state)
    this.#enqueue(cursor)
    cursor.signal.notify()
    this.signal.notify()
  }

  /** The core has removed the partition: its iterations end. */
  forget(state: PartitionState): void {
    const cursor = this.#cursors.get(state)
    if (cursor === undefined) return
    this.#cursors.delete(state)
    if (this.#ahead?.cursor === cursor) this.#ahead = null
    cursor.signal.notify()
  }

  /** Ends all iterations: in order, or with an error that they throw. */
  close(error: StratalogError | null): void {
    if (this.#closed !== null) return
    this.#closed = { error }
    for (const cursor of this.#cursors.values()) cursor.signal.notify()
    this.signal.notify()
  }

  /** The next batch of any partition, held. Errors: what failed a partition; what `close` was given. */
  acquire(): Acquired<K, V> {
    if (this.#checkClosed()) return 'end'
    for (let cursor = this.#ready.shift(); cursor !== undefined; cursor = this.#ready.shift()) {
      cursor.queued = false
      if (!cursor.available) continue
      const opened = this.#open(cursor)
      if (opened !== null) return opened
    }
    return this.#core.ended ? 'end' : 'wait'
  }

  /** The next batch of one partition, held. Errors: as of `acquire`. */
  acquireFrom(cursor: PartitionCursor<K, V>): Acquired<K, V> {
    if (this.#checkClosed()) return 'end'
    if (cursor.available) {
      const opened = this.#open(cursor)
      if (opened !== null) return opened
    }
    return cursor.state.over ? 'end' : 'wait'
  }

  /** Gives a held cursor back; its batch is finished if all of it was handed out, otherwise it stays open. */
  release(cursor: PartitionCursor<K, V>): void {
    const { open, state } = cursor
    cursor.held = false
    if (open !== null && open.taken.generation !== state.generation) {
      cursor.open = null
    } else if (open?.exhausted === true) {
      cursor.open = null
      this.#core.finish(state, open.taken)
    }
    if (cursor.available) this.onReady(state)
  }

  /** The rest of a held cursor's batch as a whole, which then counts as delivered. */
  wholeBatch(cursor: PartitionCursor<K, V>): ConsumerBatch<K, V> | null {
    const { open, state } = cursor
    if (open === null || state.withheld || open.taken.generation !== state.generation) return null
    open.exhausted = true
    const fromOffset = Math.max(state.position, open.options.fromOffset)
    const isRead = fromOffset > open.taken.header.lastOffset || fromOffset >= (open.taken.endOffset ?? Infinity)
    return isRead ? null : new ConsumerBatch({ ...open.options, fromOffset })
  }

  /** A held cursor's batch turned out to be damaged: the partition fails at its position. @returns the error. */
  damaged(cursor: PartitionCursor<K, V>, error: StratalogError): StratalogError {
    cursor.open = null
    cursor.held = false
    this.#core.failHere(cursor.state, error)
    return error
  }

  #open(cursor: PartitionCursor<K, V>): PartitionCursor<K, V> | Promise<PartitionCursor<K, V> | null> | null {
    const { state } = cursor
    if (cursor.open !== null && cursor.open.taken.generation === state.generation) {
      cursor.held = true
      return cursor
    }
    cursor.open = null
    const taken = this.#take(cursor)
    if (taken === null) {
      if (state.failure === null || state.queue.length > 0) return null
      this.#enqueue(cursor)
      throw state.failure
    }
    cursor.held = true
    try {
      const section = this.#section(taken)
      if (section instanceof Promise) return this.#openLater(cursor, taken, section)
      this.#begin(cursor, taken, section)
    } catch (error) {
      throw this.damaged(cursor, corruptRecord(state, state.position, error, taken.nextOffset))
    }
    return cursor
  }

  async #openLater(
    cursor: PartitionCursor<K, V>,
    taken: TakenBatch,
    pending: Promise<BatchSection>,
  ): Promise<PartitionCursor<K, V> | null> {
    const { state } = cursor
    try {
      const section = await pending
      if (taken.generation === state.generation) {
        this.#begin(cursor, taken, section)
        return cursor
      }
    } catch (error) {
      if (taken.generation === state.generation) {
        throw this.damaged(cursor, corruptRecord(state, state.position, error, taken.nextOffset))
      }
    }
    this.release(cursor)
    return null
  }

  #begin(cursor: PartitionCursor<K, V>, taken: TakenBatch, section: BatchSection): void {
    const options = {
      context: this.#context(taken, cursor.state),
      section,
      ...rangeOf(taken),
      onSkipped: this.#onSkipped,
    }
    cursor.open = { taken, options, walk: new RecordWalk(options), exhausted: false }
    this.#openAhead(cursor)
  }

  #take(cursor: PartitionCursor<K, V>): TakenBatch | null {
    try {
      return this.#core.take(cursor.state)
    } catch (error) {
      throw this.damaged(cursor, corruptRecord(cursor.state, cursor.state.position, error))
    }
  }

  #section(taken: TakenBatch): BatchSection | Promise<BatchSection> {
    const ahead = this.#ahead
    if (ahead !== null && ahead.bytes === taken.bytes && ahead.bytePosition === taken.bytePosition) {
      this.#ahead = null
      return ahead.section
    }
    return openSection(taken.header, taken.bytes, taken.bytePosition, this.#options.verifyCrc)
  }

  /** Lets the thread pool work on the batch whose turn is next while the application works on this one. */
  #openAhead(current: PartitionCursor<K, V>): void {
    const ahead = this.#ahead
    if (ahead !== null && !ahead.cursor.state.withheld && ahead.generation === ahead.cursor.state.generation) return
    this.#ahead = null
    const cursor = this.#ready[0] ?? current
    if (cursor !== current && !cursor.available) return
    const next = cursor === current || cursor.open === null ? this.#core.peek(cursor.state) : null
    if (next === null || next.header.control || !opensInPool(next.header)) return
    const { bytes, bytePosition, header } = next
    try {
      const section = openSection(header, bytes, bytePosition, this.#options.verifyCrc)
      if (!(section instanceof Promise)) return
      section.catch(() => {})
      this.#ahead = { cursor, generation: cursor.state.generation, bytes, bytePosition, section }
    } catch {
      // Its own turn will find the damage and report it.
    }
  }

  #context(taken: TakenBatch, state: PartitionState): RecordContext<K, V> {
    return {
      topic: state.topic,
      partition: state.partition,
      leaderEpoch: taken.header.leaderEpoch,
      keyDeserializer: this.#options.keyDeserializer,
      valueDeserializer: this.#options.valueDeserializer,
      onDeserializationError: this.#options.onDeserializationError,
    }
  }

  #enqueue(cursor: PartitionCursor<K, V>): void {
    if (cursor.queued || !cursor.available) return
    cursor.queued = true
    this.#ready.push(cursor)
  }

  #checkClosed(): boolean {
    if (this.#closed === null) return false
    if (this.#closed.error !== null) throw this.#closed.error
    return true
  }
}

function rangeOf(taken: TakenBatch): Pick<WalkOptions<never, never>, 'fromOffset' | 'endOffset' | 'nextOffset'> {
  return { fromOffset: taken.fromOffset, endOffset: taken.endOffset, nextOffset: taken.nextOffset }
}
