/** Checks a producer's batch once, where it enters; everything behind trusts it. */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { type BatchHeader, decodeBatchSync, validateBatch } from '@stratalog/proto/records'

/** Where a batch was sent to, for the text of errors. */
export interface BatchTarget {
  readonly topic: string
  readonly partition: number
}

/** What a partition asks of a batch. */
export interface BatchRules {
  /** Header included. */
  readonly maxBatchBytes: number
  /** Every record must have a key: the topic is compacted. */
  readonly needsKeys: boolean
}

/** To look for keys records are expanded on the broker's thread: what would hold it up for long is refused. */
const KEYED_BYTES_MAX = 64 * 1024 * 1024

/**
 * The header of a batch that a client may append, or why it may not. O(1) but for the CRC, unless records need keys.
 *
 * Errors: MESSAGE_TOO_LARGE, CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE; INVALID_RECORD for control batches,
 * transactions, and records without the key that they need.
 */
export function checkClientBatch(
  batch: Buffer,
  { maxBatchBytes, needsKeys }: BatchRules,
  target: BatchTarget,
): BatchHeader | StratalogError {
  try {
    const header = validateBatch(batch, { maxBatchBytes })
    if (!header.transactional) return (needsKeys ? keylessRecord(batch, target) : null) ?? header
    return new StratalogError(
      'INVALID_RECORD',
      'the batch is part of a transaction, which this broker does not have',
      target,
    )
  } catch (error) {
    return refusal(error, batch, maxBatchBytes, target)
  }
}

/** Walks all records: INVALID_RECORD for the first one without a key, else null. Throws CORRUPT_MESSAGE. */
function keylessRecord(batch: Buffer, target: BatchTarget): StratalogError | null {
  const records = decodeBatchSync(batch, 0, { maxDecompressedBytes: KEYED_BYTES_MAX })
  let index = 0
  for (let record = records.next(); record !== null; record = records.next(), index++) {
    if (record.hasKey) continue
    const text = `record ${index} of the batch has no key, which ${target.topic} needs: of each key it keeps the last record (cleanup.policy)`
    return new StratalogError('INVALID_RECORD', text, { ...target, metadata: { recordIndex: String(index) } })
  }
  return null
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
