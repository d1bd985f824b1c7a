/**
 * The 61-byte header of a batch as an object.
 *
 * Reads structure only: sizes, magic, codec and signs are checked, the CRC and the records are not (see
 * `validateBatch`, `decodeBatch`). Hot paths that need one field use header-fields.ts instead.
 */
import { type CompressionName, codecName } from './codec.ts'
import { CorruptMessageError } from './corrupt-message-error.ts'
import { readInt64 } from './int64.ts'
import {
  APPEND_TIME_BIT,
  ATTRIBUTES_POSITION,
  BASE_OFFSET_POSITION,
  BASE_SEQUENCE_POSITION,
  BASE_TIMESTAMP_POSITION,
  BATCH_BYTES_MAX,
  BATCH_LENGTH_POSITION,
  CODEC_MASK,
  CONTROL_BIT,
  CRC_POSITION,
  LAST_OFFSET_DELTA_POSITION,
  LEADER_EPOCH_POSITION,
  LOG_OVERHEAD_BYTES,
  MAGIC_POSITION,
  MAX_TIMESTAMP_POSITION,
  PRODUCER_EPOCH_POSITION,
  PRODUCER_ID_POSITION,
  RECORD_BATCH_MAGIC,
  RECORD_BATCH_OVERHEAD_BYTES,
  RECORD_COUNT_POSITION,
  TRANSACTIONAL_BIT,
} from './layout.ts'

/** A batch's header, decoded. */
export interface BatchHeader {
  /** Offset of the first record; what the producer wrote (0) until a leader stamps it. */
  readonly baseOffset: number
  /** The whole batch, the 12 bytes in front of batchLength's count included. */
  readonly sizeBytes: number
  /** Term of the leader that appended it; -1 until stamped. */
  readonly leaderEpoch: number
  /** Always 2. */
  readonly magic: number
  /** CRC-32C as stored, uint32; not verified here. */
  readonly crc: number
  /** The raw attribute bits. */
  readonly attributes: number
  readonly codec: CompressionName
  /** `create`: the producer's clock; `append`: the leader's, and maxTimestamp holds for every record. */
  readonly timestampType: 'create' | 'append'
  readonly transactional: boolean
  readonly control: boolean
  /** int32 >= 0. */
  readonly lastOffsetDelta: number
  /** baseOffset + lastOffsetDelta (inclusive). */
  readonly lastOffset: number
  /** Milliseconds since the epoch, or -1. */
  readonly baseTimestamp: number
  /** Milliseconds since the epoch, or -1. */
  readonly maxTimestamp: number
  /** null when the producer is not idempotent; then epoch and sequence are null too. */
  readonly producerId: number | null
  readonly producerEpoch: number | null
  readonly baseSequence: number | null
  /** int32 >= 0; fewer than lastOffsetDelta + 1 after compaction. */
  readonly recordCount: number
}

/**
 * Reads the header at `position`; only its 61 bytes need to be in the buffer.
 *
 * Errors: CORRUPT_MESSAGE, UNSUPPORTED_COMPRESSION_TYPE.
 */
export function readBatchHeader(buffer: Buffer, position: number): BatchHeader {
  if (buffer.length - position < RECORD_BATCH_OVERHEAD_BYTES) {
    throw new CorruptMessageError('shorter than a batch header', position)
  }
  const magic = buffer.readInt8(position + MAGIC_POSITION)
  if (magic !== RECORD_BATCH_MAGIC) throw new CorruptMessageError(`magic is ${magic}, not 2`, position + MAGIC_POSITION)
  const sizeBytes = checkedBatchSize(buffer, position, BATCH_BYTES_MAX)
  const baseOffset = readInt64(buffer, position + BASE_OFFSET_POSITION, 'baseOffset')
  const leaderEpoch = buffer.readInt32BE(position + LEADER_EPOCH_POSITION)
  const attributes = buffer.readInt16BE(position + ATTRIBUTES_POSITION)
  const lastOffsetDelta = buffer.readInt32BE(position + LAST_OFFSET_DELTA_POSITION)
  const producerId = readInt64(buffer, position + PRODUCER_ID_POSITION, 'producerId')
  const recordCount = buffer.readInt32BE(position + RECORD_COUNT_POSITION)
  const lastOffset = baseOffset + lastOffsetDelta
  atLeast(baseOffset, 0, 'baseOffset', position + BASE_OFFSET_POSITION)
  atLeast(leaderEpoch, -1, 'leaderEpoch', position + LEADER_EPOCH_POSITION)
  atLeast(lastOffsetDelta, 0, 'lastOffsetDelta', position + LAST_OFFSET_DELTA_POSITION)
  atLeast(producerId, -1, 'producerId', position + PRODUCER_ID_POSITION)
  atLeast(recordCount, 0, 'recordCount', position + RECORD_COUNT_POSITION)
  if (lastOffset > Number.MAX_SAFE_INTEGER) throw new CorruptMessageError('lastOffset is beyond 2^53', position)
  const hasProducer = producerId >= 0
  return {
    baseOffset,
    sizeBytes,
    leaderEpoch,
    magic,
    crc: buffer.readUInt32BE(position + CRC_POSITION),
    attributes,
    codec: codecName(attributes & CODEC_MASK),
    timestampType: attributes & APPEND_TIME_BIT ? 'append' : 'create',
    transactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    control: (attributes & CONTROL_BIT) !== 0,
    lastOffsetDelta,
    lastOffset,
    baseTimestamp: readTimestamp(buffer, position + BASE_TIMESTAMP_POSITION, 'baseTimestamp'),
    maxTimestamp: readTimestamp(buffer, position + MAX_TIMESTAMP_POSITION, 'maxTimestamp'),
    producerId: hasProducer ? producerId : null,
    producerEpoch: hasProducer ? buffer.readInt16BE(position + PRODUCER_EPOCH_POSITION) : null,
    baseSequence: hasProducer ? buffer.readInt32BE(position + BASE_SEQUENCE_POSITION) : null,
    recordCount,
  }
}

/**
 * The size of the batch at `position` from its first 12 bytes, for scanning a file or a stream.
 *
 * @param availableBytes bytes that are there from `position` on; null is the answer when they are fewer than 12.
 * @returns the whole batch's bytes, which may exceed `availableBytes`.
 * Errors: CORRUPT_MESSAGE for a negative size, one below a header, or one above `maxBatchBytes`.
 */
export function peekBatchSize(
  buffer: Buffer,
  position: number,
  availableBytes: number,
  maxBatchBytes: number = BATCH_BYTES_MAX,
): number | null {
  if (availableBytes < LOG_OVERHEAD_BYTES) return null
  return checkedBatchSize(buffer, position, maxBatchBytes)
}

function checkedBatchSize(buffer: Buffer, position: number, maxBatchBytes: number): number {
  const batchLength = buffer.readInt32BE(position + BATCH_LENGTH_POSITION)
  const sizeBytes = batchLength + LOG_OVERHEAD_BYTES
  if (sizeBytes < RECORD_BATCH_OVERHEAD_BYTES || sizeBytes > maxBatchBytes) {
    throw new CorruptMessageError(`batch length is ${batchLength}`, position + BATCH_LENGTH_POSITION)
  }
  return sizeBytes
}

function readTimestamp(buffer: Buffer, position: number, field: string): number {
  const timestamp = readInt64(buffer, position, field)
  atLeast(timestamp, -1, field, position)
  return timestamp
}

function atLeast(value: number, least: number, field: string, position: number): void {
  if (value < least) throw new CorruptMessageError(`${field} is ${value}`, position)
}
