/** Rebuilds the indexes of a sealed segment from its log. Indexes are derived data: damage to them costs time only. */
import { batchFault, scanChunks } from './batch-scan.ts'
import type { LogCore } from './log-core.ts'
import { LogSegmentCorruptError } from './log-errors.ts'
import { Segment } from './segment.ts'

/**
 * Reads the whole segment and replaces both index files.
 *
 * Errors: LOG_SEGMENT_CORRUPT when it is the log that is damaged; the index files are then left alone.
 */
export async function rebuildIndexes(segment: Segment, core: LogCore): Promise<void> {
  const fresh = Segment.empty(core.directory, segment.baseOffset, core.openFiles)
  await core.openFiles.using(segment.logPath, async (file) => {
    const chunks = scanChunks(file, 0, segment.sizeBytes)
    for (;;) {
      const { done, value } = await chunks.next()
      if (done) {
        if (value.reason === null) return
        throw new LogSegmentCorruptError(segment.logPath, fresh.endOffset, value.position, value.reason)
      }
      for (const [index, at] of value.starts.entries()) {
        const end = value.starts[index + 1] ?? value.wholeBytes
        const fault = batchFault(value.buffer, at, end - at, fresh.endOffset, 0)
        if (fault !== null) {
          throw new LogSegmentCorruptError(segment.logPath, fresh.endOffset, value.position + at, fault)
        }
        fresh.noteBatch(value.buffer, at, core.config.indexIntervalBytes, 0)
      }
    }
  })
  fresh.timeIndex.maybeAppend(fresh.maxTimestamp, fresh.maxTimestampOffset)
  await segment.offsetIndex.file.replace(await fresh.offsetIndex.file.allBytes())
  await segment.timeIndex.file.replace(await fresh.timeIndex.file.allBytes())
}
