/**
 * Puts a compacted file in the place of a sealed segment's, so that a crash at any point leaves one of the two, whole.
 *
 * ```
 *  checkpoint: the file may be either ── old indexes removed ── rename ── folder synced ── new indexes ── checkpoint
 * ```
 * The rename is the moment; which file is there a start tells by its size. Indexes are derived, and one that is missing is
 * made anew when it is needed. Runs in a step of the writer loop; readers that meet both files begin anew (LogCore.holds).
 */
import { invariant } from '@stratalog/proto'
import { isDiskFull } from '../storage/file-system.ts'
import type { Checkpointer } from './checkpointer.ts'
import type { LogCore } from './log-core.ts'
import { LogDiskFullError } from './log-errors.ts'
import type { Segment } from './segment.ts'

/**
 * Replaces `old`, which must be sealed and one of the log's, by `fresh`: the same offsets, fewer bytes or at least not as
 * many, in a synced file at `path`.
 *
 * Durable when it resolves. Errors: LOG_DISK_FULL, with nothing changed; those of the file system, after which the log has
 * failed.
 */
export async function replaceSegment(
  core: LogCore,
  checkpointer: Checkpointer,
  old: Segment,
  fresh: Segment,
  path: string,
): Promise<void> {
  const place = core.segments.indexOf(old)
  invariant(place !== -1 && old.sealedAtMs !== null, 'a segment to be replaced is sealed, and one of the log')
  invariant(
    fresh.baseOffset === old.baseOffset && fresh.endOffset === old.endOffset,
    'a compacted segment has its offsets',
  )
  invariant(fresh.sizeBytes !== old.sizeBytes, 'a start tells the two files apart by their sizes')
  await announce(checkpointer, old, fresh)
  await core.indexWork.run(async () => {
    core.replacing = old
    try {
      for (const index of [old.offsetIndex.file, old.timeIndex.file]) {
        index.forget()
        if (await core.fileSystem.exists(index.path)) await core.fileSystem.remove(index.path)
      }
      await core.fileSystem.rename(path, old.logPath)
      core.openFiles.forget(old.logPath)
      fresh.sealedAtMs = old.sealedAtMs
      fresh.cleaned = old.cleaned
      core.segments = core.segments.with(core.segments.indexOf(old), fresh)
    } finally {
      core.replacing = null
    }
    await core.fileSystem.syncDirectory(core.directory)
    await core.patiently(() => fresh.seal(fresh.sealedAtMs ?? 0))
  })
  await core.patiently(() => checkpointer.rewrite())
}

/** Says in the checkpoint that the file may be either from now on; until then nothing has happened. */
async function announce(checkpointer: Checkpointer, old: Segment, fresh: Segment): Promise<void> {
  old.replacement = { sizeBytes: fresh.sizeBytes, maxTimestamp: fresh.maxTimestamp }
  try {
    await checkpointer.rewrite()
  } catch (error) {
    old.replacement = null
    throw isDiskFull(error) ? new LogDiskFullError(old.logPath, error) : error
  }
}
