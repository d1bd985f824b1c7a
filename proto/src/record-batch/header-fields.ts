/**
 * Single header fields of a batch that was validated before (`validateBatch`, or recovery's scan of a segment).
 *
 * They build no object and check nothing but that an int64 is a safe integer; `position` is the batch's first byte.
 */
import { readInt64 } from './int64.ts'
import {
  ATTRIBUTES_POSITION,
  BASE_OFFSET_POSITION,
  BASE_SEQUENCE_POSITION,
  BASE_TIMESTAMP_POSITION,
  BATCH_LENGTH_POSITION,
  CONTROL_BIT,
  LAST_OFFSET_DELTA_POSITION,
  LEADER_EPOCH_POSITION,
  LOG_OVERHEAD_BYTES,
  MAX_TIMESTAMP_POSITION,
  PRODUCER_EPOCH_POSITION,
  PRODUCER_ID_POSITION,
  RECORD_COUNT_POSITION,
  TOMBSTONES_REMOVED_BIT,
} from './layout.ts'

/** Offset of the first record. */
export function baseOffsetOf(buffer: Buffer, position: number): number {
  return readInt64(buffer, position + BASE_OFFSET_POSITION, 'baseOffset')
}

/** Offset of the last record (inclusive). */
export function lastOffsetOf(buffer: Buffer, position: number): number {
  return baseOffsetOf(buffer, position) + buffer.readInt32BE(position + LAST_OFFSET_DELTA_POSITION)
}

/** Bytes of the whole batch. */
export function sizeOf(buffer: Buffer, position: number): number {
  return buffer.readInt32BE(position + BATCH_LENGTH_POSITION) + LOG_OVERHEAD_BYTES
}

/** Term of the leader that appended the batch; -1 until stamped. */
export function leaderEpochOf(buffer: Buffer, position: number): number {
  return buffer.readInt32BE(position + LEADER_EPOCH_POSITION)
}

/** Timestamp of the first record, ms, or -1. */
export function baseTimestampOf(buffer: Buffer, position: number): number {
  return readInt64(buffer, position + BASE_TIMESTAMP_POSITION, 'baseTimestamp')
}

/** Largest timestamp of the batch, ms, or -1. */
export function maxTimestampOf(buffer: Buffer, position: number): number {
  return readInt64(buffer, position + MAX_TIMESTAMP_POSITION, 'maxTimestamp')
}

/** Whether it is a control batch, which readers are never shown. */
export function isControl(buffer: Buffer, position: number): boolean {
  return (buffer[position + ATTRIBUTES_POSITION + 1]! & CONTROL_BIT) !== 0
}

/** Whether compaction has removed tombstones of the batch that nothing later had replaced (thin.ts). */
export function lacksTombstones(buffer: Buffer, position: number): boolean {
  return (buffer[position + ATTRIBUTES_POSITION + 1]! & TOMBSTONES_REMOVED_BIT) !== 0
}

/** Records in the batch. */
export function recordCountOf(buffer: Buffer, position: number): number {
  return buffer.readInt32BE(position + RECORD_COUNT_POSITION)
}

/** Idempotent producer's id, or null. */
export function producerIdOf(buffer: Buffer, position: number): number | null {
  const producerId = readInt64(buffer, position + PRODUCER_ID_POSITION, 'producerId')
  return producerId < 0 ? null : producerId
}

/** Idempotent producer's epoch (int16), or null without a producer id. */
export function producerEpochOf(buffer: Buffer, position: number): number | null {
  return producerIdOf(buffer, position) === null ? null : buffer.readInt16BE(position + PRODUCER_EPOCH_POSITION)
}

/** Sequence of the first record (int32, wraps to 0 after 2^31-1), or null without a producer id. */
export function baseSequenceOf(buffer: Buffer, position: number): number | null {
  return producerIdOf(buffer, position) === null ? null : buffer.readInt32BE(position + BASE_SEQUENCE_POSITION)
}
