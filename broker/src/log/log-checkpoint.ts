/**
 * The recovery checkpoint of a partition: what a start may trust without reading the log.
 *
 * ```
 *  log  [ sealed ... | sealed | active:  trusted | scanned at start after a crash ]
 *                                                ^ scan.offset, scan.position
 * ```
 * It is replaced atomically (`log-checkpoint`) when a segment is sealed, every `checkpointIntervalBytes`, on close,
 * and around truncation, for which it doubles as a redo log: a truncation that a crash interrupts is done again at
 * start. So everything that must change together (segments, epochs, log start, flushed end) changes in one rename.
 *
 * Invariant: all that it says is durable before it is written. Owner: the log's writer loop.
 * Form: CRC-32C of the rest as 8 hexadecimal digits, a newline, JSON.
 */
import { crc32c } from '@stratalog/proto/records'
import type { CleanedSegment } from './compaction-plan.ts'
import type { StoredDeletions } from './deletions.ts'

/** The only version that this code writes or reads. */
export const LOG_CHECKPOINT_VERSION = 1

/** A segment that is no longer written. */
export interface SealedSegment {
  readonly baseOffset: number
  /** Exclusive; the next segment's base offset. */
  readonly endOffset: number
  readonly sizeBytes: number
  /** Largest timestamp of its records, ms; -1 if they have none. */
  readonly maxTimestamp: number
  /** When it was sealed, ms. */
  readonly sealedAtMs: number
  /** Set once compaction has gone through all of it. */
  readonly cleaned?: CleanedSegment
  /** The file is about to be replaced by a compacted one, or has just been: it may be either. */
  readonly replacement?: SegmentReplacement
}

/** What the compacted file of a segment is like; everything else of the segment is as before. */
export interface SegmentReplacement {
  /** Never that of the file that it replaces. */
  readonly sizeBytes: number
  readonly maxTimestamp: number
}

/** Where the scan of a start begins, and what is trusted of the segment there. */
export interface ScanStart {
  /** Base offset of the segment, the first that is not sealed. */
  readonly segmentBaseOffset: number
  readonly offset: number
  /** Bytes in that segment's file. */
  readonly position: number
  readonly offsetIndexCount: number
  readonly timeIndexCount: number
  /** Largest timestamp before the scan start in that segment, and its batch's lastOffset; -1 and base if none. */
  readonly maxTimestamp: number
  readonly maxTimestampOffset: number
  /** Timestamp of the last trusted time index entry; -1 if none. */
  readonly lastIndexedTimestamp: number
  /** When that segment got its first batch, ms; null while empty. */
  readonly firstAppendMs: number | null
}

/** An operation that a start has to finish. */
export type RedoOperation =
  /** Cut the scan segment's file to `position` and remove all later segments, and companions beyond `endOffset`. */
  | { readonly kind: 'truncate'; readonly position: number; readonly endOffset: number }
  /** Remove all segments; the log begins anew at the scan offset. */
  | { readonly kind: 'reset' }

/** The checkpoint's content. */
export interface LogCheckpoint {
  readonly version: number
  /** Grows with every checkpoint of the log; recovery points of another generation mean nothing. */
  readonly generation: number
  readonly logStartOffset: number
  /** At least the scan offset. */
  readonly flushedEndOffset: number
  /** Oldest first, contiguous, ending at the scan segment. */
  readonly sealed: readonly SealedSegment[]
  readonly scan: ScanStart
  /** `[epoch, startOffset]` of epochs that begin before the scan offset. */
  readonly epochs: readonly (readonly [number, number])[]
  /** `[start, end)` of the newest control runs below the scan offset. */
  readonly controlRuns: readonly (readonly [number, number])[]
  /** Below it compaction has left a key at most once (exclusive); absent: nothing is compacted. */
  readonly cleanedEnd?: number
  /** Records deleted by request, as of the scan offset; absent in checkpoints of earlier releases. */
  readonly deletions?: StoredDeletions
  readonly redo: RedoOperation | null
}

const CRC_DIGITS = 8

/** The file's bytes. */
export function encodeLogCheckpoint(checkpoint: LogCheckpoint): Buffer {
  const body = Buffer.from(`\n${JSON.stringify(checkpoint)}\n`)
  const crc = crc32c(body).toString(16).padStart(CRC_DIGITS, '0')
  return Buffer.concat([Buffer.from(crc), body])
}

/** Parses the file; null when a byte of it is not what was written, or the version is not ours. */
export function decodeLogCheckpoint(bytes: Buffer): LogCheckpoint | null {
  const body = bytes.subarray(CRC_DIGITS)
  if (bytes.length < CRC_DIGITS + 1) return null
  if (bytes.toString('latin1', 0, CRC_DIGITS) !== crc32c(body).toString(16).padStart(CRC_DIGITS, '0')) return null
  const checkpoint = JSON.parse(body.toString()) as LogCheckpoint
  return checkpoint.version === LOG_CHECKPOINT_VERSION ? checkpoint : null
}
