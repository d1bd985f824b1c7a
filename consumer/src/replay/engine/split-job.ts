/**
 * Reads one split to its end and hands its records on: the loop in which all the work of a replay is done.
 *
 * Invariant: every offset of the split is accounted for when it is done: a record handed on, one that did not fit, one that
 * the filter left out, or a gap with its cause. Otherwise the replay fails and keeps nothing of the split.
 */
import { throwIfAborted } from '@stratalog/client'
import { invariant } from '@stratalog/proto'
import type { ReplayGap } from '../gap.ts'
import type { ReplaySplit } from '../manifest.ts'
import type { ReadSplitOptions } from '../read-options.ts'
import { readSplit } from '../read-split.ts'
import type { ReplaySource } from '../source.ts'
import type { RateLimiter } from './rate-limiter.ts'
import type { SplitOutput } from './split-output.ts'
import type { SplitCounts, SplitResult } from './thread-messages.ts'

const PROGRESS_INTERVAL_MS = 100

/** What a job works with. */
export interface SplitJob {
  readonly source: ReplaySource
  readonly split: ReplaySplit
  readonly output: SplitOutput
  readonly read: Pick<ReadSplitOptions, 'filter' | 'skipCorrupt' | 'onDeleted' | 'prefetchBytes'>
  readonly limiter: RateLimiter | null
  readonly signal: AbortSignal
  /** Told now and then, and at the end. */
  readonly onProgress: (counts: SplitCounts, position: number) => void
}

/** Runs a job. Errors: as of `readSplit` and of the output; the output is discarded then. */
export async function runSplit(job: SplitJob): Promise<SplitResult> {
  const { split, output } = job
  const gaps: ReplayGap[] = []
  try {
    const counts = await copyRecords(job, gaps)
    const { file, rejects } = await output.finish()
    return { splitId: split.id, ...counts, gaps, file, rejects }
  } catch (error) {
    output.discard()
    throw error
  }
}

async function copyRecords(job: SplitJob, gaps: ReplayGap[]): Promise<SplitCounts> {
  const { source, split, output, read, limiter, signal, onProgress } = job
  const reader = readSplit(source, split, { ...read, signal, onGap: (gap) => gaps.push(gap) })
  const counts = (): SplitCounts => ({
    recordCount: output.recordCount ?? reader.stats.recordCount,
    filteredCount: reader.stats.filteredCount,
    rejectedCount: output.rejectedCount,
    missingCount: reader.stats.missingCount,
    readBytes: reader.stats.bytes,
  })
  let toldAtMs = performance.now()
  for await (const batch of reader) {
    const { recordCount } = reader.stats
    const waiting = output.take(batch)
    if (waiting !== null) await waiting
    // A batch is counted when it is walked to its end, which a module of the application's may leave out.
    if (output.recordCount === null && reader.stats.recordCount === recordCount) batch.forEach(() => {})
    if (limiter !== null) await limiter.pace(batch.sizeBytes, signal)
    throwIfAborted(signal)
    if (performance.now() - toldAtMs < PROGRESS_INTERVAL_MS) continue
    onProgress(counts(), reader.stats.position)
    toldAtMs = performance.now()
  }
  throwIfAborted(signal)
  const done = counts()
  const accounted = done.recordCount + done.rejectedCount + done.filteredCount + done.missingCount
  invariant(
    accounted === split.endOffset - split.startOffset,
    () => `split ${split.id}: ${accounted} of ${split.endOffset - split.startOffset} offsets are accounted for`,
  )
  onProgress(done, split.endOffset)
  return done
}
