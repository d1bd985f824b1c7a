/** Cuts the range of a partition into splits of about equal bytes, at the points that its log offers. Pure. */
import { invariant } from '@stratalog/proto'
import type { SplitPoint } from './source.ts'

/** A piece of the range. */
export interface CutRange {
  readonly startOffset: number
  /** Exclusive. */
  readonly endOffset: number
  readonly bytes: number
  readonly leaderEpoch: number | null
}

/**
 * About `bytes / targetBytes` pieces (rounded, one at least), as equal as the points allow; they cover
 * `[startOffset, endOffset)` exactly. None for an empty range.
 *
 * @param points ascending, each at or after `startOffset` and before `endOffset`.
 */
export function cutRange(
  startOffset: number,
  endOffset: number,
  points: readonly SplitPoint[],
  targetBytes: number,
): CutRange[] {
  if (startOffset >= endOffset) return []
  const totalBytes = points.reduce((sum, { bytes }) => sum + bytes, 0)
  const pieceCount = Math.max(1, Math.round(totalBytes / targetBytes))
  const pieceBytes = totalBytes / pieceCount
  const cuts: { startOffset: number; bytes: number; leaderEpoch: number | null }[] = [
    { startOffset, bytes: 0, leaderEpoch: null },
  ]
  let bytesBefore = 0
  for (const [index, point] of points.entries()) {
    invariant(point.offset >= startOffset && point.offset < endOffset, () => `a split point at ${point.offset}`)
    const last = cuts.at(-1)!
    // The next piece begins at the point that is nearest to where it should.
    const isDue = cuts.length < pieceCount && bytesBefore + point.bytes / 2 >= cuts.length * pieceBytes
    if (index > 0 && isDue && point.offset > last.startOffset) {
      cuts.push({ startOffset: point.offset, bytes: point.bytes, leaderEpoch: point.leaderEpoch })
    } else {
      if (index === 0) last.leaderEpoch = point.leaderEpoch
      last.bytes += point.bytes
    }
    bytesBefore += point.bytes
  }
  return cuts.map((cut, index) => ({ ...cut, endOffset: cuts[index + 1]?.startOffset ?? endOffset }))
}
