/** The bytes of a file in memory: they grow in place, so that a log of many small writes costs what it holds. */

const SPARE_BYTES_MIN = 1024

/** See the file's header. */
export class FileBytes {
  #buffer: Buffer
  #length: number

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.#buffer = bytes
    this.#length = bytes.length
  }

  get length(): number {
    return this.#length
  }

  /** All of them; valid until the next change. */
  get view(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Writes at a position, with zeros before it where there was nothing. */
  write(position: number, bytes: Buffer): void {
    const end = position + bytes.length
    if (end > this.#length) this.resize(end)
    bytes.copy(this.#buffer, position)
  }

  /** Cuts, or extends with zeros. */
  resize(length: number): void {
    if (length > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(length, 2 * this.#length, SPARE_BYTES_MIN))
      this.#buffer.copy(grown, 0, 0, this.#length)
      this.#buffer = grown
    } else if (length < this.#length) this.#buffer.fill(0, length, this.#length)
    this.#length = length
  }

  flipBit(position: number, bit: number): void {
    if (position < this.#length) this.#buffer[position]! ^= 1 << bit
  }

  clone(): FileBytes {
    return new FileBytes(Buffer.from(this.view))
  }
}
