/** Offsets of a split that hold no record for the reader, and why: what a replay leaves out it tells. */

/**
 * Why offsets have no record:
 * - `control`: the log's own entries (a new leader, a change of voters), which are no records;
 * - `compacted`: removed by compaction, a later record has the key;
 * - `deleted`: below the log start, removed by retention or by an administrator, since the plan was made;
 * - `corrupt`: damaged batches that `skipCorrupt` passed over.
 */
export type GapCause = 'control' | 'compacted' | 'deleted' | 'corrupt'

/** Neighbouring gaps of one cause are told as one. */
export interface ReplayGap {
  readonly topic: string
  readonly partition: number
  readonly splitId: string
  readonly startOffset: number
  /** Exclusive. */
  readonly endOffset: number
  /** Offsets in `[startOffset, endOffset)` without a record: all of them, or fewer where compaction left some. */
  readonly missingCount: number
  readonly cause: GapCause
  /** What is known beyond that, such as the damaged file and position; empty when nothing is. */
  readonly detail: string
}
