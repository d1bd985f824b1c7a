/**
 * Compresses text in front of its file, in the thread pool, into one gzip member or zstd frame.
 *
 * Memory: what the stream holds; `room` says when to wait.
 * Owner: one split job; `end` or `destroy` ends it.
 */
import type { Transform } from 'node:stream'
import { constants, createGzip, createZstdCompress } from 'node:zlib'
import type { ByteTarget } from './byte-target.ts'

/** Compression of NDJSON and CSV. */
export type TextCompression = 'gzip' | 'zstd'

/** Bytes that may wait for the thread pool. */
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024

/** See the file's header. */
export class StreamCompressor implements ByteTarget {
  readonly #stream: Transform
  readonly #ended: Promise<void>
  #failure: { readonly error: unknown } | null = null
  #backlogBytes = 0
  #wake: () => void = () => {}

  constructor(target: ByteTarget, compression: TextCompression) {
    const stream =
      compression === 'gzip' ? createGzip() : createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } })
    this.#stream = stream
    stream.on('data', (bytes: Buffer) => {
      try {
        if (this.#failure === null) target.write(bytes)
      } catch (error) {
        this.#fail(error)
      }
    })
    this.#ended = new Promise((resolve) => {
      stream.once('end', resolve)
      stream.once('close', resolve)
    })
    stream.on('error', (error) => this.#fail(error))
  }

  /** Takes a copy. Errors: the target's, at the latest with the next call. */
  write(bytes: Uint8Array): void {
    this.#check()
    this.#backlogBytes += bytes.length
    this.#stream.write(Buffer.from(bytes), () => {
      this.#backlogBytes -= bytes.length
      if (this.#backlogBytes <= BACKLOG_BYTES_MAX) this.#wake()
    })
  }

  /** null = go on; otherwise resolves when the backlog is written. */
  room(): Promise<void> | null {
    this.#check()
    return this.#backlogBytes > BACKLOG_BYTES_MAX ? this.#drained() : null
  }

  /** Resolves when everything has reached the target. */
  async end(): Promise<void> {
    this.#stream.end()
    await this.#ended
    this.#check()
  }

  /** Gives up. */
  destroy(): void {
    this.#stream.destroy()
  }

  async #drained(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#check()
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#stream.destroy()
    this.#wake()
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure.error
  }
}
