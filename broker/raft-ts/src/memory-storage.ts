/**
 * A log in memory that satisfies the RaftStorage port: for tests, examples, and as the model of a real one.
 *
 * Invariant: entries are contiguous from `startPosition`; `write` applies a persist request whole.
 * Durability: none. What a crash would lose is the business of whoever wraps it.
 */
import { type ConfState, confStateOf } from './core/conf-change.ts'
import { type Entry, limitEntries } from './core/entry.ts'
import type { Position, Term } from './core/ids.ts'
import { invariant } from './core/invariant.ts'
import type { PersistRequest } from './core/ready.ts'
import type { HardState, InitialState, RaftStorage, Snapshot } from './core/storage.ts'

/** What a {@link MemoryStorage} begins with. */
export interface MemoryStorageOptions {
  /** Default: no members, a node that is yet to be told. */
  readonly confState?: ConfState
  /** Where the log begins. Default 0. */
  readonly start?: Position
  /** Term just before the start. Default 0. */
  readonly startTerm?: Term
}

/** One group's log, hard state and newest snapshot, in memory. */
export class MemoryStorage<D> implements RaftStorage<D> {
  hardState: HardState | null = null
  #confState: ConfState
  #confPosition: Position
  #entries: Entry<D>[] = []
  #start: Position
  #startTerm: Term
  #snapshot: Snapshot | null = null

  constructor(options: MemoryStorageOptions = {}) {
    this.#confState = options.confState ?? confStateOf([])
    this.#start = options.start ?? 0
    this.#startTerm = options.startTerm ?? 0
    this.#confPosition = this.#start
  }

  /** A copy that shares nothing that changes: what a crash at this moment would leave behind. */
  clone(): MemoryStorage<D> {
    const copy = new MemoryStorage<D>({ confState: this.#confState, start: this.#start, startTerm: this.#startTerm })
    copy.hardState = this.hardState
    copy.#confPosition = this.#confPosition
    copy.#entries = this.#entries.slice()
    copy.#snapshot = this.#snapshot
    return copy
  }

  initialState(): InitialState<D> {
    return { hardState: this.hardState, confState: this.#confState, confPosition: this.#confPosition }
  }

  entries(from: Position, to: Position, maxBytes: number): readonly Entry<D>[] | 'compacted' | 'pending' {
    if (from < this.#start) return 'compacted'
    const first = this.#indexFrom(from)
    const last = this.#indexFrom(to)
    return this.#entries.slice(first, limitEntries(this.#entries, first, last, maxBytes))
  }

  termAt(position: Position): Term | 'compacted' | 'unavailable' {
    if (position < this.#start) return 'compacted'
    if (position > this.endPosition()) return 'unavailable'
    if (position === this.#start) return this.#startTerm
    return this.#entries[this.#indexFrom(position - 1)]!.term
  }

  startPosition(): Position {
    return this.#start
  }

  endPosition(): Position {
    return this.#entries.length === 0 ? this.#start : this.#entries[this.#entries.length - 1]!.end
  }

  boundaryAtOrBelow(position: Position): Position {
    if (position >= this.endPosition()) return this.endPosition()
    if (position <= this.#start) return this.#start
    return this.#entries[this.#indexFrom(position)]!.base
  }

  snapshot(): Snapshot | 'unavailable' {
    return this.#snapshot ?? 'unavailable'
  }

  /** Applies a persist request: snapshot, truncation, entries, hard state, in this order. */
  write(request: PersistRequest<D>): void {
    if (request.snapshot !== null) this.restore(request.snapshot)
    if (request.truncateTo !== null) this.truncateTo(request.truncateTo)
    this.append(request.entries)
    if (request.hardState !== null) this.hardState = request.hardState
  }

  /** Appends entries; the first one begins where the log ends. */
  append(entries: readonly Entry<D>[]): void {
    for (const entry of entries) {
      invariant(
        entry.base === this.endPosition(),
        () => `entry at ${entry.base}, but the log ends at ${this.endPosition()}`,
      )
      this.#entries.push(entry)
    }
  }

  /** Drops everything at and after a boundary. */
  truncateTo(position: Position): void {
    invariant(this.boundaryAtOrBelow(position) === position, () => `${position} is no boundary`)
    this.#entries.length = this.#indexFrom(position)
  }

  /** Replaces the whole log: it begins and ends at the snapshot. */
  restore(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    this.#entries = []
    this.#start = snapshot.position
    this.#startTerm = snapshot.term
    this.#confState = snapshot.confState
    this.#confPosition = snapshot.confPosition
  }

  /** Remembers the configuration in force after the config entry that ends at `end`. */
  saveConfState(confState: ConfState, end: Position): void {
    this.#confState = confState
    this.#confPosition = end
  }

  /** Remembers a snapshot of the application at an applied boundary; the log itself stays. */
  saveSnapshot(position: Position, data: unknown, confState: ConfState = this.#confState): void {
    const term = this.termAt(position)
    invariant(typeof term === 'number', () => `no snapshot at ${position}: ${String(term)}`)
    this.#snapshot = { position, term, confState, confPosition: Math.min(this.#confPosition, position), data }
  }

  /** Drops what lies below a boundary. */
  compactTo(position: Position): void {
    if (position <= this.#start) return
    const term = this.termAt(position)
    invariant(typeof term === 'number', () => `cannot compact to ${position}: ${String(term)}`)
    invariant(this.boundaryAtOrBelow(position) === position, () => `${position} is no boundary`)
    this.#entries = this.#entries.slice(this.#indexFrom(position))
    this.#start = position
    this.#startTerm = term
  }

  /** Index of the first entry that ends after `position`. */
  #indexFrom(position: Position): number {
    const entries = this.#entries
    let low = 0
    let high = entries.length
    const guess = position - this.#start
    if (guess < high && entries[guess]!.base === position) return guess
    while (low < high) {
      const mid = (low + high) >> 1
      if (entries[mid]!.end <= position) low = mid + 1
      else high = mid
    }
    return low
  }
}
