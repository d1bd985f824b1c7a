/**
 * Where the newest batches of a log end, so that Raft can round a position down to a batch boundary without reading.
 *
 * A ring of the last {@link BOUNDARY_COUNT_MAX} ends. Followers that fell back further are matched at coarser
 * boundaries (starts of leader epochs), which costs them some bytes sent twice and nothing else.
 */

/** Batch ends to remember per partition. */
export const BOUNDARY_COUNT_MAX = 1024

/** See the file's header. Owner: the Raft group. Invariant: ends ascend. */
export class RecentBoundaries {
  #ends: number[] = []
  #next = 0

  /** A batch that ends at `endOffset` (exclusive) was appended. */
  push(endOffset: number): void {
    if (this.#ends.length < BOUNDARY_COUNT_MAX) this.#ends.push(endOffset)
    else this.#ends[this.#next] = endOffset
    this.#next = (this.#next + 1) % BOUNDARY_COUNT_MAX
  }

  /** The greatest remembered end at or below `offset`; null when all are greater. */
  atOrBelow(offset: number): number | null {
    let low = 0
    let high = this.#ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#at(middle) <= offset) low = middle + 1
      else high = middle
    }
    return low === 0 ? null : this.#at(low - 1)
  }

  /** Forgets ends beyond `endOffset`: the log was cut there. */
  truncateTo(endOffset: number): void {
    const kept = Array.from(this.#ends.keys(), (i) => this.#at(i)).filter((end) => end <= endOffset)
    this.#ends = kept
    this.#next = kept.length % BOUNDARY_COUNT_MAX
  }

  /** Number `index` of the ends, oldest first. */
  #at(index: number): number {
    const oldest = this.#ends.length < BOUNDARY_COUNT_MAX ? 0 : this.#next
    return this.#ends[(oldest + index) % this.#ends.length]!
  }
}
