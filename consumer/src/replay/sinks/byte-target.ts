/** Where an encoder's bytes go: a file, a compressor in front of one, or a thread that writes them out. */

/** Takes bytes in order. */
export interface ByteTarget {
  /**
   * Takes `bytes`, which may be reused by the caller once this returns.
   *
   * Errors: what the target's storage throws, such as ENOSPC.
   */
  write(bytes: Uint8Array): void
}

const CHUNK_BYTES = 1024 * 1024

/** Gathers small pieces into chunks of 1 MiB for a target. Owner: one encoder; `flush` hands over what is left. */
export class ChunkBuffer {
  readonly #target: ByteTarget
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  /** Where the next byte goes. */
  #used = 0

  constructor(target: ByteTarget) {
    this.#target = target
  }

  /** Makes room for `bytes` contiguous bytes and gives the chunk; write at `position`, then call `advance`. */
  room(bytes: number): Buffer {
    if (bytes > this.#chunk.length - this.#used) {
      this.flush()
      if (bytes > this.#chunk.length) this.#chunk = Buffer.allocUnsafe(bytes)
    }
    return this.#chunk
  }

  /** Where in the chunk the next byte goes. */
  get position(): number {
    return this.#used
  }

  /** Says how far the chunk is filled. */
  advance(position: number): void {
    this.#used = position
  }

  /** Copies bytes. */
  append(bytes: Uint8Array): void {
    const chunk = this.room(bytes.length)
    chunk.set(bytes, this.#used)
    this.#used += bytes.length
  }

  /** Copies text as UTF-8. */
  appendText(text: string): void {
    const chunk = this.room(text.length * 3)
    this.#used += chunk.write(text, this.#used)
  }

  /** Hands what is gathered to the target. */
  flush(): void {
    if (this.#used === 0) return
    const used = this.#used
    this.#used = 0
    this.#target.write(this.#chunk.subarray(0, used))
    if (this.#chunk.length > 4 * CHUNK_BYTES) this.#chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  }
}
