/**
 * Raft's view of a partition log: the storage port over {@link PartitionLog}.
 *
 * What is in memory is read at once. The port is synchronous and disks are not: entries that must be read from a file are
 * `pending`, are loaded under the catch-up limit, and the core is told. Only followers that lag need that.
 *
 * The log does not know where each old batch begins without reading it. Positions that a message is about to ask for
 * are learned first ({@link RaftStorage.learn}); an answer for any other old position is the start of its leader epoch.
 */
import { type Offset, toOffset } from '@stratalog/proto'
import { baseOffsetOf, lastOffsetOf } from '@stratalog/proto/records'
import type { Entry, InitialState, Position, RaftStorage as RaftStoragePort, Snapshot, Term } from 'raft-ts'
import { LogClosedError, LogOffsetOutOfRangeError } from '../log/log-errors.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { ByteRate } from './byte-rate.ts'
import { entriesIn } from './entry-codec.ts'
import type { GroupState } from './group-state.ts'
import { LoadedPages, takeWithin } from './loaded-pages.ts'
import { endOffsetAt, positionAt, termOfLeaderEpoch } from './raft-ids.ts'
import { RecentBoundaries } from './recent-boundaries.ts'
import type { Clock } from './tick-loop.ts'

/** What a storage is made of. */
export interface RaftStorageOptions {
  readonly log: PartitionLog
  readonly state: GroupState
  /** Limits what is read back from files. */
  readonly catchUp: ByteRate
  readonly clock: Clock
  /** A page was loaded: tell the core. */
  readonly onLoaded: () => void
  /** The log could not be read back. */
  readonly onFailed: (error: unknown) => void
}

/** Reads that wait for their turn, at most: one for each follower that lags, about. */
const WANTED_COUNT_MAX = 8

interface Wanted {
  readonly from: Position
  readonly to: Position
  readonly maxBytes: number
}

/** See the file's header. Owner: the Raft group. */
export class RaftStorage implements RaftStoragePort<Buffer> {
  readonly #options: RaftStorageOptions
  readonly #boundaries = new RecentBoundaries()
  readonly #pages = new LoadedPages()
  readonly #wanted: Wanted[] = []
  #loading = false
  /** Where the log was cut while a page was being loaded: what was read beyond it is gone. */
  #cutWhileLoading = Number.POSITIVE_INFINITY
  /** Of batches that are older, or were there before the start, only where an epoch began is known. */
  readonly boundaries = 'some'

  constructor(options: RaftStorageOptions) {
    this.#options = options
  }

  initialState(): InitialState<Buffer> {
    return this.#options.state.initialState(this.#options.log)
  }

  entries(from: Position, to: Position, maxBytes: number): readonly Entry<Buffer>[] | 'compacted' | 'pending' {
    if (from < this.startPosition()) return 'compacted'
    const cached = this.#options.log.readCached(endOffsetAt(from), endOffsetAt(to), maxBytes)
    if (cached !== null) return takeWithin(cached.flatMap(entriesIn), to, maxBytes)
    const loaded = this.#pages.take(from, to, maxBytes)
    if (loaded === null) {
      this.#want({ from, to, maxBytes })
      return 'pending'
    }
    // The follower's answer will name this end.
    const end = loaded.at(-1)!.end
    this.#boundaries.learn(end, end + 1)
    return loaded
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
    const epochStart = this.#options.log.epochs.startOffsetAt(position) ?? 0
    return Math.max(this.startPosition(), this.#boundaries.atOrBelow(endOffsetAt(position)) ?? 0, epochStart)
  }

  /** Whether {@link boundaryAtOrBelow} is exact there; looks into the batches in memory, but into no file. */
  knows(position: Position): boolean {
    const { log } = this.#options
    if (position <= this.startPosition() || position >= this.endPosition()) return true
    if (this.#boundaries.covers(position) || log.epochs.startOffsetAt(position) === position) return true
    const cached = log.readCached(toOffset(position), log.logEndOffset, 1)
    if (cached === null) return false
    this.#learnFrom(cached[0]!)
    return true
  }

  /** Looks up the batch at a position, so that {@link knows}. Errors: those of PartitionLog.read. */
  async learn(position: Position): Promise<void> {
    const { log } = this.#options
    if (this.knows(position)) return
    const { bytes } = await log.read(toOffset(position), log.logEndOffset, 1)
    if (bytes.length > 0) this.#learnFrom(bytes)
  }

  snapshot(): Snapshot {
    const position = this.startPosition()
    const { confState, confPosition } = this.#options.state.row.conf
    return { position, term: this.termAt(position) as Term, confState, confPosition, data: null }
  }

  /** A batch that ends at `endOffset` (exclusive) was handed to the log. */
  noteAppended(endOffset: number): void {
    this.#boundaries.push(endOffset)
  }

  /** The log is to be cut at `endOffset`. */
  noteTruncated(endOffset: number): void {
    this.#boundaries.truncateTo(endOffset)
    this.#pages.truncateTo(endOffset)
    this.#cutWhileLoading = Math.min(this.#cutWhileLoading, endOffset)
  }

  /** Lets go of pages that nobody asks for any more. To be called now and then. */
  tick(): void {
    this.#pages.age()
  }

  #learnFrom(batch: Buffer): void {
    this.#boundaries.learn(baseOffsetOf(batch, 0), lastOffsetOf(batch, 0) + 1)
  }

  #want(wanted: Wanted): void {
    if (this.#wanted.some(({ from }) => from === wanted.from)) return
    if (this.#wanted.length < WANTED_COUNT_MAX) this.#wanted.push(wanted)
    if (!this.#loading) this.#loadNext()
  }

  #loadNext(): void {
    const { catchUp, clock, onFailed } = this.#options
    const wanted = this.#wanted[0]
    this.#loading = wanted !== undefined
    if (wanted === undefined) return
    const { delayMs } = catchUp
    if (delayMs > 0) {
      clock.schedule(delayMs, () => this.#loadNext())
      return
    }
    this.#load(wanted).then(() => this.#loadNext(), onFailed)
  }

  async #load({ from, to, maxBytes }: Wanted): Promise<void> {
    const { log, catchUp, onLoaded } = this.#options
    this.#cutWhileLoading = Number.POSITIVE_INFINITY
    try {
      const endOffset: Offset = toOffset(Math.min(to, this.endPosition()))
      const { bytes, sizeBytes } = await log.read(toOffset(from), endOffset, maxBytes)
      catchUp.spend(sizeBytes)
      this.#pages.add(entriesIn(bytes).filter(({ end }) => end <= this.#cutWhileLoading))
    } catch (error) {
      // Retention went by, or the log was cut: the core asks again and is told.
      if (!(error instanceof LogOffsetOutOfRangeError || error instanceof LogClosedError)) throw error
    }
    this.#wanted.shift()
    onLoaded()
  }
}
