/** Where a partition begins and ends for a reader who may read up to a certain end. */
import { type LeaderEpoch, type Offset, toOffset } from '@stratalog/proto'
import type { PartitionLog } from '../log/partition-log.ts'
import type { PartitionBounds } from './partition-types.ts'

/** The bounds of what ends at `committedEnd` (exclusive). O(1). */
export function boundsAt(committedEnd: Offset, log: PartitionLog, leaderEpoch: LeaderEpoch): PartitionBounds {
  const { readableFrom: logStartOffset, logEndOffset } = log
  // While the log begins anew it is for a moment further than what is known to be committed.
  const highWatermark = Math.max(logStartOffset, committedEnd)
  const visibleEnd = Math.max(logStartOffset, log.visibleEnd(toOffset(highWatermark)))
  return { logStartOffset, highWatermark, visibleEnd, logEndOffset, leaderEpoch }
}
