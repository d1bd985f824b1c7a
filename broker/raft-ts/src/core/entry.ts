/**
 * Log entries. An entry is a span: it covers the offsets [base, end) and `end` is the position it reaches.
 *
 * Invariant: base < end; entries of a log are contiguous (`base` equals the `end` before it); terms never decrease.
 * Invariant: within one term the span boundaries are fixed by that term's leader, so (position, term) at a boundary
 * identifies the whole log before it (log matching, Raft §5.3).
 */
import type { ConfChange } from './conf-change.ts'
import type { Position, Term } from './ids.ts'

/** What an entry is for: the application's data, the first entry of a new leader, or a change of membership. */
export type EntryKind = 'data' | 'leader' | 'config'

/** One entry. Never changed once made; shared by reference between log, messages and persist requests. */
export interface Entry<D> {
  /** First offset covered, inclusive. */
  readonly base: Position
  /** One past the last offset covered: the position this entry reaches. */
  readonly end: Position
  /** Term of the leader that appended it. */
  readonly term: Term
  readonly kind: EntryKind
  /** Payload size, for the limits on messages, in-flight data and uncommitted data. 0 for `leader` and `config`. */
  readonly bytes: number
  /** The application's payload; null unless `kind` is `data`. */
  readonly data: D | null
  /** The change; null unless `kind` is `config`. */
  readonly change: ConfChange | null
}

/** What each entry adds to its payload when sizes are compared with limits: a header's worth. */
export const ENTRY_OVERHEAD_BYTES = 16

/** Size of an entry as limits count it. */
export function entrySizeBytes(entry: Entry<unknown>): number {
  return entry.bytes + ENTRY_OVERHEAD_BYTES
}

/**
 * Length of the longest prefix of `entries[start..]` within `maxBytes`, at least one entry when there is one.
 *
 * @returns exclusive end index into `entries`.
 */
export function limitEntries(entries: readonly Entry<unknown>[], start: number, end: number, maxBytes: number): number {
  let size = 0
  for (let i = start; i < end; i++) {
    size += entrySizeBytes(entries[i]!)
    if (size > maxBytes && i > start) return i
  }
  return end
}
