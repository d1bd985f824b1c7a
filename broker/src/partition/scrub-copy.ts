/** One step of the background check of a copy; what the disk does to it is told and ends the check, never the broker. */
import { InvariantError } from '@stratalog/proto'
import { LogClosedError, LogSegmentCorruptError } from '../log/index.ts'
import { SCRUB_ENDED, type ScrubCursor, type ScrubStep } from '../log/log-scrub.ts'
import type { PartitionLog } from '../log/partition-log.ts'

/** See PartitionLog.scrub; of damage the log's owner was told already. @param onError hears of any other failure. */
export async function scrubCopy(
  log: PartitionLog,
  from: ScrubCursor | null,
  buffer: Buffer,
  onError: (error: unknown) => void,
): Promise<ScrubStep> {
  try {
    return await log.scrub(from, buffer)
  } catch (error) {
    if (error instanceof InvariantError) throw error
    const isTold = error instanceof LogSegmentCorruptError || error instanceof LogClosedError
    if (!isTold) onError(error)
    return SCRUB_ENDED
  }
}
