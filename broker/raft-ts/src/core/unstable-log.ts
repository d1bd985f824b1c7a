/**
 * The tail of the log that storage has not confirmed yet, and a snapshot on its way there.
 *
 *   storage …────────┤from                                          lastEnd
 *                    ├──── handed out, being written ────┤── new ────┤
 *                                             inProgressEnd
 *
 * Invariant: entries are contiguous from `from`; from <= inProgressEnd <= lastEnd.
 * Invariant: what lies at and above `from` here hides whatever storage holds there: a write that replaces it is on its way.
 */
import type { Entry } from './entry.ts'
import type { Position, Term } from './ids.ts'
import { invariant } from './invariant.ts'
import type { Snapshot } from './storage.ts'

/** Term of a position that this log cannot tell. */
export const TERM_UNKNOWN = -1

/** Entries and a snapshot that are not durable yet. */
export class UnstableLog<D> {
  /** Where the unstable part begins. */
  from: Position
  snapshot: Snapshot | null = null
  #snapshotInProgress = false
  #entries: Entry<D>[] = []
  /** Entries before this index were dropped and await compaction of the array. */
  #head = 0
  #inProgressEnd: Position
  /** Term at `from`, remembered when the entry that ended there was dropped. */
  #fromTerm: Term = TERM_UNKNOWN

  constructor(from: Position) {
    this.from = from
    this.#inProgressEnd = from
  }

  /** True when no entry is waiting for storage. */
  get empty(): boolean {
    return this.#head === this.#entries.length
  }

  /** End of the log if this part knows it, else -1. */
  lastEnd(): Position {
    if (!this.empty) return this.#entries[this.#entries.length - 1]!.end
    return this.snapshot === null ? -1 : this.snapshot.position
  }

  /** Term at `position`, or TERM_UNKNOWN if it lies outside. */
  termAt(position: Position): Term {
    if (position > this.from) {
      return position <= this.lastEnd() && !this.empty
        ? this.#entries[this.#indexCovering(position)]!.term
        : TERM_UNKNOWN
    }
    if (position < this.from) return TERM_UNKNOWN
    if (this.snapshot !== null && this.snapshot.position === position) return this.snapshot.term
    return this.#fromTerm
  }

  /** The greatest boundary at or below `position`, which lies in [from, lastEnd]. */
  boundaryAtOrBelow(position: Position): Position {
    if (position === this.from) return position
    const entry = this.#entries[this.#indexCovering(position)]!
    return entry.end === position ? position : entry.base
  }

  /** Entries from boundary `from` to boundary `to`; both within. */
  slice(from: Position, to: Position): Entry<D>[] {
    if (from === to) return []
    const first = this.#indexCovering(from + 1)
    const last = this.#indexCovering(to)
    invariant(this.#entries[first]!.base === from, () => `${from} is no boundary of the unstable log`)
    invariant(this.#entries[last]!.end === to, () => `${to} is no boundary of the unstable log`)
    return this.#entries.slice(first, last + 1)
  }

  /** Appends entries, dropping what they replace. The first one begins at a boundary of the log. */
  truncateAndAppend(entries: readonly Entry<D>[]): void {
    const base = entries[0]!.base
    const end = this.empty ? this.from : this.#entries[this.#entries.length - 1]!.end
    if (base === end) {
      for (let i = 0; i < entries.length; i++) this.#entries.push(entries[i]!)
    } else if (base <= this.from) {
      // Everything here is replaced, and part of what storage holds as well.
      if (base < this.from) this.#fromTerm = TERM_UNKNOWN
      this.#entries = entries.slice()
      this.#head = 0
      this.from = base
      this.#inProgressEnd = base
    } else {
      invariant(base < end, () => `entries at ${base} leave a gap after ${end}`)
      const keep = this.#indexCovering(base) + 1
      invariant(this.#entries[keep - 1]!.end === base, () => `${base} is no boundary of the unstable log`)
      this.#entries = this.#entries.slice(this.#head, keep).concat(entries)
      this.#head = 0
      this.#inProgressEnd = Math.min(this.#inProgressEnd, base)
    }
  }

  /** Entries not handed out yet, now marked as being written. Empty when there are none. */
  takeEntries(): Entry<D>[] {
    const end = this.empty ? this.from : this.#entries[this.#entries.length - 1]!.end
    if (end === this.#inProgressEnd) return []
    const entries = this.slice(this.#inProgressEnd, end)
    this.#inProgressEnd = end
    return entries
  }

  hasNewEntries(): boolean {
    return !this.empty && this.#entries[this.#entries.length - 1]!.end !== this.#inProgressEnd
  }

  hasNewSnapshot(): boolean {
    return this.snapshot !== null && !this.#snapshotInProgress
  }

  /** The snapshot if it was not handed out yet, now marked as being written. */
  takeSnapshot(): Snapshot | null {
    if (!this.hasNewSnapshot()) return null
    this.#snapshotInProgress = true
    return this.snapshot
  }

  /**
   * Storage holds everything up to the entry that ends at `end` with `term`, and nothing under way will replace it.
   *
   * @returns what came of it: `stable`, or why the attestation does not fit this log any more.
   */
  stableTo(end: Position, term: Term): 'stable' | 'already-stable' | 'replaced' {
    if (end <= this.from || this.empty || end > this.lastEnd()) return 'already-stable'
    const index = this.#indexCovering(end)
    const entry = this.#entries[index]!
    if (entry.end !== end || entry.term !== term) return 'replaced'
    this.#drop(index)
    this.from = end
    this.#fromTerm = term
    if (this.#inProgressEnd < end) this.#inProgressEnd = end
    return 'stable'
  }

  /** The snapshot at `position` is in storage. */
  stableSnapshotTo(position: Position): void {
    if (this.snapshot === null || this.snapshot.position !== position) return
    this.snapshot = null
    this.#snapshotInProgress = false
  }

  /** Forgets everything in favour of a snapshot. */
  restore(snapshot: Snapshot): void {
    this.snapshot = snapshot
    this.#snapshotInProgress = false
    this.#entries = []
    this.#head = 0
    this.from = snapshot.position
    this.#fromTerm = snapshot.term
    this.#inProgressEnd = snapshot.position
  }

  /** Index of the entry with base < position <= end; `position` lies within the entries. */
  #indexCovering(position: Position): number {
    const entries = this.#entries
    let low = this.#head
    let high = entries.length - 1
    // Entries of one index each, and the newest entry of all, are found at once.
    const guess = low + (position - this.from) - 1
    if (guess <= high && entries[guess]!.end === position) return guess
    if (entries[high]!.base < position) return high
    while (low < high) {
      const mid = (low + high) >> 1
      if (entries[mid]!.end < position) low = mid + 1
      else high = mid
    }
    return low
  }

  /** Drops the entries up to and including index `last`, in amortised constant time. */
  #drop(last: number): void {
    const entries = this.#entries
    const dropped = entries[last]!
    if (last + 1 === entries.length) {
      this.#entries = []
      this.#head = 0
      return
    }
    // Slots that are no longer used all point at one entry, so that the others can be freed at once.
    for (let i = this.#head; i < last; i++) entries[i] = dropped
    this.#head = last + 1
    if (this.#head >= 64 && this.#head * 2 > entries.length) {
      this.#entries = entries.slice(this.#head)
      this.#head = 0
    }
  }
}
