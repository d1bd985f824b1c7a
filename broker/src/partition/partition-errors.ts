/** Turns what goes wrong beneath a partition into what clients are told; operators read the cause in the broker's log. */
import { InvariantError, StratalogError } from '@stratalog/proto'
import { RaftInvariantError } from 'raft-ts'
import {
  LogClosedError,
  LogDiskFullError,
  LogOffsetOutOfRangeError,
  LogSegmentCorruptError,
} from '../log/log-errors.ts'
import { isDiskFull } from '../storage/file-system.ts'

/** A partition, for the text of errors. */
export interface PartitionName {
  readonly topic: string
  readonly partition: number
}

/** The public error for a failure of log or store. Broken invariants are thrown on: they stop the process. */
export function publicError(error: unknown, name: PartitionName): StratalogError {
  if (error instanceof StratalogError) return error
  if (error instanceof InvariantError || error instanceof RaftInvariantError) throw error
  const where = `partition ${name.topic}-${name.partition}`
  const options = { ...name, cause: error }
  if (error instanceof LogSegmentCorruptError) {
    return new StratalogError('PARTITION_DAMAGED', `${where} is damaged: ${error.message}`, options)
  }
  if (error instanceof LogDiskFullError) return new StratalogError('DISK_FULL', `${where}: ${error.message}`, options)
  if (error instanceof LogClosedError) return new StratalogError('SHUTTING_DOWN', `${where} is being closed`, options)
  if (error instanceof LogOffsetOutOfRangeError) {
    return outOfRange(name, error.offset, error.logStartOffset, error.logEndOffset)
  }
  const text = error instanceof Error ? error.message : String(error)
  return new StratalogError('STORAGE_ERROR', `${where} failed: ${text}`, options)
}

/** Likewise for a copy that could not be opened: for want of room, whatever lacked it, it can be tried again. */
export function openingError(error: unknown, name: PartitionName): StratalogError {
  const shown = publicError(error, name)
  if (shown.code !== 'STORAGE_ERROR' || !hasNoRoom(error)) return shown
  return new StratalogError('DISK_FULL', shown.message, { ...name, cause: error })
}

/** Whether a full disk is behind an error, however it was wrapped on the way. */
function hasNoRoom(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (isDiskFull(cause)) return true
  return false
}

/** OFFSET_OUT_OF_RANGE that says what was asked and what exists. @param end exclusive. */
export function outOfRange(name: PartitionName, offset: number, logStartOffset: number, end: number): StratalogError {
  const reason = offset < logStartOffset ? 'it was deleted, by retention or on request' : 'it does not exist yet'
  const text = `offset ${offset} of ${name.topic}-${name.partition} is out of range: ${reason}; there is ${logStartOffset} to ${end}`
  const metadata = { offset: String(offset), logStartOffset: String(logStartOffset), visibleEnd: String(end) }
  return new StratalogError('OFFSET_OUT_OF_RANGE', text, { ...name, metadata })
}
