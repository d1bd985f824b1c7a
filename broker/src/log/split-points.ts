/**
 * Where a range of the log can be cut for parallel readers: into pieces of about equal bytes, on batch boundaries.
 *
 * The offset indexes say where to cut, the header of the one batch there says its offset: a few bytes are read for each
 * piece, whatever its size. A cut that the log and the index do not agree on is left out, so that a piece may be larger
 * than asked for; what is damaged is for the reader to find.
 * ```
 *  bytes   |<-- target -->|<-- target -->|<-- target -->|<- rest ->|
 *  range   start ........ cut .......... cut .......... cut ...... end      cut: base offset of the batch at an index entry
 * ```
 */
import type { Offset } from '@stratalog/proto'
import { baseOffsetOf, CorruptMessageError, lastOffsetOf, RECORD_BATCH_OVERHEAD_BYTES } from '@stratalog/proto/records'
import { fileErrorCode } from '../storage/file-system.ts'
import type { LogCore } from './log-core.ts'
import type { OffsetIndexEntry } from './offset-index.ts'
import type { Segment } from './segment.ts'

/** Pieces of one range, at most. */
export const SPLIT_COUNT_MAX = 10_000

/** A piece of the log. */
export interface LogSplit {
  readonly startOffset: number
  /** Exclusive. */
  readonly endOffset: number
  /** Bytes of the segment files between the two; at the range's start and end exact to an index entry. */
  readonly sizeBytes: number
  /** Of the batch that holds the start. */
  readonly leaderEpoch: number
}

interface Cut {
  readonly offset: number
  /** Bytes of the log from the first segment of the range on. */
  readonly position: number
}

/**
 * The pieces of `[start, end)`, in order and without gaps; none for an empty range.
 *
 * @param targetBytes what a piece should have, about; 0 = one piece. Raised where it would make more than
 * {@link SPLIT_COUNT_MAX}.
 * Errors: those of the file system.
 */
export async function splitPoints(core: LogCore, start: Offset, end: Offset, targetBytes: number): Promise<LogSplit[]> {
  if (start >= end) return []
  const segments = core.segments.slice(Math.max(0, core.segmentIndexAt(start)), core.segmentIndexAt(end - 1) + 1)
  const from = await positionIn(segments[0]!, start)
  const to = await endPosition(segments, end)
  const stepBytes = Math.max(1, targetBytes === 0 ? to : targetBytes, Math.ceil((to - from) / SPLIT_COUNT_MAX))
  const cuts: Cut[] = [{ offset: start, position: from }]
  let segmentPosition = 0
  for (const segment of segments) {
    const { sizeBytes } = segment
    for (;;) {
      const last = cuts.at(-1)!
      const wanted = last.position + stepBytes
      // No piece is left at the end that is much smaller than the others.
      if (wanted > segmentPosition + sizeBytes || wanted + stepBytes / 2 > to) break
      const cut = await cutAt(core, segment, wanted - segmentPosition)
      if (cut === null || cut.offset <= last.offset || cut.offset >= end) break
      cuts.push({ offset: cut.offset, position: segmentPosition + cut.position })
    }
    segmentPosition += sizeBytes
  }
  return cuts.map((cut, index) => {
    const next = cuts[index + 1] ?? { offset: end, position: to }
    return {
      startOffset: cut.offset,
      endOffset: next.offset,
      sizeBytes: Math.max(0, next.position - cut.position),
      leaderEpoch: core.epochs.epochAt(cut.offset),
    }
  })
}

async function positionIn(segment: Segment, offset: Offset): Promise<number> {
  return offset <= segment.baseOffset ? 0 : (await segment.locate(offset)).position
}

async function endPosition(segments: readonly Segment[], end: Offset): Promise<number> {
  const last = segments.at(-1)!
  const before = segments.slice(0, -1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  if (end >= last.endOffset) return before + last.sizeBytes
  // What lies behind the last index entry counts in full: a log of a few large batches has none, and is not empty.
  const next = await last.offsetIndex.fromPosition((await positionIn(last, end)) + 1)
  return before + Math.min(last.sizeBytes, next?.position ?? last.sizeBytes)
}

/**
 * The first batch boundary that is known at or beyond a byte position of the segment; null when there is none, or what is
 * there is not what the index says.
 */
async function cutAt(core: LogCore, segment: Segment, position: number): Promise<Cut | null> {
  if (position <= 0) return { offset: segment.baseOffset, position: 0 }
  const entry = await segment.offsetIndex.fromPosition(position)
  if (entry === null || entry.position >= segment.sizeBytes) return null
  try {
    const baseOffset = await core.openFiles.using(segment.logPath, async (file) => {
      const header = Buffer.allocUnsafe(RECORD_BATCH_OVERHEAD_BYTES)
      const readBytes = await file.read(header, entry.position)
      return readBytes < header.length ? null : baseOffsetAt(header, entry)
    })
    return baseOffset === null ? null : { offset: baseOffset, position: entry.position }
  } catch (error) {
    // Retention took the segment meanwhile.
    if (fileErrorCode(error) === 'ENOENT') return null
    throw error
  }
}

function baseOffsetAt(header: Buffer, entry: OffsetIndexEntry): number | null {
  try {
    return lastOffsetOf(header, 0) === entry.lastOffset ? baseOffsetOf(header, 0) : null
  } catch (error) {
    if (error instanceof CorruptMessageError) return null
    throw error
  }
}
