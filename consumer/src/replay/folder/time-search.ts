/**
 * The first record at or after an instant, in a folder. Segments whose largest timestamp is known to be earlier are left
 * out, and within one the time index says where to begin; both are only hints, the batches decide.
 */
import type { FileHandle } from 'node:fs/promises'
import { isStratalogError } from '@stratalog/proto'
import { decodeBatchSync } from '@stratalog/proto/records'
import { findBatch, type PlacedHeader, readTimeIndex, walkHeaders } from './header-walk.ts'
import { type PartitionState, withFile } from './partition-bounds.ts'
import type { SegmentFile } from './partition-files.ts'

/** The offset of that record; null when none below the committed end is that late. */
export async function offsetForTime(state: PartitionState, timestampMs: number): Promise<number | null> {
  const { segments, checkpoint, logStartOffset, committedEnd } = state
  for (const [index, segment] of segments.entries()) {
    const endOffset = segments[index + 1]?.baseOffset ?? Number.MAX_SAFE_INTEGER
    if (endOffset <= logStartOffset || segment.baseOffset >= committedEnd) continue
    const maxTimestamp = checkpoint?.maxTimestamps.get(segment.baseOffset)
    if (maxTimestamp !== undefined && maxTimestamp < timestampMs) continue
    const found = await withFile(segment, (file) => searchSegment(file, segment, state, timestampMs))
    if (found !== null) return found
  }
  return null
}

async function searchSegment(
  file: FileHandle,
  segment: SegmentFile,
  { logStartOffset, committedEnd }: PartitionState,
  timestampMs: number,
): Promise<number | null> {
  const start = await searchStart(file, segment, timestampMs)
  for await (const placed of walkHeaders(file, start)) {
    const { header } = placed
    if (header.baseOffset >= committedEnd) return null
    if (header.control || header.lastOffset < logStartOffset || header.maxTimestamp < timestampMs) continue
    const offset = await firstRecordAt(file, placed, timestampMs, logStartOffset)
    if (offset !== null) return offset
  }
  return null
}

/** Position of a batch at or before the first record with that timestamp, as late as the time index knows. */
async function searchStart(file: FileHandle, segment: SegmentFile, timestampMs: number): Promise<number> {
  const entry = (await readTimeIndex(segment)).findLast(([timestamp]) => timestamp <= timestampMs)
  if (entry === undefined) return 0
  const [timestamp, lastOffset] = entry
  const placed = await findBatch(file, segment, lastOffset)
  const agrees = placed?.header.lastOffset === lastOffset && placed.header.maxTimestamp === timestamp
  return agrees ? placed.position : 0
}

async function firstRecordAt(
  file: FileHandle,
  { position, header }: PlacedHeader,
  timestampMs: number,
  logStartOffset: number,
): Promise<number | null> {
  const batch = Buffer.allocUnsafe(header.sizeBytes)
  await file.read(batch, 0, batch.length, position)
  try {
    for (const { offset, timestamp } of decodeBatchSync(batch)) {
      if (timestamp >= timestampMs && offset >= logStartOffset) return offset
    }
    return null
  } catch (error) {
    if (!isStratalogError(error)) throw error
    // Whoever reads it is told of the damage; here the batch's own timestamp is the best answer.
    return Math.max(header.baseOffset, logStartOffset)
  }
}
