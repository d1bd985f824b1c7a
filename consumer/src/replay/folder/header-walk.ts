/**
 * Walks the batches of a segment file by their headers, and finds the place in it where an offset lies.
 *
 * Index entries are hints: positions change when a segment is cleaned, and after a crash entries may stand for nothing.
 * So each is checked against the header at its position, and the walk begins at the file's start where one is wrong.
 */
import { type FileHandle, readFile } from 'node:fs/promises'
import { isStratalogError } from '@stratalog/proto'
import {
  type BatchHeader,
  RECORD_BATCH_OVERHEAD_BYTES,
  readBatchHeader,
  verifyBatchCrc,
} from '@stratalog/proto/records'
import { orMissing, type SegmentFile } from './partition-files.ts'

const OFFSET_ENTRY_BYTES = 8
const TIME_ENTRY_BYTES = 12
const WALK_BYTES = 256 * 1024
const TWO_32 = 0x1_0000_0000

/** A batch in a file. */
export interface PlacedHeader {
  /** Of its first byte in the file. */
  readonly position: number
  readonly header: BatchHeader
}

/** A segment's `.index`: `[lastOffset of a batch, position of its first byte]`, ascending. */
export async function readOffsetIndex(segment: SegmentFile): Promise<(readonly [number, number])[]> {
  const bytes = await orMissing(readFile(`${segment.path.slice(0, -3)}index`), Buffer.alloc(0))
  const entries: [number, number][] = []
  for (let at = 0; at + OFFSET_ENTRY_BYTES <= bytes.length; at += OFFSET_ENTRY_BYTES) {
    entries.push([segment.baseOffset + bytes.readInt32BE(at), bytes.readInt32BE(at + 4)])
  }
  return entries
}

/** A segment's `.timeindex`: `[largest timestamp so far, lastOffset of the first batch that had it]`, ascending. */
export async function readTimeIndex(segment: SegmentFile): Promise<(readonly [number, number])[]> {
  const bytes = await orMissing(readFile(`${segment.path.slice(0, -3)}timeindex`), Buffer.alloc(0))
  const entries: [number, number][] = []
  for (let at = 0; at + TIME_ENTRY_BYTES <= bytes.length; at += TIME_ENTRY_BYTES) {
    const timestamp = bytes.readInt32BE(at) * TWO_32 + bytes.readUInt32BE(at + 4)
    entries.push([timestamp, segment.baseOffset + bytes.readInt32BE(at + 8)])
  }
  return entries
}

/** The header at a position; null when no batch begins there. */
export async function headerAt(file: FileHandle, position: number): Promise<BatchHeader | null> {
  const buffer = Buffer.allocUnsafe(RECORD_BATCH_OVERHEAD_BYTES)
  const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
  return bytesRead < buffer.length ? null : headerIn(buffer, 0)
}

/** The header in a buffer that holds all of it; null when it is none. */
export function headerIn(buffer: Buffer, at: number): BatchHeader | null {
  try {
    return readBatchHeader(buffer, at)
  } catch (error) {
    if (isStratalogError(error)) return null
    throw error
  }
}

/**
 * Headers from `position` on, in order, until the file ends or no header follows. Offsets without a gap are checked,
 * CRCs are not: whoever reads the batches does that.
 */
export async function* walkHeaders(file: FileHandle, position: number): AsyncGenerator<PlacedHeader, void, undefined> {
  const buffer = Buffer.allocUnsafe(WALK_BYTES)
  let at = position
  let expectedOffset: number | null = null
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
    if (bytesRead < RECORD_BATCH_OVERHEAD_BYTES) return
    const base = at
    while (at - base + RECORD_BATCH_OVERHEAD_BYTES <= bytesRead) {
      const header = headerIn(buffer, at - base)
      if (header === null || (expectedOffset !== null && header.baseOffset !== expectedOffset)) return
      yield { position: at, header }
      expectedOffset = header.lastOffset + 1
      at += header.sizeBytes
    }
  }
}

/** A position in the file, of a batch that begins at or before `offset`; the file's start when the index has none. */
export async function floorPosition(file: FileHandle, segment: SegmentFile, offset: number): Promise<number> {
  const entries = await readOffsetIndex(segment)
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (entries[middle]![0] <= offset) low = middle + 1
    else high = middle
  }
  const entry = entries[low - 1]
  if (entry === undefined) return 0
  return (await isBatchEnd(file, entry)) ? entry[1] : 0
}

/** Whether the batch at an index entry's position is the one that the entry means. */
export async function isBatchEnd(
  file: FileHandle,
  [lastOffset, position]: readonly [number, number],
): Promise<boolean> {
  return position >= 0 && (await headerAt(file, position))?.lastOffset === lastOffset
}

/**
 * The batch that holds `offset`, or the file's first when that lies behind it; null when the file ends, or is damaged,
 * before.
 */
export async function findBatch(file: FileHandle, segment: SegmentFile, offset: number): Promise<PlacedHeader | null> {
  for await (const placed of walkHeaders(file, await floorPosition(file, segment, offset))) {
    const { baseOffset, lastOffset } = placed.header
    // Batches follow one another without a gap, from the offset on that the file is named after.
    if (baseOffset > Math.max(offset, segment.baseOffset)) return null
    if (placed.position === 0 && baseOffset !== segment.baseOffset) return null
    if (lastOffset >= offset) return placed
  }
  return null
}

/** Whether all of the batch is in the file and its CRC matches. */
export async function isSoundBatch(file: FileHandle, { position, header }: PlacedHeader): Promise<boolean> {
  const { sizeBytes } = header
  // Before memory is taken for what it claims.
  if (position + sizeBytes > (await file.stat()).size) return false
  const batch = Buffer.allocUnsafe(sizeBytes)
  const { bytesRead } = await file.read(batch, 0, sizeBytes, position)
  return bytesRead === sizeBytes && verifyBatchCrc(batch, 0, sizeBytes)
}
