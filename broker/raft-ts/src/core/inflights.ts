/**
 * The sliding window of append messages in flight to one follower, bounded in messages and in bytes.
 *
 * After a setback the window opens anew from a single message, one more with each that arrives (as TCP does). A link that
 * reorders makes a follower reject whatever overtook: sending a whole window again for each of those answers would
 * breed as many more, without end.
 *
 * Invariant: ends are added in increasing order; freeing one frees all before it.
 * Invariant: 1 <= countLimit <= countMax.
 * A ring that grows to what is used, so that ten thousand idle groups cost nothing.
 */

import type { Position } from './ids.ts'
import { invariant } from './invariant.ts'

/** Window of messages sent and not yet acknowledged. */
export class Inflights {
  readonly #countMax: number
  readonly #bytesMax: number
  #ends: Position[] = []
  #sizes: number[] = []
  #head = 0
  #count = 0
  #bytes = 0
  /** Messages that may be in flight for now. */
  #countLimit: number

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax
    this.#countLimit = countMax
    this.#bytesMax = bytesMax
  }

  get count(): number {
    return this.#count
  }

  /** True when nothing more may be sent. */
  full(): boolean {
    return this.#count >= this.#countLimit || (this.#count > 0 && this.#bytes >= this.#bytesMax)
  }

  /** Notes a message that carries the log up to `end`. */
  add(end: Position, bytes: number): void {
    invariant(this.#count < this.#countMax, 'append sent past a full window')
    if (this.#count === this.#ends.length) this.#grow()
    const slot = (this.#head + this.#count) % this.#ends.length
    this.#ends[slot] = end
    this.#sizes[slot] = bytes
    this.#count++
    this.#bytes += bytes
  }

  /** Frees every message that carries nothing past `end`. */
  freeUpTo(end: Position): void {
    while (this.#count > 0 && this.#ends[this.#head]! <= end) {
      this.#bytes -= this.#sizes[this.#head]!
      this.#head = (this.#head + 1) % this.#ends.length
      this.#count--
      if (this.#countLimit < this.#countMax) this.#countLimit++
    }
  }

  /** The greatest end in flight at or below `end`, 0 if there is none. */
  endAtOrBelow(end: Position): Position {
    let low = 0
    let high = this.#count
    const size = this.#ends.length
    while (low < high) {
      const mid = (low + high) >> 1
      if (this.#ends[(this.#head + mid) % size]! <= end) low = mid + 1
      else high = mid
    }
    return low === 0 ? 0 : this.#ends[(this.#head + low - 1) % size]!
  }

  /** What was sent is in doubt: begins with one message, and opens again as answers come. */
  narrow(): void {
    this.#countLimit = 1
  }

  /** The whole window is open again. */
  widen(): void {
    this.#countLimit = this.#countMax
  }

  /** Nothing is in flight any more. */
  reset(): void {
    this.#head = 0
    this.#count = 0
    this.#bytes = 0
  }

  #grow(): void {
    const size = Math.min(this.#countMax, Math.max(4, this.#ends.length * 2))
    const ends: Position[] = new Array(size).fill(0)
    const sizes: number[] = new Array(size).fill(0)
    for (let i = 0; i < this.#count; i++) {
      const slot = (this.#head + i) % this.#ends.length
      ends[i] = this.#ends[slot]!
      sizes[i] = this.#sizes[slot]!
    }
    this.#ends = ends
    this.#sizes = sizes
    this.#head = 0
  }
}
