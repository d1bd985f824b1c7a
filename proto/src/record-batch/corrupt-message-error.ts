/**
 * The codec's answer to bytes that are not a well-formed batch, whoever sent them and however hostile they are.
 *
 * Invariant: no function of this folder throws anything else for bad bytes, except `UnsupportedCompressionError` for
 * an unknown codec and `MessageTooLargeError` for a sound batch over the caller's limit.
 */

/** Bytes that are not what docs/log-format.md says. Not retriable: the same bytes fail again. */
export class CorruptMessageError extends Error {
  override readonly name = 'CorruptMessageError'
  readonly code = 'CORRUPT_MESSAGE'
  /** What is wrong, in a few words, with the offending value. */
  readonly reason: string
  /** Byte position in the buffer that was being read (for compressed records: in the decompressed section). */
  readonly position: number

  constructor(reason: string, position: number, cause?: unknown) {
    super(`corrupt record batch at byte ${position}: ${reason}`, cause === undefined ? undefined : { cause })
    this.reason = reason
    this.position = position
  }
}
