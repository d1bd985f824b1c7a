/**
 * What of one partition was handed out and what of it is done with, so that only what is finished without a gap is
 * committed: a crash then brings records again, and never skips one. Pure.
 *
 * ```
 *   ... finished | finished | in hand | finished | abandoned | in hand | not handed out ...
 *                           ^ frontier: what is committed
 * ```
 * Invariant: entries are in order of offset, and the first one is not finished.
 * Invariant: the frontier never goes back, except by `rewind`.
 * Memory: one entry for each hand-out from the frontier on; who hands out bounds it (`unfinishedCount`).
 */
import { invariant } from '@stratalog/proto'

/** A place to be committed. */
export interface Frontier {
  /** Next offset to be read. */
  readonly offset: number
  /** Of the record before it, or a later one; -1 = unknown. */
  readonly leaderEpoch: number
}

/** Where the reading of a partition stands beside the entries: its position, and the leader epoch there or a later one. */
export interface ReadPosition {
  readonly position: number
  readonly lastEpoch: number
}

/** A record or a batch in the application's hands. */
export class HandedOut {
  readonly offset: number
  /** Where the reader stands behind it. */
  readonly nextOffset: number
  readonly leaderEpoch: number
  /** When the application began with it, by the clock of who tracks; null = it waits for its turn. */
  sinceMs: number | null
  /** Whether a watchdog has told of it. */
  isStalled = false
  readonly #tracker: OffsetTracker
  #state: 'in-hand' | 'finished' | 'abandoned' = 'in-hand'

  constructor(tracker: OffsetTracker, offset: number, nextOffset: number, leaderEpoch: number, sinceMs: number | null) {
    this.#tracker = tracker
    this.offset = offset
    this.nextOffset = nextOffset
    this.leaderEpoch = leaderEpoch
    this.sinceMs = sinceMs
  }

  get isFinished(): boolean {
    return this.#state === 'finished'
  }

  /** The application is done with it. Has no effect twice. */
  finish(): void {
    if (this.#state === 'finished') return
    this.#state = 'finished'
    this.#tracker.settled(this)
  }

  /** The application will not come back to it, and has not said that it is done. */
  abandon(): void {
    if (this.#state !== 'in-hand') return
    this.#state = 'abandoned'
    this.#tracker.settled(this)
  }
}

/** See the file's header. */
export class OffsetTracker {
  readonly #onSettled: () => void
  /** Entries from the frontier on; those before `#head` are done with. */
  #entries: HandedOut[] = []
  #head = 0
  readonly #inHand = new Set<HandedOut>()
  #frontier: Frontier

  /** @param start where reading begins. @param onSettled something is no longer in hand. */
  constructor(start: Frontier, onSettled: () => void = () => {}) {
    this.#frontier = start
    this.#onSettled = onSettled
  }

  /** Entries from the frontier on. */
  get unfinishedCount(): number {
    return this.#entries.length - this.#head
  }

  /** One past everything that was handed out or is finished (exclusive). */
  get endOffset(): number {
    return this.#entries.at(-1)?.nextOffset ?? this.#frontier.offset
  }

  /** What the application is at. */
  get inHand(): ReadonlySet<HandedOut> {
    return this.#inHand
  }

  /** What can be committed. @param reading passes gaps and control batches behind the last record, when nothing is open. */
  frontier(reading: ReadPosition): Frontier {
    const { offset, leaderEpoch } = this.#frontier
    if (this.unfinishedCount > 0 || reading.position <= offset) return this.#frontier
    return { offset: reading.position, leaderEpoch: Math.max(leaderEpoch, reading.lastEpoch) }
  }

  /** Something is handed out. @param offset not below anything handed out before. */
  handOut(offset: number, nextOffset: number, leaderEpoch: number, sinceMs: number | null): HandedOut {
    const last = this.#entries.at(-1)
    invariant(nextOffset > offset, 'what is handed out is empty')
    invariant(last === undefined || offset >= last.nextOffset, () => `offset ${offset} is handed out twice`)
    const entry = new HandedOut(this, offset, nextOffset, leaderEpoch, sinceMs)
    this.#entries.push(entry)
    this.#inHand.add(entry)
    return entry
  }

  /** The entry that holds the offset; null when it is finished and gone, or was never handed out. */
  find(offset: number): HandedOut | null {
    let low = this.#head
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#entries[middle]!.nextOffset <= offset) low = middle + 1
      else high = middle
    }
    const entry = this.#entries[low]
    return entry !== undefined && entry.offset <= offset ? entry : null
  }

  /** Finishes everything up to and with what was abandoned: the application has gone on. */
  finishAbandoned(): void {
    for (const entry of this.#entries.slice(this.#head)) if (!this.#inHand.has(entry)) entry.finish()
  }

  /** Begins anew elsewhere; entries from before have no effect any more. */
  rewind(start: Frontier): void {
    this.#entries = []
    this.#head = 0
    this.#frontier = start
    this.#inHand.clear()
    this.#onSettled()
  }

  /** For HandedOut: its state has changed. */
  settled(entry: HandedOut): void {
    const wasInHand = this.#inHand.delete(entry)
    this.#advance()
    if (wasInHand) this.#onSettled()
  }

  #advance(): void {
    for (let first = this.#entries[this.#head]; first?.isFinished; first = this.#entries[this.#head]) {
      this.#frontier = { offset: first.nextOffset, leaderEpoch: first.leaderEpoch }
      this.#head++
    }
    if (this.#head === this.#entries.length) {
      this.#entries.length = 0
      this.#head = 0
    } else if (this.#head > 1_024 && this.#head * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#head)
      this.#head = 0
    }
  }
}
