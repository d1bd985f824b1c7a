/** What keeps a broker from following the cluster's metadata; it stops with this, and nothing on its disk is touched. */

/** Stable names of the failures. */
export type MetadataErrorCode =
  /** A record or a row is not what any release wrote. */
  | 'METADATA_CORRUPT'
  /** A record, a row or the feature level is from a newer release. */
  | 'METADATA_TOO_NEW'
  /** The log does not go with the stored image. */
  | 'METADATA_LOG_MISMATCH'
  /** The store, or the metadata group's own log, failed. */
  | 'METADATA_STORAGE_FAILED'

const HINTS: Readonly<Record<MetadataErrorCode, string>> = {
  METADATA_CORRUPT:
    'Nothing was removed. Replace this broker by an empty one, or restore its data folder if it is the only controller.',
  METADATA_TOO_NEW: 'Start this broker with the release that the other brokers run; nothing was removed.',
  METADATA_LOG_MISMATCH:
    'The data folder is not the one that this broker ran on last. Put that one back, or start with an empty folder; nothing was removed.',
  METADATA_STORAGE_FAILED: 'Check the disk of the data folder, then start the broker again.',
}

/** An operational failure; the broker that meets it stops. */
export class MetadataError extends Error {
  override readonly name = 'MetadataError'
  readonly code: MetadataErrorCode
  /** What to do about it. */
  readonly hint: string
  /** Always false: nothing here goes away by trying again in the same process. */
  readonly retriable = false

  constructor(code: MetadataErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = HINTS[code]
  }
}
