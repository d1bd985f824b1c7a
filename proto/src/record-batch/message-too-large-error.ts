/** The answer to a sound batch that is larger than the caller allows; thrown by `validateBatch` only. */

/** A batch over the topic's limit. Not retriable as it is: the producer must send smaller batches. */
export class MessageTooLargeError extends Error {
  override readonly name = 'MessageTooLargeError'
  readonly code = 'MESSAGE_TOO_LARGE'
  /** Whole batch, header included. */
  readonly sizeBytes: number
  /** The limit that it exceeds (inclusive). */
  readonly maxBatchBytes: number

  constructor(sizeBytes: number, maxBatchBytes: number) {
    super(`record batch of ${sizeBytes} bytes is over the limit of ${maxBatchBytes} bytes`)
    this.sizeBytes = sizeBytes
    this.maxBatchBytes = maxBatchBytes
  }
}
