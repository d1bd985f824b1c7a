/** Options of `replay`: defaults, ranges, and what each means. */
import { availableParallelism } from 'node:os'
import { checkedChoice, checkedInteger, invalidOption, type NumberRange } from '@stratalog/client'
import type { ReplayGap } from '../gap.ts'
import type { ReplayManifest } from '../manifest.ts'
import type { PlanReplayOptions } from '../plan-options.ts'
import type { ReplaySink } from '../sinks/sink.ts'
import type { ReplaySource } from '../source.ts'
import type { ReplayProgress } from './progress.ts'
import type { RecordFilter } from './record-filter.ts'

/** What `replay` takes. */
export interface ReplayOptions {
  /** Where to read; `replay` does not close it. Worker threads open their own by its `spec`. */
  readonly source: ReplaySource
  /** What to read, planned. */
  readonly manifest?: ReplayManifest | undefined
  /** What to read, to be planned now. With `resume` the plan in the checkpoint goes before it. */
  readonly plan?: PlanReplayOptions | undefined
  /** What becomes of the records. */
  readonly sink: ReplaySink
  /** Worker threads, 1..64; default the number of cores, at most 8. A thread reads a split at a time. */
  readonly parallelism?: number | undefined
  /** Only these records. */
  readonly filter?: RecordFilter | undefined
  /** Goes on with what was begun in the folder, or begins when nothing was. Default false: the folder must be empty. */
  readonly resume?: boolean | undefined
  /** Folder for the checkpoint of a sink that is none of files. Without it such a replay cannot be resumed. */
  readonly checkpointDir?: string | undefined
  /** Stored in the checkpoint and compared on a resume: whatever else makes a replay another one. Plain JSON. */
  readonly request?: Readonly<Record<string, unknown>> | undefined
  /** Pass over damaged batches; each is a gap in the report. Default: CORRUPT_MESSAGE. */
  readonly skipCorrupt?: boolean | undefined
  /** What ranges mean that were deleted since the plan: OFFSET_OUT_OF_RANGE (`fail`, the default), or a gap in the report. */
  readonly onDeleted?: 'fail' | 'skip' | undefined
  /** Bytes of batches read ahead by each thread, 64 KiB..256 MiB, default 4 MiB. */
  readonly prefetchBytes?: number | undefined
  /** Bytes of batches read per second, all threads together, 1..2^53-1. Default: no limit. */
  readonly bytesPerSecondMax?: number | undefined
  /** Ends the replay with CANCELLED; what is complete stays, and can be resumed. */
  readonly signal?: AbortSignal | undefined
  /** Told every `progressIntervalMs` (50..3,600,000 ms, default 250) and at the end. */
  readonly onProgress?: ((progress: ReplayProgress) => void) | undefined
  readonly progressIntervalMs?: number | undefined
  /** Told of every gap when its split is done. */
  readonly onGap?: ((gap: ReplayGap) => void) | undefined
}

/** Checked, with defaults. */
export interface ResolvedReplayOptions {
  readonly parallelism: number
  readonly skipCorrupt: boolean
  readonly onDeleted: 'fail' | 'skip'
  readonly prefetchBytes: number
  readonly bytesPerSecondMax: number | null
  readonly progressIntervalMs: number
}

const MIB = 1024 * 1024
const DEFAULT_PARALLELISM_MAX = 8
const PREFETCH_BYTES: NumberRange = { default: 4 * MIB, min: 64 * 1024, max: 256 * MIB }
const PROGRESS_INTERVAL_MS: NumberRange = { default: 250, min: 50, max: 3_600_000 }
const BYTES_PER_SECOND: NumberRange = { default: 1, min: 1, max: Number.MAX_SAFE_INTEGER }

/** Errors: INVALID_CONFIG naming the option, its value and what is allowed. */
export function resolveReplayOptions(options: ReplayOptions): ResolvedReplayOptions {
  const { manifest, plan, resume, bytesPerSecondMax } = options
  if (manifest === undefined && plan === undefined && resume !== true) {
    throw invalidOption('manifest', manifest, 'what planReplay gives, unless there is a plan or a replay to resume')
  }
  if (manifest !== undefined && plan !== undefined)
    throw invalidOption('plan', plan, 'left out where a manifest is given')
  const threads: NumberRange = { default: Math.min(availableParallelism(), DEFAULT_PARALLELISM_MAX), min: 1, max: 64 }
  return {
    parallelism: checkedInteger('parallelism', options.parallelism, threads),
    skipCorrupt: options.skipCorrupt === true,
    onDeleted: checkedChoice('onDeleted', options.onDeleted, ['fail', 'skip'] as const, 'fail'),
    prefetchBytes: checkedInteger('prefetchBytes', options.prefetchBytes, PREFETCH_BYTES),
    bytesPerSecondMax:
      bytesPerSecondMax === undefined ? null : checkedInteger('bytesPerSecondMax', bytesPerSecondMax, BYTES_PER_SECOND),
    progressIntervalMs: checkedInteger('progressIntervalMs', options.progressIntervalMs, PROGRESS_INTERVAL_MS),
  }
}
