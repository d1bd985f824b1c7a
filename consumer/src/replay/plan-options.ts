/** What a replay is to read, as applications say it. */
import type { OffsetsByPartition } from '../positions.ts'

/**
 * A bound of a replay: the log start; the end of the log as of now; an offset, the same in every partition; an offset
 * for each partition; the first record at or after an instant (the end of the log when none is that late); a span of
 * time before now, such as '7d', '12h', '30m', '90s' or '500ms'; what a group has committed (where it has committed
 * nothing: the log start as a beginning, INVALID_REQUEST as an end).
 */
export type ReplayBound =
  | 'earliest'
  | 'latest'
  | { readonly offset: number }
  | { readonly offsets: OffsetsByPartition }
  | { readonly timestamp: number | Date }
  | { readonly ago: string }
  | { readonly group: string }

/** Options of `planReplay`. */
export interface PlanReplayOptions {
  /** At least one, each once. */
  readonly topics: readonly string[]
  /** Only these partitions of every topic; default: all. */
  readonly partitions?: readonly number[] | undefined
  /** Default 'earliest'. */
  readonly from?: ReplayBound | undefined
  /** Exclusive; default 'latest': the end of the log as of now. */
  readonly to?: ReplayBound | undefined
  /** About how large a split is to be; 1..2^53-1 bytes, default 64 MiB. Not together with `splits`. */
  readonly splitBytes?: number | undefined
  /** About how many splits there are to be in all; 1..1,000,000. */
  readonly splits?: number | undefined
  /** What a bound below the log start or beyond the end means: OFFSET_OUT_OF_RANGE (default), or the nearest offset. */
  readonly onOutOfRange?: 'fail' | 'clamp' | undefined
  readonly signal?: AbortSignal | undefined
}
