/**
 * Where batches of a log end, so that Raft can round a position down to a batch boundary without reading.
 *
 * A ring of the last {@link BOUNDARY_COUNT_MAX} ends, and a few older batches that were looked up. Other old positions
 * are matched at coarser boundaries (starts of leader epochs) by whoever asks.
 */

/** Batch ends to remember per partition. */
export const BOUNDARY_COUNT_MAX = 1024
/** Older batches to remember that were looked up. */
const LEARNED_COUNT_MAX = 64

interface LearnedBatch {
  readonly base: number
  /** Exclusive. */
  readonly end: number
}

/** See the file's header. Owner: the Raft group. Invariant: ends ascend. */
export class RecentBoundaries {
  #ends: number[] = []
  #next = 0
  #learned: LearnedBatch[] = []

  /** A batch that ends at `endOffset` (exclusive) was appended. */
  push(endOffset: number): void {
    if (this.#ends.length < BOUNDARY_COUNT_MAX) this.#ends.push(endOffset)
    else this.#ends[this.#next] = endOffset
    this.#next = (this.#next + 1) % BOUNDARY_COUNT_MAX
  }

  /** The batch [base, end) was found in the log. */
  learn(base: number, end: number): void {
    if (this.#learned.length === LEARNED_COUNT_MAX) this.#learned.shift()
    this.#learned.push({ base, end })
  }

  /** Whether {@link atOrBelow} has the very boundary at or below `offset`, which lies below the log's end. */
  covers(offset: number): boolean {
    const oldest = this.#ends.length === 0 ? null : this.#at(0)
    return (oldest !== null && oldest <= offset) || this.#learnedAt(offset) !== null
  }

  /** The greatest remembered boundary at or below `offset`; null when all are greater. */
  atOrBelow(offset: number): number | null {
    let low = 0
    let high = this.#ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#at(middle) <= offset) low = middle + 1
      else high = middle
    }
    return low === 0 ? this.#learnedAt(offset) : this.#at(low - 1)
  }

  /** Forgets what lies beyond `endOffset`: the log was cut there. */
  truncateTo(endOffset: number): void {
    const kept = Array.from(this.#ends.keys(), (i) => this.#at(i)).filter((end) => end <= endOffset)
    this.#ends = kept
    this.#next = kept.length % BOUNDARY_COUNT_MAX
    this.#learned = this.#learned.filter(({ end }) => end <= endOffset)
  }

  #learnedAt(offset: number): number | null {
    return this.#learned.find(({ base, end }) => base <= offset && offset < end)?.base ?? null
  }

  /** Number `index` of the ends, oldest first. */
  #at(index: number): number {
    const oldest = this.#ends.length < BOUNDARY_COUNT_MAX ? 0 : this.#next
    return this.#ends[(oldest + index) % this.#ends.length]!
  }
}
