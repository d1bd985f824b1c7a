/**
 * What changes a log other than at its end: truncation, deletion from the start, reset.
 *
 * Each writes the checkpoint first, so that a crash at any point leaves either the old log or one that the next start
 * finishes changing; only then files are cut and removed. All functions run inside a step of the writer loop.
 */
import { invariant, type Offset, toOffset } from '@stratalog/proto'
import { baseOffsetOf, lastOffsetOf, sizeOf } from '@stratalog/proto/records'
import type { Checkpointer } from './checkpointer.ts'
import type { EpochEntry } from './leader-epoch-cache.ts'
import type { LogCore } from './log-core.ts'
import { LogSegmentCorruptError } from './log-errors.ts'
import { scanFrom } from './recovery-facts.ts'
import { Segment } from './segment.ts'

/**
 * Cuts the log at `endOffset`, a batch boundary between log start and log end. What is written must be synced, unless
 * only pending batches are cut.
 */
export async function truncateLog(core: LogCore, checkpointer: Checkpointer, endOffset: Offset): Promise<void> {
  invariant(endOffset >= core.logStartOffset, () => `truncation to ${endOffset}, below the log start`)
  core.tail.truncateTo(endOffset)
  core.epochs.truncateTo(endOffset)
  core.controlRuns.truncateTo(endOffset)
  core.deletions.truncateTo(endOffset)
  core.logEndOffset = endOffset
  core.truncationCount++
  if (endOffset >= core.writtenEndOffset) return
  const index = core.segmentIndexAt(endOffset)
  const segment = core.segments[index]!
  const removed = core.segments.slice(index + 1)
  const kept = await readKept(core, segment, endOffset)
  core.segments = core.segments.slice(0, index + 1)
  core.writtenEndOffset = endOffset
  core.flushedEndOffset = toOffset(Math.min(core.flushedEndOffset, endOffset))
  await segment.rewindTo(kept.baseOffset, kept.position)
  const position = kept.position + kept.bytes.length
  const scan = await segment.describeScanStart()
  await core.patiently(() => checkpointer.write(scan, core.segments, { kind: 'truncate', position, endOffset }))
  for (const doomed of removed.toReversed()) await removeSegment(core, doomed)
  await checkpointer.companions.removeBeyond(endOffset)
  await core.fileSystem.syncDirectory(core.directory)
  await core.openFiles.using(segment.logPath, async (file) => {
    await file.truncate(position)
    await file.datasync()
  })
  const nowMs = core.options.clock.nowMs()
  for (let at = 0; at < kept.bytes.length; at += sizeOf(kept.bytes, at)) {
    segment.noteBatch(kept.bytes, at, core.config.indexIntervalBytes, nowMs)
  }
  invariant(segment.endOffset === endOffset, () => `truncation to ${endOffset} ended at ${segment.endOffset}`)
  await core.patiently(() => checkpointer.checkpointTruncated())
}

/** Batches below `endOffset` from the last index boundary on: the index forgets and learns them again. */
async function readKept(
  core: LogCore,
  segment: Segment,
  endOffset: Offset,
): Promise<{ baseOffset: Offset; position: number; bytes: Buffer }> {
  if (endOffset === segment.baseOffset) return { baseOffset: endOffset, position: 0, bytes: Buffer.alloc(0) }
  const { position } = await segment.locate(toOffset(endOffset - 1))
  const bytes = Buffer.allocUnsafe(segment.sizeBytes - position)
  const readBytes = await core.openFiles.using(segment.logPath, (file) => file.read(bytes, position))
  let at = 0
  let reached: number = segment.baseOffset
  while (at < readBytes) {
    reached = baseOffsetOf(bytes, at)
    if (reached >= endOffset) break
    reached = lastOffsetOf(bytes, at) + 1
    at += sizeOf(bytes, at)
  }
  if (readBytes < bytes.length || at > bytes.length) {
    throw new LogSegmentCorruptError(segment.logPath, reached, position + readBytes, 'the file ends early')
  }
  invariant(reached === endOffset, () => `truncation to ${endOffset} inside the batch that ends at ${reached}`)
  return { baseOffset: toOffset(baseOffsetOf(bytes, 0)), position, bytes: bytes.subarray(0, at) }
}

/**
 * Moves the log start up to `logStartOffset` and deletes the segments wholly below it, never the active one.
 *
 * @returns bytes that were freed.
 */
export async function deleteBelow(
  core: LogCore,
  checkpointer: Checkpointer,
  logStartOffset: Offset,
): Promise<{ segmentCount: number; sizeBytes: number }> {
  const firstKept = core.segments.findIndex((segment) => segment.endOffset > logStartOffset)
  const removed = core.segments.slice(0, firstKept === -1 ? core.segments.length - 1 : firstKept)
  core.logStartOffset = logStartOffset
  core.segments = core.segments.slice(removed.length)
  core.epochs.dropBelow(logStartOffset)
  await checkpointer.rewrite()
  let sizeBytes = 0
  for (const segment of removed) {
    sizeBytes += segment.sizeBytes
    await removeSegment(core, segment)
  }
  return { segmentCount: removed.length, sizeBytes }
}

/** Drops everything and begins anew at `startOffset`; `previous` is the epoch of the batch before it, if known. */
export async function resetLog(
  core: LogCore,
  checkpointer: Checkpointer,
  startOffset: Offset,
  previous: EpochEntry | null,
): Promise<void> {
  const removed = core.segments
  const fresh = Segment.empty(core.directory, startOffset, core.openFiles)
  const scan = scanFrom(startOffset)
  core.tail.clear()
  core.epochs.reset(previous === null ? [] : [previous])
  core.controlRuns.truncateTo(toOffset(0))
  core.deletions.truncateTo(0)
  core.segments = [fresh]
  core.logStartOffset = startOffset
  core.flushedEndOffset = startOffset
  core.writtenEndOffset = startOffset
  core.logEndOffset = startOffset
  core.truncationCount++
  await core.patiently(() => checkpointer.write(scan, core.segments, { kind: 'reset' }))
  for (const segment of removed.toReversed()) await removeSegment(core, segment)
  await checkpointer.companions.removeBeyond(-1)
  await core.patiently(async () => {
    const lease = await core.openFiles.acquire(fresh.logPath, { create: true })
    lease.release()
    await checkpointer.write(scan, core.segments, null)
  })
}

async function removeSegment(core: LogCore, segment: Segment): Promise<void> {
  segment.forget()
  for (const path of Segment.paths(core.directory, segment.baseOffset)) {
    if (await core.fileSystem.exists(path)) await core.fileSystem.remove(path)
  }
}
