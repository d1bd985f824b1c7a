/** Where the range of a partition in a folder can be cut: the places that the offset indexes name, about equally far apart. */
import type { FileHandle } from 'node:fs/promises'
import type { SplitPoint } from '../source.ts'
import { findBatch, headerAt, type PlacedHeader, readOffsetIndex, walkHeaders } from './header-walk.ts'
import { type PartitionState, withFile } from './partition-bounds.ts'
import type { SegmentFile } from './partition-files.ts'

/** A place to cut, with its position as if the segments were one file. */
interface Cut {
  readonly offset: number
  readonly at: number
  readonly leaderEpoch: number
}

/** See `ReplaySource.range`. What is missing or damaged is left to whoever reads it: the points are fewer then. */
export async function splitPoints(
  { segments }: PartitionState,
  startOffset: number,
  endOffset: number,
  targetBytes: number,
): Promise<SplitPoint[]> {
  const cuts: Cut[] = []
  let bytesBefore = 0
  let end = 0
  for (const [index, segment] of segments.entries()) {
    const segmentEnd = segments[index + 1]?.baseOffset ?? Number.MAX_SAFE_INTEGER
    if (segmentEnd <= startOffset || segment.baseOffset >= endOffset) continue
    const range = { startOffset, endOffset, targetBytes }
    const found = await withFile(segment, (file) => segmentCuts(file, segment, range))
    if (found === null) continue
    const { cuts: inside, startPosition, endPosition } = found
    for (const { offset, at, leaderEpoch } of inside) {
      const atInAll = bytesBefore + at - startPosition
      const last = cuts.at(-1)
      if (last === undefined) cuts.push({ offset: Math.max(offset, startOffset), at: atInAll, leaderEpoch })
      else if (atInAll - last.at >= targetBytes && offset > last.offset) cuts.push({ offset, at: atInAll, leaderEpoch })
    }
    bytesBefore += Math.max(0, endPosition - startPosition)
    end = bytesBefore
  }
  return cuts.map(({ offset, at, leaderEpoch }, index) => ({
    offset: index === 0 ? startOffset : offset,
    bytes: (cuts[index + 1]?.at ?? end) - at,
    leaderEpoch,
  }))
}

interface SegmentCuts {
  readonly cuts: readonly Cut[]
  readonly startPosition: number
  readonly endPosition: number
}

async function segmentCuts(
  file: FileHandle,
  segment: SegmentFile,
  range: { readonly startOffset: number; readonly endOffset: number; readonly targetBytes: number },
): Promise<SegmentCuts> {
  const { startOffset, endOffset, targetBytes } = range
  const fileBytes = (await file.stat()).size
  const first = await findBatch(file, segment, Math.max(startOffset, segment.baseOffset))
  if (first === null) return { cuts: [], startPosition: fileBytes, endPosition: fileBytes }
  const last = await findBatch(file, segment, endOffset)
  const endPosition = last === null ? fileBytes : placeOfEnd(last, endOffset)
  const cuts: Cut[] = [toCut(first)]
  let latest = first
  const add = (placed: PlacedHeader): void => {
    const { position, header } = placed
    if (position - latest.position < targetBytes || position >= endPosition) return
    // A header that is damaged may say anything.
    if (header.baseOffset <= latest.header.lastOffset || header.baseOffset >= endOffset) return
    cuts.push(toCut(placed))
    latest = placed
  }
  let indexed = first.position
  for (const [lastOffset, position] of await readOffsetIndex(segment)) {
    if (position <= first.position || position >= endPosition) continue
    indexed = Math.max(indexed, position)
    if (position - latest.position < targetBytes) continue
    const header = await headerAt(file, position)
    if (header?.lastOffset === lastOffset) add({ position, header })
  }
  // The index of the active segment lags behind its log, by more than a piece perhaps.
  if (endPosition - indexed > targetBytes) {
    for await (const placed of walkHeaders(file, indexed)) {
      if (placed.header.baseOffset >= endOffset) break
      add(placed)
    }
  }
  return { cuts, startPosition: first.position, endPosition }
}

function toCut({ position, header }: PlacedHeader): Cut {
  return { offset: header.baseOffset, at: position, leaderEpoch: Math.max(0, header.leaderEpoch) }
}

/** Where the bytes of the range end: behind the batch that holds its last offset. */
function placeOfEnd({ position, header }: PlacedHeader, endOffset: number): number {
  return header.baseOffset < endOffset ? position + header.sizeBytes : position
}
