/** Walks a buffer that holds several batches one after another: a fetch answer, or a chunk of a segment file. */
import { CorruptMessageError } from './corrupt-message-error.ts'
import { type BatchHeader, peekBatchSize, readBatchHeader } from './header.ts'

/** One batch found by {@link iterateBatches}. */
export interface BatchView {
  /** Its first byte in the buffer; it ends at `position + header.sizeBytes`. */
  readonly position: number
  readonly header: BatchHeader
}

/** Options of {@link iterateBatches}. */
export interface IterateOptions {
  /** First byte to look at. Default 0. */
  readonly start?: number
  /** Exclusive end. Default the buffer's end. */
  readonly end?: number
  /** What an incomplete last batch means: damage (default), or simply the end of a chunk. */
  readonly partialTail?: 'error' | 'stop'
}

/**
 * Yields the batches in order; headers are checked for structure, CRCs are not (`verifyBatchCrc`).
 *
 * Errors: CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE.
 */
export function* iterateBatches(buffer: Buffer, options: IterateOptions = {}): Generator<BatchView, void, undefined> {
  const end = options.end ?? buffer.length
  let position = options.start ?? 0
  while (position < end) {
    const sizeBytes = peekBatchSize(buffer, position, end - position)
    if (sizeBytes === null || sizeBytes > end - position) {
      if (options.partialTail === 'stop') return
      throw new CorruptMessageError(`batch is cut short: ${end - position} bytes are there`, position)
    }
    yield { position, header: readBatchHeader(buffer, position) }
    position += sizeBytes
  }
}
