/**
 * Numbers by index in typed chunks: room for tens of millions, cheap where indexes are dense, nothing where they are not.
 */

import { invariant } from '@stratalog/proto'

const CHUNK_LENGTH = 1 << 16
const CHUNK_MASK = CHUNK_LENGTH - 1

/** Unsigned 32-bit numbers by index, below 2^32 too; what was never set reads as the fill value. */
export class ChunkedNumbers {
  readonly #fill: number
  readonly #chunks: (Uint32Array | undefined)[] = []
  #length = 0

  constructor(fill: number) {
    this.#fill = fill
  }

  /** One past the highest index that was set. */
  get length(): number {
    return this.#length
  }

  get(index: number): number {
    return this.#chunks[index >>> 16]?.[index & CHUNK_MASK] ?? this.#fill
  }

  set(index: number, value: number): void {
    invariant(index >>> 0 === index, () => `index ${index} is out of range`)
    let chunk = this.#chunks[index >>> 16]
    if (chunk === undefined) {
      chunk = new Uint32Array(CHUNK_LENGTH).fill(this.#fill)
      this.#chunks[index >>> 16] = chunk
    }
    chunk[index & CHUNK_MASK] = value
    if (index >= this.#length) this.#length = index + 1
  }
}
