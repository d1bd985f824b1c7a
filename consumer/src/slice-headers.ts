/** Headers of the batches within a fetched slice of bytes. */
import { isStratalogError } from '@stratalog/proto'
import { type BatchHeader, CorruptMessageError, iterateBatches, readBatchHeader } from '@stratalog/proto/records'

/** The header at `position` of a batch that lies whole in `bytes`. Errors: CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE. */
export function readWholeHeader(bytes: Buffer, position: number): BatchHeader {
  const header = readBatchHeader(bytes, position)
  const availableBytes = bytes.length - position
  if (header.sizeBytes > availableBytes) {
    throw new CorruptMessageError(`batch is cut short: ${availableBytes} of ${header.sizeBytes} bytes`, position)
  }
  return header
}

/**
 * Leader epoch of the batch that ends at `nextOffset`. Null when that was a control batch, which readers are not sent:
 * its epoch is at most the leader's own. Null too for damaged bytes, which are met when their turn comes.
 */
export function lastEpochOf(bytes: Buffer | null, nextOffset: number): number | null {
  if (bytes === null) return null
  try {
    for (const { header } of iterateBatches(bytes)) if (header.lastOffset + 1 === nextOffset) return header.leaderEpoch
  } catch (error) {
    if (!isStratalogError(error)) throw error
  }
  return null
}
