/**
 * What each compression codec offers to compression.ts, one implementation a file; and what snappy and lz4 share: both
 * cut a section into blocks of at most 64 KiB that are compressed on their own, by native code or in JavaScript.
 */
import { CorruptMessageError } from './corrupt-message-error.ts'

/** One codec, synchronous and in the thread pool. */
export interface BlockCodec {
  /** @param level the codec's own scale; undefined = its default. Ignored by snappy and lz4. */
  compressSync(input: Buffer, level: number | undefined): Buffer
  compress(input: Buffer, level: number | undefined): Promise<Buffer>
  /** Throws CORRUPT_MESSAGE for malformed input, or as soon as the output would exceed `maxBytes`. */
  decompressSync(input: Buffer, maxBytes: number): Buffer
  decompress(input: Buffer, maxBytes: number): Promise<Buffer>
}

/** Compresses and expands single blocks; framing and limits are the codec's. */
export interface RawBlocks {
  /** @param chunk at most {@link CHUNK_BYTES_MAX} bytes. */
  compressSync(chunk: Buffer): Buffer
  compress(chunk: Buffer): Promise<Buffer>
  /** @param sizeMax upper bound of the output, already found to be within the caller's limit. Throws on bad input. */
  expandSync(block: Buffer, sizeMax: number): Buffer
  expand(block: Buffer, sizeMax: number): Promise<Buffer>
}

/** Uncompressed bytes of a block that we write: match offsets of both formats are 16 bits. */
export const CHUNK_BYTES_MAX: number = 64 * 1024
/** Up to this size the trip to the thread pool (about 0.1 ms) takes longer than native code needs for the work. */
export const AT_ONCE_BYTES_MAX: number = 128 * 1024

/** Views of the input, {@link CHUNK_BYTES_MAX} bytes each but for the last. */
export function chunksOf(input: Buffer): Buffer[] {
  const chunks: Buffer[] = []
  for (let start = 0; start < input.length; start += CHUNK_BYTES_MAX) {
    chunks.push(input.subarray(start, start + CHUNK_BYTES_MAX))
  }
  return chunks
}

/** One buffer of all parts; a single part is not copied. */
export function joinParts(parts: readonly Buffer[]): Buffer {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

/** CORRUPT_MESSAGE for whatever a library threw at a section that does not decompress. */
export function corruptSection(codec: string, cause: unknown): CorruptMessageError {
  if (cause instanceof CorruptMessageError) return cause
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new CorruptMessageError(`${codec} section does not decompress: ${detail}`, 0, cause)
}
