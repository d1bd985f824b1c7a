/**
 * Gathers small pieces into chunks for a stream, so that a consumer of 100-byte records does one write for thousands.
 *
 * Invariant: at most one chunk is being filled, and the caller awaits `drain()` when `append*` says so: memory stays at
 * the chunk and what the stream itself holds.
 * Owner: one output loop.
 */
import { once } from 'node:events'
import type { Writable } from 'node:stream'

const CHUNK_BYTES = 256 * 1024

/** Bytes on their way to one stream. */
export class ChunkWriter {
  readonly #stream: Writable
  #chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  #used = 0
  #full = false
  /** Chunks that the stream has not written yet. */
  #pendingCount = 0
  #error: Error | null = null
  #onWritten: () => void = () => {}

  constructor(stream: Writable) {
    this.#stream = stream
  }

  /** Copies `bytes`. @returns whether the stream asks for a pause: await `drain()` before going on. */
  appendBytes(bytes: Uint8Array): boolean {
    if (bytes.length > CHUNK_BYTES - this.#used) {
      this.flush()
      if (bytes.length > CHUNK_BYTES) {
        this.#write(Buffer.from(bytes))
        return this.#full
      }
    }
    this.#chunk.set(bytes, this.#used)
    this.#used += bytes.length
    return this.#full
  }

  /** One byte. @returns as `appendBytes`. */
  appendByte(byte: number): boolean {
    if (this.#used === CHUNK_BYTES) this.flush()
    this.#chunk[this.#used++] = byte
    return this.#full
  }

  /** UTF-8. @returns as `appendBytes`. */
  appendText(text: string): boolean {
    if (text.length * 3 > CHUNK_BYTES - this.#used) return this.appendBytes(Buffer.from(text))
    this.#used += this.#chunk.write(text, this.#used)
    return this.#full
  }

  /** Hands what is gathered to the stream. */
  flush(): void {
    if (this.#used === 0) return
    const chunk = this.#chunk.subarray(0, this.#used)
    this.#chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    this.#used = 0
    this.#write(chunk)
  }

  /** Resolves when the stream takes more. Rejects with the stream's error. */
  async drain(signal?: AbortSignal): Promise<void> {
    if (!this.#full) return
    await once(this.#stream, 'drain', signal === undefined ? {} : { signal })
    this.#full = false
  }

  /** Resolves when everything has left the process. Rejects with the stream's error, such as EPIPE. */
  async written(): Promise<void> {
    this.flush()
    while (this.#pendingCount > 0) {
      await new Promise<void>((resolve) => {
        this.#onWritten = resolve
      })
    }
    if (this.#error !== null) throw this.#error
  }

  #write(chunk: Buffer): void {
    this.#pendingCount += 1
    const hasRoom = this.#stream.write(chunk, (error) => {
      this.#pendingCount -= 1
      this.#error ??= error ?? null
      if (this.#pendingCount === 0) this.#onWritten()
    })
    if (!hasRoom) this.#full = true
  }
}
