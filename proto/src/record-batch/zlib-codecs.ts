/**
 * gzip and zstd by node:zlib. A gzip section is one RFC 1952 stream, a zstd section one RFC 8878 frame.
 *
 * Output beyond the limit ends the work at once. Apart from the output, zstd takes the window that a frame asks for;
 * frames that ask for more than zlib's default of 128 MiB are refused. Small sections are done at once also in the
 * asynchronous form: setting up a stream and going to the thread pool costs more than they do.
 */
import { promisify } from 'node:util'
import {
  constants,
  gunzip,
  gunzipSync,
  gzip,
  gzipSync,
  type ZlibOptions,
  type ZstdOptions,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
} from 'node:zlib'
import { AT_ONCE_BYTES_MAX, type BlockCodec, corruptSection } from './block-codec.ts'

/** The four functions of one format in node:zlib, and how its level is told. */
interface ZlibFormat<Options> {
  readonly name: string
  readonly compressSync: (input: Buffer, options: Options) => Buffer
  readonly compress: (input: Buffer, options: Options) => Promise<Buffer>
  readonly decompressSync: (input: Buffer, options: OutputLimits) => Buffer
  readonly decompress: (input: Buffer, options: OutputLimits) => Promise<Buffer>
  readonly compressOptions: (input: Buffer, level: number | undefined) => Options
}

interface OutputLimits {
  readonly chunkSize: number
  readonly maxOutputLength: number
}

/** Output is gathered in chunks of this size; each full chunk is another trip to the thread pool. */
const OUTPUT_CHUNK_BYTES_MIN = 64 * 1024
const OUTPUT_CHUNK_BYTES_MAX = 256 * 1024
/** Sections up to this size are compressed or expanded at once. */
const SMALL_BYTES_MAX = 8 * 1024

/** gzip; levels 0..9, default 6. */
export const gzipCodec: BlockCodec = zlibCodec({
  name: 'gzip',
  compressSync: gzipSync,
  compress: promisify<Buffer, ZlibOptions, Buffer>(gzip),
  decompressSync: gunzipSync,
  decompress: promisify<Buffer, ZlibOptions, Buffer>(gunzip),
  compressOptions: (input, level): ZlibOptions => ({
    chunkSize: chunkBytes(input.length),
    level: level ?? constants.Z_DEFAULT_COMPRESSION,
  }),
})

/** zstd; levels 1..22 (negative ones are faster), default 3. */
export const zstdCodec: BlockCodec = zlibCodec({
  name: 'zstd',
  compressSync: zstdCompressSync,
  compress: promisify<Buffer, ZstdOptions, Buffer>(zstdCompress),
  decompressSync: zstdDecompressSync,
  decompress: promisify<Buffer, ZstdOptions, Buffer>(zstdDecompress),
  compressOptions: (input, level): ZstdOptions => ({
    chunkSize: chunkBytes(input.length),
    params: { [constants.ZSTD_c_compressionLevel]: level ?? constants.ZSTD_CLEVEL_DEFAULT },
    // With its size stated, a frame needs no larger window than that: readers allocate less.
    pledgedSrcSize: input.length,
  }),
})

function zlibCodec<Options>(format: ZlibFormat<Options>): BlockCodec {
  return {
    compressSync: (input, level) => format.compressSync(input, format.compressOptions(input, level)),
    async compress(input, level) {
      const options = format.compressOptions(input, level)
      return input.length <= SMALL_BYTES_MAX ? format.compressSync(input, options) : format.compress(input, options)
    },
    decompressSync(input, maxBytes) {
      try {
        return format.decompressSync(input, outputLimits(input, maxBytes))
      } catch (error) {
        throw corruptSection(format.name, error)
      }
    },
    async decompress(input, maxBytes) {
      try {
        return await expand(format, input, maxBytes)
      } catch (error) {
        throw corruptSection(format.name, error)
      }
    },
  }
}

/** At once if input and output are small; a small input that expands far is begun again in the thread pool. */
async function expand<Options>(format: ZlibFormat<Options>, input: Buffer, maxBytes: number): Promise<Buffer> {
  const atOnceBytes = Math.min(maxBytes, AT_ONCE_BYTES_MAX)
  if (input.length <= SMALL_BYTES_MAX) {
    try {
      return format.decompressSync(input, outputLimits(input, atOnceBytes))
    } catch (error) {
      if (atOnceBytes === maxBytes || !isOutputTooLarge(error)) throw error
    }
  }
  return format.decompress(input, outputLimits(input, maxBytes))
}

function isOutputTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
}

function outputLimits(input: Buffer, maxBytes: number): OutputLimits {
  return { chunkSize: chunkBytes(Math.min(8 * input.length, maxBytes)), maxOutputLength: Math.max(1, maxBytes) }
}

function chunkBytes(expectedBytes: number): number {
  return Math.min(OUTPUT_CHUNK_BYTES_MAX, Math.max(OUTPUT_CHUNK_BYTES_MIN, expectedBytes))
}
