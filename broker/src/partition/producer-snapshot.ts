/**
 * Producer state as bytes: the snapshot that the log keeps beside its segments (`<offset>.snapshot`, checksummed there).
 *
 * ```
 * version int8 = 1 | endOffset int64 | producerCount int32 | producers
 * producer: producerId int64 | producerEpoch int16 | lastSeenMs int64 | batchCount int8 | batches
 * batch:    firstSequence int32 | lastSequence int32 | baseOffset int64 | lastOffset int64 | leaderEpoch int32 | logAppendTimeMs int64
 * ```
 * All big endian. Batches at or beyond `endOffset` are left out, so that a snapshot of a log that is ahead of its disk
 * never vouches for what the disk may lose.
 */
import { invariant } from '@stratalog/proto'
import { lastOfEpoch, ProducerState, type WrittenBatch } from './producer-state.ts'

const SNAPSHOT_VERSION = 1
const HEADER_BYTES = 13
const PRODUCER_BYTES = 19
const BATCH_BYTES = 36

/** The state as it was when the log ended at `endOffset` (exclusive), as far as it is still remembered. */
export function encodeProducerSnapshot(state: ProducerState, endOffset: number): Buffer {
  const producers = [...state.entries()]
    .map((entry) => ({ entry, batches: lastOfEpoch(entry.batches.filter((batch) => batch.lastOffset < endOffset)) }))
    .filter(({ batches }) => batches.length > 0)
  const batchCount = producers.reduce((sum, { batches }) => sum + batches.length, 0)
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + producers.length * PRODUCER_BYTES + batchCount * BATCH_BYTES)
  bytes.writeInt8(SNAPSHOT_VERSION, 0)
  writeInt64(bytes, 1, Math.min(endOffset, state.endOffset))
  let position = bytes.writeInt32BE(producers.length, 9)
  for (const { entry, batches } of producers) {
    position = writeInt64(bytes, position, entry.producerId)
    position = bytes.writeInt16BE(batches[0]!.producerEpoch, position)
    position = writeInt64(bytes, position, entry.lastSeenMs)
    position = bytes.writeInt8(batches.length, position)
    for (const batch of batches) position = writeBatch(bytes, position, batch)
  }
  return bytes
}

/** Reads back a snapshot whose bytes were checked. Throws InvariantError for a version from a newer release. */
export function decodeProducerSnapshot(bytes: Buffer, producerCountMax: number): ProducerState {
  invariant(bytes[0] === SNAPSHOT_VERSION, () => `producer snapshot has version ${bytes[0]}; this release reads 1`)
  const state = new ProducerState(producerCountMax, readInt64(bytes, 1))
  const producerCount = bytes.readInt32BE(9)
  let position = HEADER_BYTES
  for (let i = 0; i < producerCount; i++) {
    const producerId = readInt64(bytes, position)
    const producerEpoch = bytes.readInt16BE(position + 8)
    const lastSeenMs = readInt64(bytes, position + 10)
    const batchCount = bytes.readInt8(position + 18)
    position += PRODUCER_BYTES
    const batches: WrittenBatch[] = []
    for (let b = 0; b < batchCount; b++, position += BATCH_BYTES)
      batches.push(readBatch(bytes, position, producerEpoch))
    state.restore({ producerId, producerEpoch, lastSeenMs, batches })
  }
  invariant(position === bytes.length, 'producer snapshot has bytes left over')
  return state
}

function writeBatch(bytes: Buffer, start: number, batch: WrittenBatch): number {
  let position = bytes.writeInt32BE(batch.firstSequence, start)
  position = bytes.writeInt32BE(batch.lastSequence, position)
  position = writeInt64(bytes, position, batch.baseOffset)
  position = writeInt64(bytes, position, batch.lastOffset)
  position = bytes.writeInt32BE(batch.leaderEpoch, position)
  return writeInt64(bytes, position, batch.logAppendTimeMs)
}

function readBatch(bytes: Buffer, position: number, producerEpoch: number): WrittenBatch {
  return {
    producerEpoch,
    firstSequence: bytes.readInt32BE(position),
    lastSequence: bytes.readInt32BE(position + 4),
    baseOffset: readInt64(bytes, position + 8),
    lastOffset: readInt64(bytes, position + 16),
    leaderEpoch: bytes.readInt32BE(position + 24),
    logAppendTimeMs: readInt64(bytes, position + 28),
  }
}

function writeInt64(bytes: Buffer, position: number, value: number): number {
  return bytes.writeBigInt64BE(BigInt(value), position)
}

function readInt64(bytes: Buffer, position: number): number {
  return Number(bytes.readBigInt64BE(position))
}
