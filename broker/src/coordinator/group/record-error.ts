/** A record of the offsets topic that cannot be folded: the replica that meets it cannot vouch for its groups. */

/** Stable names of the failures. */
export type GroupRecordErrorCode =
  /** Not what any release wrote. */
  | 'GROUP_RECORD_CORRUPT'
  /** Of a kind that this release does not know. */
  | 'GROUP_RECORD_TOO_NEW'

const HINTS: Readonly<Record<GroupRecordErrorCode, string>> = {
  GROUP_RECORD_CORRUPT:
    'This copy of the offsets partition is damaged; the other copies go on. Let it be rebuilt from them.',
  GROUP_RECORD_TOO_NEW: 'Start this broker with the release that the other brokers run; nothing was removed.',
}

/** An operational failure. */
export class GroupRecordError extends Error {
  override readonly name = 'GroupRecordError'
  readonly code: GroupRecordErrorCode
  /** What to do about it. */
  readonly hint: string
  /** Always false: the record stays what it is. */
  readonly retriable = false

  constructor(code: GroupRecordErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.hint = HINTS[code]
  }
}
