/** What a replay did, in full: what it resolves with, and what `_summary.json` holds. Plain JSON. Pure. */
import type { ReplayGap } from '../gap.ts'
import type { ReplayManifest } from '../manifest.ts'
import type { FileForm } from '../sinks/file-format.ts'
import type { WrittenFile } from '../sinks/split-file.ts'
import { addCounts } from './progress.ts'
import { NO_COUNTS, type SplitCounts, type SplitResult } from './thread-messages.ts'

/** Sums of one partition. */
export interface PartitionSummary extends SplitCounts {
  readonly topic: string
  readonly partition: number
  readonly startOffset: number
  readonly endOffset: number
}

/** A file of the output. */
export interface FileSummary extends WrittenFile {
  readonly splitId: string
  readonly recordCount: number
}

/** See the file's header. */
export interface ReplaySummary extends SplitCounts {
  readonly format: 'stratalog-replay-summary'
  readonly version: 1
  readonly manifestId: string
  readonly topics: readonly { readonly topic: string; readonly topicId: string }[]
  /** null for sinks that write no text. */
  readonly form: FileForm | null
  readonly splitCount: number
  /** Splits that an earlier run had done. */
  readonly resumedSplitCount: number
  readonly fileBytes: number
  readonly partitions: readonly PartitionSummary[]
  /** Every range without records, by partition and offset, and why. */
  readonly gaps: readonly ReplayGap[]
  /** By name. */
  readonly files: readonly FileSummary[]
  /** Files of records that did not fit. */
  readonly rejects: readonly FileSummary[]
  /** When the first run began and the last one ended, ms since 1970. */
  readonly startedAtMs: number
  readonly finishedAtMs: number
  /** Of this run alone. */
  readonly durationMs: number
}

/** What the summary is made of. */
export interface SummaryParts {
  readonly manifest: ReplayManifest
  readonly form: FileForm | null
  readonly results: readonly SplitResult[]
  readonly resumedSplitCount: number
  readonly startedAtMs: number
  readonly finishedAtMs: number
  readonly durationMs: number
}

/** The summary of a replay that is done. */
export function summarize(parts: SummaryParts): ReplaySummary {
  const { manifest, results, ...rest } = parts
  const byId = new Map(results.map((result) => [result.splitId, result]))
  const ordered = manifest.splits.flatMap(({ id }) => byId.get(id) ?? [])
  const files = ordered.flatMap((result) => fileOf(result, result.file, result.recordCount))
  return {
    format: 'stratalog-replay-summary',
    version: 1,
    manifestId: manifest.id,
    topics: manifest.topics.map(({ topic, topicId }) => ({ topic, topicId })),
    ...rest,
    ...ordered.map(countsOf).reduce(addCounts, NO_COUNTS),
    splitCount: manifest.splits.length,
    fileBytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    partitions: partitionsOf(manifest, byId),
    gaps: ordered.flatMap(({ gaps }) => gaps),
    files,
    rejects: ordered.flatMap((result) => fileOf(result, result.rejects, result.rejectedCount)),
  }
}

/** The counts alone. */
export function countsOf(result: SplitCounts): SplitCounts {
  const { recordCount, filteredCount, rejectedCount, missingCount, readBytes } = result
  return { recordCount, filteredCount, rejectedCount, missingCount, readBytes }
}

function partitionsOf(manifest: ReplayManifest, byId: ReadonlyMap<string, SplitResult>): PartitionSummary[] {
  return manifest.topics.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, startOffset, endOffset }) => {
      const own = manifest.splits.filter((split) => split.topic === topic && split.partition === partition)
      const counts = own.flatMap(({ id }) => byId.get(id) ?? []).map(countsOf)
      return { topic, partition, startOffset, endOffset, ...counts.reduce(addCounts, NO_COUNTS) }
    }),
  )
}

function fileOf({ splitId }: SplitResult, file: WrittenFile | null, recordCount: number): FileSummary[] {
  return file === null ? [] : [{ ...file, splitId, recordCount }]
}
