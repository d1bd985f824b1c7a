/**
 * The log as the core sees it: what storage holds, hidden from `unstable.from` on by the unstable tail.
 *
 * Invariant: start <= applied <= applying <= committed <= lastEnd. Committed entries never change.
 * Invariant: `configEntries` lists, in order, the config entries above `confPosition`, committed or not.
 * Owner: the core's step functions are the only writers.
 */
import { type Entry, entrySizeBytes, limitEntries } from './entry.ts'
import type { Position, Term } from './ids.ts'
import { invariant } from './invariant.ts'
import type { InitialState, RaftStorage, Snapshot } from './storage.ts'
import { TERM_UNKNOWN, UnstableLog } from './unstable-log.ts'

/** `termAt` below the start of the log. */
export const TERM_COMPACTED = -2

/** `termAt` past the end of the log. */
export const TERM_UNAVAILABLE = -3

/** What became of entries sent by a leader. */
export type AppendOutcome = 'appended' | 'no-match' | 'conflicts-with-committed' | 'not-a-boundary'

/** Where a sent run of entries first differs from the log; `index` equals their number when it does not. */
export interface Conflict {
  readonly index: number
  /** Term of the own entry there, or a negative one when the log ends before it. */
  readonly ownTerm: Term
}

/** One group's log. */
export class RaftLog<D> {
  readonly storage: RaftStorage<D>
  readonly unstable: UnstableLog<D>
  committed: Position
  /** Handed out to be applied. */
  applying: Position
  /** Reported as applied. */
  applied: Position
  /** End of the last config entry in force. */
  confPosition: Position
  /** End of the newest config entry that came into force since this node was made; 0 when none has. */
  confChangedAt: Position = 0
  configEntries: Entry<D>[] = []
  /** Committed entries are being loaded from storage: nothing can be handed out until `loaded`. */
  #loading = false
  /** End of the stored log once every write handed out is done: what a new write may have to truncate. */
  #handedEnd: Position
  readonly #applyingBytesMax: number
  #applyingBytes = 0
  #applyingSizes: { end: Position; bytes: number }[] = []

  constructor(storage: RaftStorage<D>, initial: InitialState<D>, applyingBytesMax: number) {
    const start = storage.startPosition()
    const end = storage.endPosition()
    invariant(start <= end, () => `storage begins at ${start} and ends at ${end}`)
    this.storage = storage
    this.unstable = new UnstableLog(end)
    this.committed = start
    this.applying = start
    this.applied = start
    this.confPosition = initial.confPosition ?? start
    this.#handedEnd = end
    this.#applyingBytesMax = applyingBytesMax
    if (initial.configEntries !== undefined) this.#noteConfigEntries(initial.configEntries)
    else this.#findConfigEntries(Math.max(start, this.confPosition), end)
  }

  start(): Position {
    return this.unstable.snapshot === null ? this.storage.startPosition() : this.unstable.snapshot.position
  }

  lastEnd(): Position {
    const end = this.unstable.lastEnd()
    return end >= 0 ? end : this.storage.endPosition()
  }

  lastTerm(): Term {
    const term = this.termAt(this.lastEnd())
    invariant(term >= 0, () => `no term for the end of the log at ${this.lastEnd()}`)
    return term
  }

  /** Term of the entry that covers offset `position - 1`, TERM_COMPACTED or TERM_UNAVAILABLE. */
  termAt(position: Position): Term {
    const term = this.unstable.termAt(position)
    if (term !== TERM_UNKNOWN) return term
    if (position < this.start()) return TERM_COMPACTED
    if (position > this.lastEnd()) return TERM_UNAVAILABLE
    const stored = this.storage.termAt(position)
    if (stored === 'compacted') return TERM_COMPACTED
    return stored === 'unavailable' ? TERM_UNAVAILABLE : stored
  }

  /** True if an entry of `term` ends (or a span of that term passes) at `position`. */
  matches(position: Position, term: Term): boolean {
    return this.termAt(position) === term
  }

  /** The greatest boundary at or below `position`, which lies in [start, lastEnd]. */
  boundaryAtOrBelow(position: Position): Position {
    if (position >= this.unstable.from) return this.unstable.boundaryAtOrBelow(position)
    return this.storage.boundaryAtOrBelow(position)
  }

  /** True if `position`, which lies in [start, lastEnd], is known to fall inside an entry. */
  insideEntry(position: Position): boolean {
    if (position < this.unstable.from && this.storage.boundaries === 'some') return false
    return this.boundaryAtOrBelow(position) !== position
  }

  /** The greatest boundary strictly below `position`; 0 at 0. */
  boundaryBelow(position: Position): Position {
    if (position <= this.start()) return Math.max(0, position - 1)
    return this.boundaryAtOrBelow(position - 1)
  }

  /** True if the log of a candidate ends no earlier than this one: later term, or same term and no shorter (Raft §5.4.1). */
  isUpToDate(end: Position, term: Term): boolean {
    const ownTerm = this.lastTerm()
    return term > ownTerm || (term === ownTerm && end >= this.lastEnd())
  }

  /**
   * Greatest position at or below `position` whose entry's term is at most `term`: where two logs may still agree, given
   * one (position, term) of the other. Terms only grow along a log, so a binary search finds it. It may lie inside an
   * entry: whoever sends from there rounds it down.
   *
   * @returns a position below the start when everything known here has a later term.
   */
  lastAtMostTerm(position: Position, term: Term): Position {
    const start = this.start()
    if (position < start) return position
    if (this.termAt(position) <= term) return position
    if (this.termAt(start) > term) return Math.max(0, start - 1)
    let low = start
    let high = position
    // Invariant: termAt(low) <= term < termAt(high).
    while (high - low > 1) {
      const mid = low + Math.floor((high - low) / 2)
      if (this.termAt(mid) <= term) low = mid
      else high = mid
    }
    return low
  }

  /** First of `entries` that the log does not have. They begin right after a position that matches. */
  findConflict(entries: readonly Entry<D>[]): Conflict {
    const end = this.lastEnd()
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      if (entry.end > end) return { index: i, ownTerm: TERM_UNAVAILABLE }
      const ownTerm = this.termAt(entry.end)
      if (ownTerm !== entry.term) return { index: i, ownTerm }
    }
    return { index: entries.length, ownTerm: TERM_UNAVAILABLE }
  }

  /** Appends entries, replacing everything at and after their base. They begin at a boundary, not below `committed`. */
  append(entries: readonly Entry<D>[]): void {
    if (entries.length === 0) return
    const base = entries[0]!.base
    invariant(base >= this.committed, () => `append at ${base} would replace what is committed up to ${this.committed}`)
    if (base < this.lastEnd()) {
      while (this.configEntries.length > 0 && this.configEntries[this.configEntries.length - 1]!.end > base) {
        this.configEntries.pop()
      }
    }
    this.unstable.truncateAndAppend(entries)
    this.#noteConfigEntries(entries)
  }

  /** Raises the commit position. Returns whether it moved. */
  commitTo(position: Position): boolean {
    if (position <= this.committed) return false
    invariant(
      position <= this.lastEnd(),
      () => `commit ${position} is past the end ${this.lastEnd()}: log lost or damaged?`,
    )
    this.committed = position
    return true
  }

  /** How far committed entries may be handed out. */
  appliable(beforePersisted: boolean): Position {
    if (this.unstable.snapshot !== null || this.#loading) return this.applying
    const limit = beforePersisted ? this.committed : Math.min(this.committed, this.unstable.from)
    if (this.#applyingBytes >= this.#applyingBytesMax) return this.applying
    return Math.max(limit, this.applying)
  }

  /** The next committed entries up to `to`, within the limit on what is being applied; null while they are loaded. */
  nextCommitted(to: Position): readonly Entry<D>[] | null {
    const entries = this.slice(this.applying, to, this.#applyingBytesMax - this.#applyingBytes)
    if (entries === 'pending') {
      this.#loading = true
      return null
    }
    invariant(
      entries !== 'compacted',
      () => `committed entries from ${this.applying} are compacted before they were applied`,
    )
    return entries
  }

  /** Entries that had to be waited for can be read now. */
  loaded(): void {
    this.#loading = false
  }

  /** Committed config entries above `applying`, up to `to`. */
  committedConfigEntries(to: Position): Entry<D>[] {
    return this.configEntries.filter((entry) => entry.end > this.applying && entry.end <= to)
  }

  /** True while a committed change of membership has not been applied: such a node must not campaign. */
  hasUnappliedConfigEntry(): boolean {
    for (const entry of this.configEntries) {
      if (entry.end > this.committed) return false
      if (entry.end > this.applied) return true
    }
    return false
  }

  acceptApplying(to: Position, entries: readonly Entry<D>[]): void {
    this.applying = to
    if (this.#applyingBytesMax === Number.POSITIVE_INFINITY) return
    let bytes = 0
    for (const entry of entries) bytes += entrySizeBytes(entry)
    // Entries held back by the limit mean that it is reached: wait for a report before handing out the next.
    if (to < this.committed && entries.length > 0) bytes = Math.max(bytes, this.#applyingBytesMax - this.#applyingBytes)
    this.#applyingBytes += bytes
    this.#applyingSizes.push({ end: to, bytes })
  }

  appliedTo(position: Position): void {
    this.applied = Math.max(this.applied, position)
    this.applying = Math.max(this.applying, this.applied)
    while (this.#applyingSizes.length > 0 && this.#applyingSizes[0]!.end <= position) {
      this.#applyingBytes -= this.#applyingSizes.shift()!.bytes
    }
  }

  /** The config entry that ends at `end` (and all before it) is in force. */
  configAppliedTo(end: Position): void {
    this.confChangedAt = Math.max(this.confChangedAt, end)
    this.confPosition = Math.max(this.confPosition, end)
    while (this.configEntries.length > 0 && this.configEntries[0]!.end <= end) this.configEntries.shift()
  }

  /**
   * Entries from boundary `from` to boundary `to`, at most `maxBytes` but at least one.
   *
   * The first page that can be served from one side (storage, memory) is returned when the other would have to wait.
   */
  slice(from: Position, to: Position, maxBytes: number): readonly Entry<D>[] | 'compacted' | 'pending' {
    if (from >= to) return []
    if (from >= this.unstable.from) {
      const entries = this.unstable.slice(from, to)
      const end = limitEntries(entries, 0, entries.length, maxBytes)
      return end === entries.length ? entries : entries.slice(0, end)
    }
    if (from < this.start()) return 'compacted'
    const storedTo = Math.min(to, this.unstable.from)
    const stored = this.storage.entries(from, storedTo, maxBytes)
    if (stored === 'compacted' || stored === 'pending') return stored
    invariant(stored.length > 0 && stored[0]!.base === from, () => `storage has no entry that begins at ${from}`)
    if (storedTo === to || stored[stored.length - 1]!.end < storedTo) return stored
    let bytes = 0
    for (const entry of stored) bytes += entrySizeBytes(entry)
    if (bytes >= maxBytes) return stored
    const rest = this.unstable.slice(storedTo, to)
    const all = stored.concat(rest)
    const end = limitEntries(all, 0, all.length, maxBytes)
    return end === all.length ? all : all.slice(0, end)
  }

  /** New entries for storage, and what they make it drop. */
  takeEntries(): { entries: Entry<D>[]; truncateTo: Position | null } {
    const entries = this.unstable.takeEntries()
    if (entries.length === 0) return { entries, truncateTo: null }
    const base = entries[0]!.base
    const truncateTo = base < this.#handedEnd ? base : null
    this.#handedEnd = entries[entries.length - 1]!.end
    return { entries, truncateTo }
  }

  takeSnapshot(): Snapshot | null {
    const snapshot = this.unstable.takeSnapshot()
    if (snapshot !== null) this.#handedEnd = snapshot.position
    return snapshot
  }

  /** Forgets the log in favour of a snapshot, which is committed by nature. */
  restore(snapshot: Snapshot): void {
    this.committed = snapshot.position
    this.confPosition = snapshot.confPosition
    this.configEntries = []
    this.unstable.restore(snapshot)
  }

  #noteConfigEntries(entries: readonly Entry<D>[]): void {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      if (entry.kind === 'config' && entry.end > this.confPosition) this.configEntries.push(entry)
    }
  }

  #findConfigEntries(from: Position, end: Position): void {
    // After a start-position hand-over the configuration may be newer than the log is long.
    if (from >= end) return
    let at = from > this.start() ? this.boundaryAtOrBelow(from) : this.start()
    while (at < end) {
      const page = this.storage.entries(at, end, 1 << 20)
      invariant(
        typeof page !== 'string' && page.length > 0,
        () => `storage cannot read ${at}..${end} (${String(page)}): give configEntries in its initial state`,
      )
      this.#noteConfigEntries(page)
      at = page[page.length - 1]!.end
    }
  }
}
