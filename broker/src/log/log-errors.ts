/**
 * Operational errors of the log: stable codes, typed fields, and a hint for the operator.
 *
 * They are what the broker logs and shows in health; towards clients it answers with the error table's STORAGE_ERROR,
 * DISK_FULL, PARTITION_DAMAGED or OFFSET_OUT_OF_RANGE. None is retried by the log itself, except that a full disk is
 * probed until there is space.
 */
import type { Offset } from '@stratalog/proto'

/** Stable codes of {@link LogError}. */
export type LogErrorCode =
  | 'LOG_IO_FAILED'
  | 'LOG_DISK_FULL'
  | 'LOG_SEGMENT_CORRUPT'
  | 'LOG_OFFSET_OUT_OF_RANGE'
  | 'LOG_FLUSH_SUPERSEDED'
  | 'LOG_COMPACTION_FAILED'
  | 'LOG_CLOSED'

/** Base of the log's errors. */
export abstract class LogError extends Error {
  abstract readonly code: LogErrorCode
  /** Whether the same call may succeed later without anybody's help. */
  abstract readonly retriable: boolean
  /** What an operator should do. */
  abstract readonly hint: string
}

/** A write or sync failed. This log has failed for ever: nothing is acknowledged after it, no sync is tried again. */
export class LogIoError extends LogError {
  override readonly name = 'LogIoError'
  readonly code = 'LOG_IO_FAILED'
  readonly retriable = false
  readonly hint = 'Check the disk (kernel log, SMART). The broker opens the copy anew by itself, with what was synced.'
  readonly path: string
  /** Such as `datasync` or `write`. */
  readonly operation: string
  /** End of what is durable. */
  readonly flushedEndOffset: Offset

  constructor(path: string, operation: string, flushedEndOffset: Offset, cause: unknown) {
    super(`${operation} of ${path} failed; durable up to offset ${flushedEndOffset}: ${messageOf(cause)}`, { cause })
    this.path = path
    this.operation = operation
    this.flushedEndOffset = flushedEndOffset
  }
}

/** The disk is full. Appends fail and flushes wait until a probe write works; reads go on. */
export class LogDiskFullError extends LogError {
  override readonly name = 'LogDiskFullError'
  readonly code = 'LOG_DISK_FULL'
  readonly retriable = true
  readonly hint = 'Free space or lower the retention of large topics; the partition resumes by itself.'
  readonly path: string

  constructor(path: string, cause: unknown) {
    super(`no space left to write ${path}`, { cause })
    this.path = path
  }
}

/** Bytes that were once durable are missing or changed. The partition must be rebuilt from its peers. */
export class LogSegmentCorruptError extends LogError {
  override readonly name = 'LogSegmentCorruptError'
  readonly code = 'LOG_SEGMENT_CORRUPT'
  readonly retriable = false
  readonly hint =
    'Damage below the last sync. Run `stratalog segment verify`, check the disk, let peers rebuild the replica.'
  readonly path: string
  /** First offset that cannot be vouched for. */
  readonly offset: number
  /** Byte position in the file. */
  readonly position: number
  /** What is wrong, in a few words. */
  readonly reason: string

  constructor(path: string, offset: number, position: number, reason: string) {
    super(`${path} is damaged at offset ${offset}, byte ${position}: ${reason}`)
    this.path = path
    this.offset = offset
    this.position = position
    this.reason = reason
  }
}

/** A read below the log's start or beyond its end. */
export class LogOffsetOutOfRangeError extends LogError {
  override readonly name = 'LogOffsetOutOfRangeError'
  readonly code = 'LOG_OFFSET_OUT_OF_RANGE'
  readonly retriable = false
  readonly hint = 'Start from an offset between the log start and the log end.'
  readonly offset: number
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset

  constructor(offset: number, logStartOffset: Offset, logEndOffset: Offset) {
    super(`offset ${offset} is outside of ${logStartOffset}..${logEndOffset}`)
    this.offset = offset
    this.logStartOffset = logStartOffset
    this.logEndOffset = logEndOffset
  }
}

/** A flush waited for batches that were then truncated: they will never be durable. */
export class LogFlushSupersededError extends LogError {
  override readonly name = 'LogFlushSupersededError'
  readonly code = 'LOG_FLUSH_SUPERSEDED'
  readonly retriable = false
  readonly hint = 'None needed: another leader replaced these batches.'
  readonly targetOffset: Offset
  readonly truncatedTo: Offset

  constructor(targetOffset: Offset, truncatedTo: Offset) {
    super(`a flush up to offset ${targetOffset} was superseded by a truncation to ${truncatedTo}`)
    this.targetOffset = targetOffset
    this.truncatedTo = truncatedTo
  }
}

/** A round of compaction met what it cannot go on with. The log is as it was, but for segments that were done before. */
export class LogCompactionError extends LogError {
  override readonly name = 'LogCompactionError'
  readonly code = 'LOG_COMPACTION_FAILED'
  readonly retriable = true
  readonly hint = 'It is tried again by itself. If it goes on, run `stratalog segment verify` on the folder.'
  readonly path: string
  readonly offset: number

  constructor(path: string, offset: number, reason: string) {
    super(`${path} could not be compacted at offset ${offset}: ${reason}`)
    this.path = path
    this.offset = offset
  }
}

/** The log was closed or deleted. */
export class LogClosedError extends LogError {
  override readonly name = 'LogClosedError'
  readonly code = 'LOG_CLOSED'
  readonly retriable = false
  readonly hint = 'The partition is moving away or the broker is stopping; go to its leader.'

  constructor(directory: string) {
    super(`the log in ${directory} is closed`)
  }
}

/** The text of whatever was thrown. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
