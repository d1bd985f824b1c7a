/** Checks a producer's batch once, where it enters; everything behind trusts it. */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { type BatchHeader, validateBatch } from '@stratalog/proto/records'

/** Where a batch was sent to, for the text of errors. */
export interface BatchTarget {
  readonly topic: string
  readonly partition: number
}

/**
 * The header of a batch that a client may append, or why it may not.
 *
 * Errors: MESSAGE_TOO_LARGE, CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE; INVALID_RECORD for control batches and
 * transactions.
 */
export function checkClientBatch(
  batch: Buffer,
  maxBatchBytes: number,
  target: BatchTarget,
): BatchHeader | StratalogError {
  try {
    const header = validateBatch(batch, { maxBatchBytes })
    if (!header.transactional) return header
    return new StratalogError(
      'INVALID_RECORD',
      'the batch is part of a transaction, which this broker does not have',
      target,
    )
  } catch (error) {
    return refusal(error, batch, maxBatchBytes, target)
  }
}

function refusal(error: unknown, batch: Buffer, maxBatchBytes: number, target: BatchTarget): StratalogError {
  if (!isStratalogError(error)) throw error
  if (isStratalogError(error, 'CORRUPT_MESSAGE') && isSoundControlBatch(batch, maxBatchBytes)) {
    return new StratalogError('INVALID_RECORD', 'control batches are written by brokers only', target)
  }
  return new StratalogError(error.code, error.message, { ...target, metadata: error.metadata, cause: error })
}

/** Whether a batch that no client may send would be fine in a log, but for being a control batch. */
function isSoundControlBatch(batch: Buffer, maxBatchBytes: number): boolean {
  try {
    return validateBatch(batch, { maxBatchBytes, source: 'log' }).control
  } catch (error) {
    if (isStratalogError(error)) return false
    throw error
  }
}
