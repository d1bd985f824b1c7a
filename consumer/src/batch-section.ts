/**
 * The records of one batch, verified and decompressed, ready to be walked any number of times.
 *
 * The CRC is checked here and only here: before it, bytes are what a network brought; after it, what a producer wrote.
 */
import {
  type BatchHeader,
  CorruptMessageError,
  DECOMPRESSED_BYTES_MAX,
  decompress,
  decompressSync,
  RECORD_BATCH_OVERHEAD_BYTES,
  RecordReader,
  verifyBatchCrc,
} from '@stratalog/proto/records'

/** Compressed records up to this are expanded at once: a trip to the thread pool costs more. */
const SYNC_DECOMPRESS_BYTES_MAX = 4 * 1024

/** See the file's header. */
export class BatchSection {
  readonly header: BatchHeader
  readonly #buffer: Buffer
  readonly #start: number
  readonly #end: number

  constructor(header: BatchHeader, buffer: Buffer, start: number, end: number) {
    this.header = header
    this.#buffer = buffer
    this.#start = start
    this.#end = end
  }

  /** A fresh walk over the records. Errors: CORRUPT_MESSAGE, here or while walking. */
  reader(): RecordReader {
    return new RecordReader(this.header, this.#buffer, this.#start, this.#end)
  }
}

/** Whether `openSection` goes to the thread pool for this batch. */
export function opensInPool(header: BatchHeader): boolean {
  return header.codec !== 'none' && header.sizeBytes - RECORD_BATCH_OVERHEAD_BYTES > SYNC_DECOMPRESS_BYTES_MAX
}

/**
 * Verifies and expands the batch that begins at `bytePosition`; a promise only when the thread pool does it.
 *
 * Errors, thrown or as a rejection: CORRUPT_MESSAGE.
 */
export function openSection(
  header: BatchHeader,
  bytes: Buffer,
  bytePosition: number,
  verifyCrc: boolean,
): BatchSection | Promise<BatchSection> {
  if (verifyCrc && !verifyBatchCrc(bytes, bytePosition, header.sizeBytes)) {
    throw new CorruptMessageError('the CRC does not match', bytePosition)
  }
  const start = bytePosition + RECORD_BATCH_OVERHEAD_BYTES
  const end = bytePosition + header.sizeBytes
  if (header.codec === 'none' || header.recordCount === 0) return new BatchSection(header, bytes, start, end)
  const compressed = bytes.subarray(start, end)
  if (!opensInPool(header)) {
    const records = decompressSync(header.codec, compressed, DECOMPRESSED_BYTES_MAX)
    return new BatchSection(header, records, 0, records.length)
  }
  return decompress(header.codec, compressed, DECOMPRESSED_BYTES_MAX).then(
    (records) => new BatchSection(header, records, 0, records.length),
  )
}
