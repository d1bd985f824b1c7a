/**
 * Changes to a finished batch, in place: what a leader stamps, and what a producer stamps anew on a retry.
 *
 * baseOffset and leaderEpoch lie outside the CRC; the other stamps compute it again, so they are for batches whose
 * CRC was verified or that this process built.
 */
import { invariant } from '../invariant.ts'
import { crc32c } from './crc32c.ts'
import { sizeOf } from './header-fields.ts'
import { writeInt64 } from './int64.ts'
import {
  APPEND_TIME_BIT,
  ATTRIBUTES_POSITION,
  BASE_OFFSET_POSITION,
  BASE_SEQUENCE_POSITION,
  CRC_POSITION,
  LEADER_EPOCH_POSITION,
  MAX_TIMESTAMP_POSITION,
  PRODUCER_EPOCH_POSITION,
  PRODUCER_ID_POSITION,
} from './layout.ts'

/** The idempotence triple of a batch. */
export interface ProducerStamp {
  /** Safe integer >= 0. */
  readonly producerId: number
  /** int16 >= 0. */
  readonly producerEpoch: number
  /** Sequence of the first record: int32 >= 0, wraps to 0 after 2^31-1. */
  readonly baseSequence: number
}

/** Stamps the offset and term that the leader assigned. Both lie outside the CRC: nothing else changes. */
export function stampBatch(buffer: Buffer, position: number, baseOffset: number, leaderEpoch: number): void {
  invariant(Number.isSafeInteger(baseOffset) && baseOffset >= 0, () => `base offset out of range: ${baseOffset}`)
  invariant((leaderEpoch | 0) === leaderEpoch && leaderEpoch >= 0, () => `leader epoch out of range: ${leaderEpoch}`)
  writeInt64(buffer, position + BASE_OFFSET_POSITION, baseOffset)
  buffer.writeInt32BE(leaderEpoch, position + LEADER_EPOCH_POSITION)
}

/**
 * Makes the leader's clock the timestamp of every record (topics with `message.timestamp.type=LogAppendTime`): sets
 * the attribute bit and maxTimestamp, and computes the CRC again. Source: Kafka DefaultRecordBatch.setMaxTimestamp.
 */
export function stampAppendTime(buffer: Buffer, position: number, timestampMs: number): void {
  invariant(Number.isSafeInteger(timestampMs) && timestampMs >= 0, () => `timestamp out of range: ${timestampMs}`)
  const flags = position + ATTRIBUTES_POSITION + 1
  buffer[flags] = buffer[flags]! | APPEND_TIME_BIT
  writeInt64(buffer, position + MAX_TIMESTAMP_POSITION, timestampMs)
  stampCrc(buffer, position)
}

/** Gives a built batch another idempotence triple (a producer whose epoch was bumped) and computes the CRC again. */
export function patchProducer(buffer: Buffer, stamp: ProducerStamp): void {
  writeProducer(buffer, 0, stamp)
  stampCrc(buffer, 0)
}

/** Writes the idempotence triple without touching the CRC. */
export function writeProducer(buffer: Buffer, position: number, stamp: ProducerStamp): void {
  const { producerId, producerEpoch, baseSequence } = stamp
  invariant(Number.isSafeInteger(producerId) && producerId >= 0, () => `producer id out of range: ${producerId}`)
  invariant(producerEpoch >= 0 && producerEpoch <= 0x7fff, () => `producer epoch out of range: ${producerEpoch}`)
  invariant(baseSequence >= 0 && (baseSequence | 0) === baseSequence, () => `sequence out of range: ${baseSequence}`)
  writeInt64(buffer, position + PRODUCER_ID_POSITION, producerId)
  buffer.writeInt16BE(producerEpoch, position + PRODUCER_EPOCH_POSITION)
  buffer.writeInt32BE(baseSequence, position + BASE_SEQUENCE_POSITION)
}

/** Computes and stores the CRC of the whole batch at `position`. */
export function stampCrc(buffer: Buffer, position: number): void {
  const crc = crc32c(buffer, position + ATTRIBUTES_POSITION, position + sizeOf(buffer, position))
  buffer.writeUInt32BE(crc, position + CRC_POSITION)
}
