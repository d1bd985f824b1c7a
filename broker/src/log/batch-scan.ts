/**
 * Sequential reading of a segment file: whole batches in large chunks, and the checks that make a batch sound.
 *
 * Used by recovery, index repair and the segment tools; readers at an offset have a path of their own (log-reader.ts).
 */
import { isStratalogError } from '@stratalog/proto'
import {
  baseOffsetOf,
  CorruptMessageError,
  LOG_OVERHEAD_BYTES,
  lastOffsetOf,
  leaderEpochOf,
  peekBatchSize,
  RECORD_BATCH_MAGIC,
  RECORD_BATCH_OVERHEAD_BYTES,
  readBatchHeader,
  verifyBatchCrc,
} from '@stratalog/proto/records'
import type { FileHandle } from '../storage/file-system.ts'

/** Magic and what comes before it lie outside the CRC. */
const MAGIC_POSITION = 16
/** Default bytes read at once. */
const CHUNK_BYTES = 1024 * 1024

/** Consecutive whole batches in memory. */
export interface BatchChunk {
  readonly buffer: Buffer
  /** Position of `buffer[0]` in the file. */
  readonly position: number
  /** Where each batch begins in `buffer`, ascending. */
  readonly starts: readonly number[]
  /** End of the last whole batch in `buffer`. */
  readonly wholeBytes: number
}

/** Where a scan ended, and why it ended before the given end (null if it did not). */
export interface ScanEnd {
  readonly position: number
  readonly reason: string | null
}

/**
 * Yields the batches in bytes [start, end) of the file, by their size fields alone; nothing else is checked.
 *
 * @returns where it ended: at `end`, or at the first batch whose size makes no sense or that runs past `end`.
 */
export async function* scanChunks(
  file: FileHandle,
  start: number,
  end: number,
  chunkBytes: number = CHUNK_BYTES,
): AsyncGenerator<BatchChunk, ScanEnd> {
  let position = start
  let wantBytes = chunkBytes
  while (position < end) {
    const buffer = Buffer.allocUnsafe(Math.min(wantBytes, end - position))
    const readBytes = await file.read(buffer, position)
    if (readBytes < buffer.length) return { position, reason: `the file ends at byte ${position + readBytes}` }
    const split = splitBatches(buffer, end - position)
    if (split.starts.length > 0) yield { buffer, position, starts: split.starts, wholeBytes: split.wholeBytes }
    position += split.wholeBytes
    if (split.reason !== null) return { position, reason: split.reason }
    // A batch larger than the chunk is read again alone.
    wantBytes = split.wholeBytes === 0 ? split.nextBytes : Math.max(chunkBytes, split.nextBytes)
  }
  return { position, reason: null }
}

interface Split {
  readonly starts: number[]
  readonly wholeBytes: number
  /** Bytes that the batch behind the whole ones needs. */
  readonly nextBytes: number
  readonly reason: string | null
}

/** Splits the buffer's beginning into whole batches; `restBytes` is what the file has from its first byte on. */
function splitBatches(buffer: Buffer, restBytes: number): Split {
  const starts: number[] = []
  let at = 0
  while (at < buffer.length) {
    if (restBytes - at < RECORD_BATCH_OVERHEAD_BYTES) {
      return { starts, wholeBytes: at, nextBytes: 0, reason: `${restBytes - at} bytes are no batch header` }
    }
    if (buffer.length - at < RECORD_BATCH_OVERHEAD_BYTES) break
    const size = sizeOrReason(buffer, at)
    if (typeof size === 'string') return { starts, wholeBytes: at, nextBytes: 0, reason: size }
    if (size > restBytes - at) {
      const reason = `a batch of ${size} bytes runs past the end, ${restBytes - at} are there`
      return { starts, wholeBytes: at, nextBytes: 0, reason }
    }
    if (size > buffer.length - at) return { starts, wholeBytes: at, nextBytes: size, reason: null }
    starts.push(at)
    at += size
  }
  return { starts, wholeBytes: at, nextBytes: RECORD_BATCH_OVERHEAD_BYTES, reason: null }
}

function sizeOrReason(buffer: Buffer, at: number): number | string {
  try {
    // The whole header is checked first, so that a garbage size does not make us read hundreds of megabytes.
    readBatchHeader(buffer, at)
    return peekBatchSize(buffer, at, LOG_OVERHEAD_BYTES) ?? 'no batch header'
  } catch (error) {
    return reasonOf(error)
  }
}

/**
 * Why the whole batch at `at` cannot be the one at `expectedBaseOffset`; null when it is sound.
 *
 * Checks magic, offsets, epoch order and CRC-32C. The fields outside the CRC are covered: base offset and size by what
 * precedes, the epoch by `leastEpoch`.
 */
export function batchFault(
  buffer: Buffer,
  at: number,
  sizeBytes: number,
  expectedBaseOffset: number,
  leastEpoch: number,
): string | null {
  const fault = placeFault(buffer, at, expectedBaseOffset, leastEpoch)
  if (fault !== null) return fault
  return verifyBatchCrc(buffer, at, sizeBytes) ? null : 'CRC-32C does not match'
}

/** What {@link batchFault} checks beside the CRC: of the batch only its header needs to be in the buffer. */
export function placeFault(buffer: Buffer, at: number, expectedBaseOffset: number, leastEpoch: number): string | null {
  try {
    const magic = buffer[at + MAGIC_POSITION]
    if (magic !== RECORD_BATCH_MAGIC) return `magic is ${magic}, not ${RECORD_BATCH_MAGIC}`
    const baseOffset = baseOffsetOf(buffer, at)
    if (baseOffset !== expectedBaseOffset) return `base offset is ${baseOffset}, not ${expectedBaseOffset}`
    const lastOffset = lastOffsetOf(buffer, at)
    if (lastOffset < baseOffset || !Number.isSafeInteger(lastOffset)) return `last offset is ${lastOffset}`
    const epoch = leaderEpochOf(buffer, at)
    return epoch < leastEpoch ? `leader epoch is ${epoch} after ${leastEpoch}` : null
  } catch (error) {
    return reasonOf(error)
  }
}

/** The codec's word for what is wrong; rethrows what is not the codec's. */
export function reasonOf(error: unknown): string {
  if (error instanceof CorruptMessageError) return error.reason
  if (isStratalogError(error)) return error.message
  throw error
}
