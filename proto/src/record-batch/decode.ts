/**
 * From a batch's bytes to its records: header, decompression under a limit, then a lazy reader.
 *
 * The CRC is not verified here (`verifyBatchCrc`): a consumer decides once, at the edge.
 */
import { DECOMPRESSED_BYTES_MAX, decompress, decompressSync } from './compression.ts'
import { CorruptMessageError } from './corrupt-message-error.ts'
import { type BatchHeader, readBatchHeader } from './header.ts'
import { RECORD_BATCH_OVERHEAD_BYTES } from './layout.ts'
import { RecordReader } from './record-reader.ts'

/** Options of {@link decodeBatch}. */
export interface DecodeOptions {
  /** Most bytes that compressed records may expand to (inclusive); more is CORRUPT_MESSAGE. Default 256 MiB. */
  readonly maxDecompressedBytes?: number
}

/**
 * A reader of the batch at `position`; records of an uncompressed batch are slices of `buffer`.
 *
 * Errors: CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE. Decompression blocks; see {@link decodeBatch}.
 */
export function decodeBatchSync(buffer: Buffer, position = 0, options: DecodeOptions = {}): RecordReader {
  const header = readBatchHeader(buffer, position)
  const { start, end } = recordsRange(buffer, position, header)
  if (isPlain(header, start, end)) return new RecordReader(header, buffer, start, end)
  const limit = options.maxDecompressedBytes ?? DECOMPRESSED_BYTES_MAX
  const section = decompressSync(header.codec, buffer.subarray(start, end), limit)
  return new RecordReader(header, section, 0, section.length)
}

/** As {@link decodeBatchSync}, with the decompression in the thread pool; the bytes must not change until it settles. */
export async function decodeBatch(buffer: Buffer, position = 0, options: DecodeOptions = {}): Promise<RecordReader> {
  const header = readBatchHeader(buffer, position)
  const { start, end } = recordsRange(buffer, position, header)
  if (isPlain(header, start, end)) return new RecordReader(header, buffer, start, end)
  const limit = options.maxDecompressedBytes ?? DECOMPRESSED_BYTES_MAX
  const section = await decompress(header.codec, buffer.subarray(start, end), limit)
  return new RecordReader(header, section, 0, section.length)
}

/** Compaction leaves a batch without records as its header alone, whatever its codec. */
function isPlain(header: BatchHeader, start: number, end: number): boolean {
  return header.codec === 'none' || (header.recordCount === 0 && start === end)
}

function recordsRange(buffer: Buffer, position: number, header: BatchHeader): { start: number; end: number } {
  const end = position + header.sizeBytes
  if (end > buffer.length) {
    throw new CorruptMessageError(
      `batch is cut short: ${buffer.length - position} of ${header.sizeBytes} bytes`,
      position,
    )
  }
  return { start: position + RECORD_BATCH_OVERHEAD_BYTES, end }
}
