/**
 * Compresses a stream of text in front of its file, a chunk at a time: each becomes a gzip member or a zstd frame of its
 * own, which every reader of these formats takes for one stream. So memory stays at a chunk, and equal records give equal files.
 */
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import type { ByteTarget } from './byte-target.ts'

/** Compression of NDJSON and CSV. */
export type TextCompression = 'gzip' | 'zstd'

/** See the file's header. */
export class BlockCompressor implements ByteTarget {
  readonly #target: ByteTarget
  readonly #compress: (bytes: Uint8Array) => Uint8Array

  constructor(target: ByteTarget, compression: TextCompression) {
    this.#target = target
    this.#compress =
      compression === 'gzip'
        ? (bytes) => gzipSync(bytes)
        : (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })
  }

  write(bytes: Uint8Array): void {
    this.#target.write(this.#compress(bytes))
  }
}
