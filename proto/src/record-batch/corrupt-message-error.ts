/**
 * The codec's answer to bytes that are not a well-formed batch, whoever sent them and however hostile they are.
 *
 * Invariant: no function of this folder throws anything else for bad bytes, except `UnsupportedCompressionError` for
 * an unknown codec and `MessageTooLargeError` for a sound batch over the caller's limit.
 */
import { StratalogError } from '../stratalog-error.ts'

/** Bytes that are not what docs/log-format.md says. Not retriable: the same bytes fail again. */
export class CorruptMessageError extends StratalogError {
  override readonly name = 'CorruptMessageError'
  /** What is wrong, in a few words, with the offending value. */
  readonly reason: string
  /** Byte position in the buffer that was being read (for compressed records: in the decompressed section). */
  readonly position: number

  constructor(reason: string, position: number, cause?: unknown) {
    super('CORRUPT_MESSAGE', `corrupt record batch at byte ${position}: ${reason}`, { cause })
    this.reason = reason
    this.position = position
  }
}
