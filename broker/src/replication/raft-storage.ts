/**
 * Raft's view of a partition log: the storage port over {@link PartitionLog}.
 *
 * Reading entries back is asynchronous on disk and synchronous in the port: a page that is not in memory is `pending`, is
 * loaded, and the core is told. Only a follower that lags needs it; a group of one voter never does.
 */

import { toOffset } from '@stratalog/proto'
import type {
  ConfState,
  Entry,
  HardState,
  InitialState,
  Position,
  RaftStorage as RaftStoragePort,
  Snapshot,
  Term,
} from 'raft-ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { entriesIn } from './entry-codec.ts'
import { endOffsetAt, positionAt, termOfLeaderEpoch } from './raft-ids.ts'
import { RecentBoundaries } from './recent-boundaries.ts'

/** What a storage is made of. */
export interface RaftStorageOptions {
  readonly log: PartitionLog
  /** What was stored of term and vote; null for a group that has never run. */
  readonly hardState: HardState | null
  /** The voters: fixed for the life of the partition. */
  readonly confState: ConfState
  /** A page was loaded: tell the core. */
  readonly onLoaded: () => void
  /** The log could not be read back. */
  readonly onFailed: (error: unknown) => void
}

/** See the file's header. Owner: the Raft group. */
export class RaftStorage implements RaftStoragePort<Buffer> {
  readonly #options: RaftStorageOptions
  readonly #boundaries = new RecentBoundaries()
  #page: readonly Entry<Buffer>[] = []
  #loading = false
  /** Where the log was cut while a page was being loaded: what was read beyond it is gone. */
  #cutWhileLoading = Number.POSITIVE_INFINITY
  /** Of batches that are older, or were there before the start, only where an epoch began is known. */
  readonly boundaries = 'some'

  constructor(options: RaftStorageOptions) {
    this.#options = options
  }

  /**
   * The stored hard state, brought in line with the log: batches may carry a later term than was stored (the log was
   * synced first), and a commit position may lie outside of what is kept (retention) or was kept (flush.policy=replicated).
   */
  initialState(): InitialState<Buffer> {
    const { log, hardState, confState } = this.#options
    const start = this.startPosition()
    const initial = { confState, confPosition: start, configEntries: [] }
    const logTerm = termOfLeaderEpoch(log.lastEpoch)
    if (hardState === null && logTerm === 0) return { hardState: null, ...initial }
    const stored = hardState ?? { term: 0, vote: null, commit: 0 }
    const term = Math.max(stored.term, logTerm)
    const vote = term === stored.term ? stored.vote : null
    const commit = Math.min(Math.max(stored.commit, start), this.endPosition())
    return { hardState: { term, vote, commit }, ...initial }
  }

  entries(from: Position, to: Position, maxBytes: number): readonly Entry<Buffer>[] | 'compacted' | 'pending' {
    if (from < this.startPosition()) return 'compacted'
    const first = this.#page.findIndex((entry) => entry.base === from)
    if (first === -1) {
      this.#load(from, to, maxBytes)
      return 'pending'
    }
    const entries: Entry<Buffer>[] = []
    let bytes = 0
    for (const entry of this.#page.slice(first)) {
      bytes += entry.bytes
      if (entry.end > to || (entries.length > 0 && bytes > maxBytes)) break
      entries.push(entry)
    }
    return entries
  }

  /**
   * At the log's start the epoch of the batch just below it is still known, unless the log began there; then the epoch of
   * the first batch stands in: no log that agrees with this one can have a later one there.
   */
  termAt(position: Position): Term | 'compacted' | 'unavailable' {
    if (position < this.startPosition()) return 'compacted'
    if (position > this.endPosition()) return 'unavailable'
    if (position === 0) return 0
    return termOfLeaderEpoch(this.#options.log.epochs.epochAt(position - 1))
  }

  startPosition(): Position {
    return positionAt(this.#options.log.logStartOffset)
  }

  endPosition(): Position {
    return positionAt(this.#options.log.logEndOffset)
  }

  boundaryAtOrBelow(position: Position): Position {
    const end = this.endPosition()
    if (position >= end) return end
    const recent = this.#boundaries.atOrBelow(endOffsetAt(position))
    const epochStart = this.#options.log.epochs.startOffsetAt(position) ?? 0
    return Math.max(this.startPosition(), recent ?? 0, epochStart)
  }

  snapshot(): Snapshot {
    const { confState } = this.#options
    const position = this.startPosition()
    const term = this.termAt(position)
    return { position, term: term as Term, confState, confPosition: position, data: null }
  }

  /** A batch that ends at `endOffset` (exclusive) was appended to the log. */
  noteAppended(endOffset: number): void {
    this.#boundaries.push(endOffset)
  }

  /** The log was cut at `endOffset`. */
  noteTruncated(endOffset: number): void {
    this.#boundaries.truncateTo(endOffset)
    this.#cutWhileLoading = Math.min(this.#cutWhileLoading, endOffset)
    this.#page = this.#page.filter((entry) => entry.end <= endOffset)
  }

  #load(from: Position, to: Position, maxBytes: number): void {
    if (this.#loading) return
    this.#loading = true
    this.#cutWhileLoading = Number.POSITIVE_INFINITY
    const { log, onLoaded, onFailed } = this.#options
    log
      .read(toOffset(from), toOffset(Math.min(to, this.endPosition())), maxBytes)
      .then(
        ({ bytes }) => {
          this.#page = entriesIn(bytes).filter((entry) => entry.end <= this.#cutWhileLoading)
        },
        (error: unknown) => {
          // Retention, a hand-over or a cut may have taken away what was to be read: the core will see when it asks again.
          if (from >= this.startPosition() && from < this.endPosition()) throw error
        },
      )
      .then(() => {
        this.#loading = false
        onLoaded()
      })
      .catch(onFailed)
  }
}
