/** How a split is read, and what is known of it afterwards. */
import type { LogRecord } from '@stratalog/proto/records'
import type { ReplayGap } from './gap.ts'

/** Options of `readSplit`. */
export interface ReadSplitOptions {
  readonly signal?: AbortSignal | undefined
  /** Begin here instead of at the split's start: what a reader that was interrupted has read already. */
  readonly fromOffset?: number | undefined
  /**
   * Records that are wanted; others are passed over and counted as filtered. Batches that lie wholly outside of the
   * time range are not even decompressed.
   */
  readonly filter?: ReplayFilter | undefined
  /** Told of every range without records, in order, neighbours of one cause as one. */
  readonly onGap?: ((gap: ReplayGap) => void) | undefined
  /** Pass over damaged batches and tell of each as a gap; default: CORRUPT_MESSAGE. */
  readonly skipCorrupt?: boolean | undefined
  /** What a deleted part of the range means: OFFSET_OUT_OF_RANGE (default), or a gap and what is left. */
  readonly onDeleted?: 'fail' | 'skip' | undefined
  /** Bytes of batches read ahead; 64 KiB..256 MiB, default 4 MiB. One batch is always read, whatever its size. */
  readonly prefetchBytes?: number | undefined
}

/** Which records are wanted: those that meet all of it. */
export interface ReplayFilter {
  /** Timestamp of this or later, ms since 1970. */
  readonly fromTimestampMs?: number | undefined
  /** Timestamp before this. */
  readonly toTimestampMs?: number | undefined
  /** Called for what is left, in order. */
  readonly where?: ((record: LogRecord) => boolean) | undefined
}

/** What a reader has done so far. */
export interface ReadStats {
  /** Records handed out. Counted as a batch's records are walked. */
  readonly recordCount: number
  /** Records that the filter left out. */
  readonly filteredCount: number
  /** Batches met, empty ones included. */
  readonly batchCount: number
  /** Bytes of the batches met, as stored. */
  readonly bytes: number
  /** Offsets without a record, over all gaps. */
  readonly missingCount: number
  /** Where the reader stands (exclusive). */
  readonly position: number
}
