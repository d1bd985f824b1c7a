/**
 * Compresses and expands the records section of a batch in any of the four codecs, in Kafka's framing of each.
 *
 * Invariant: expanding never yields more than `maxBytes`, and malformed input is CORRUPT_MESSAGE whatever library
 * met it. The asynchronous forms work in the thread pool and leave the event loop free.
 */
import type { BlockCodec } from './block-codec.ts'
import type { CompressionName } from './codec.ts'
import { crc32cIsNative } from './crc32c.ts'
import { lz4Codec, nativeLz4Codec } from './lz4-codec.ts'
import { nativeSnappyCodec, snappyCodec } from './snappy-codec.ts'
import { gzipCodec, zstdCodec } from './zlib-codecs.ts'

/** Default of the most bytes that one batch's records may expand to. */
export const DECOMPRESSED_BYTES_MAX: number = 256 * 1024 * 1024

const CODECS: { readonly [Name in Exclude<CompressionName, 'none'>]: BlockCodec } = {
  gzip: gzipCodec,
  snappy: snappyCodec,
  lz4: lz4Codec,
  zstd: zstdCodec,
}

/** Which of the optional native packages are in use; the others' work is done in JavaScript, more slowly. */
export const nativeSupport: { readonly crc32c: boolean; readonly snappy: boolean; readonly lz4: boolean } = {
  crc32c: crc32cIsNative,
  snappy: nativeSnappyCodec !== null,
  lz4: nativeLz4Codec !== null,
}

/** @param level gzip 0..9, zstd up to 22, undefined = the codec's default; ignored by the others. `none` gives `input`. */
export function compressSync(codec: CompressionName, input: Buffer, level?: number): Buffer {
  return codec === 'none' ? input : CODECS[codec].compressSync(input, level)
}

/** As {@link compressSync}, in the thread pool; `input` must not change until it settles. */
export async function compress(codec: CompressionName, input: Buffer, level?: number): Promise<Buffer> {
  return codec === 'none' ? input : CODECS[codec].compress(input, level)
}

/** Expands to at most `maxBytes` (inclusive). Errors: CORRUPT_MESSAGE. `none` gives `input`. */
export function decompressSync(
  codec: CompressionName,
  input: Buffer,
  maxBytes: number = DECOMPRESSED_BYTES_MAX,
): Buffer {
  return codec === 'none' ? input : CODECS[codec].decompressSync(input, maxBytes)
}

/** As {@link decompressSync}, in the thread pool; `input` must not change until it settles. */
export async function decompress(
  codec: CompressionName,
  input: Buffer,
  maxBytes: number = DECOMPRESSED_BYTES_MAX,
): Promise<Buffer> {
  return codec === 'none' ? input : CODECS[codec].decompress(input, maxBytes)
}
