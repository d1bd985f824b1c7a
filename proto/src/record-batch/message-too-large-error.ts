/** The answer to a sound batch that is larger than the caller allows; thrown by `validateBatch` only. */
import { StratalogError } from '../stratalog-error.ts'

/** A batch over the topic's limit. Not retriable as it is: the producer must send smaller batches. */
export class MessageTooLargeError extends StratalogError {
  override readonly name = 'MessageTooLargeError'
  /** Whole batch, header included. */
  readonly sizeBytes: number
  /** The limit that it exceeds (inclusive). */
  readonly maxBatchBytes: number

  constructor(sizeBytes: number, maxBatchBytes: number) {
    super('MESSAGE_TOO_LARGE', `record batch of ${sizeBytes} bytes is over the limit of ${maxBatchBytes} bytes`, {
      metadata: { size: String(sizeBytes), limit: String(maxBatchBytes) },
    })
    this.sizeBytes = sizeBytes
    this.maxBatchBytes = maxBatchBytes
  }
}
