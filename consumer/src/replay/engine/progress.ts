/**
 * How far a replay is: sums over the splits that are done and those under way, the rate of late, and the time left. Pure: the
 * clock comes in.
 */
import type { ReplaySplit } from '../manifest.ts'
import { NO_COUNTS, type SplitCounts } from './thread-messages.ts'

/** How far a replay is. */
export interface ReplayProgress extends SplitCounts {
  /** Offsets of the plan, and those that are done with, by this run or by an earlier one. */
  readonly plannedOffsetCount: number
  readonly doneOffsetCount: number
  readonly splitCount: number
  readonly doneSplitCount: number
  /** 0..1, by offsets. */
  readonly share: number
  /** Of this run, over the last seconds. */
  readonly recordsPerSecond: number
  readonly bytesPerSecond: number
  /** ms; null until a rate is known. */
  readonly timeLeftMs: number | null
  readonly elapsedMs: number
  /** Splits under way, with the position that each has reached. */
  readonly active: readonly { readonly splitId: string; readonly position: number }[]
}

/** Rates are taken over so long. */
const WINDOW_MS = 5_000

interface Sample {
  readonly atMs: number
  readonly offsetCount: number
  readonly recordCount: number
  readonly bytes: number
}

/** Keeps account. Owner: one replay. */
export class ProgressMeter {
  readonly #splits: ReadonlyMap<string, ReplaySplit>
  readonly #startedAtMs: number
  readonly #plannedOffsetCount: number
  readonly #active = new Map<string, { counts: SplitCounts; position: number }>()
  readonly #samples: Sample[] = []
  #done: SplitCounts = NO_COUNTS
  #doneOffsetCount = 0
  #doneSplitCount = 0

  constructor(splits: readonly ReplaySplit[], nowMs: number) {
    this.#splits = new Map(splits.map((split) => [split.id, split]))
    this.#startedAtMs = nowMs
    this.#plannedOffsetCount = splits.reduce((sum, split) => sum + split.endOffset - split.startOffset, 0)
  }

  /** A split was done by an earlier run. */
  resumed(splitId: string, counts: SplitCounts): void {
    this.#finish(splitId, counts)
    this.#samples.length = 0
  }

  /** A split is under way. */
  progress(splitId: string, counts: SplitCounts, position: number): void {
    this.#active.set(splitId, { counts, position })
  }

  /** A split is done. */
  done(splitId: string, counts: SplitCounts): void {
    this.#finish(splitId, counts)
  }

  /** As of now. */
  at(nowMs: number): ReplayProgress {
    let counts = this.#done
    let doneOffsetCount = this.#doneOffsetCount
    for (const [splitId, { counts: each, position }] of this.#active) {
      counts = addCounts(counts, each)
      doneOffsetCount += position - (this.#splits.get(splitId)?.startOffset ?? position)
    }
    const rates = this.#rates({
      atMs: nowMs,
      offsetCount: doneOffsetCount,
      recordCount: counts.recordCount,
      bytes: counts.readBytes,
    })
    const leftCount = this.#plannedOffsetCount - doneOffsetCount
    return {
      ...counts,
      plannedOffsetCount: this.#plannedOffsetCount,
      doneOffsetCount,
      splitCount: this.#splits.size,
      doneSplitCount: this.#doneSplitCount,
      share: this.#plannedOffsetCount === 0 ? 1 : doneOffsetCount / this.#plannedOffsetCount,
      recordsPerSecond: rates.records,
      bytesPerSecond: rates.bytes,
      timeLeftMs: leftCount === 0 ? 0 : rates.offsets > 0 ? (leftCount / rates.offsets) * 1000 : null,
      elapsedMs: nowMs - this.#startedAtMs,
      active: [...this.#active].map(([splitId, { position }]) => ({ splitId, position })),
    }
  }

  #finish(splitId: string, counts: SplitCounts): void {
    const split = this.#splits.get(splitId)
    this.#active.delete(splitId)
    this.#done = addCounts(this.#done, counts)
    this.#doneOffsetCount += split === undefined ? 0 : split.endOffset - split.startOffset
    this.#doneSplitCount++
  }

  /** Per second, over the window or since the first look. */
  #rates(now: Sample): { offsets: number; records: number; bytes: number } {
    const samples = this.#samples
    samples.push(now)
    while (samples.length > 2 && samples[1]!.atMs < now.atMs - WINDOW_MS) samples.shift()
    const first = samples[0]!
    const seconds = (now.atMs - first.atMs) / 1000
    if (seconds <= 0) return { offsets: 0, records: 0, bytes: 0 }
    const rate = (field: 'offsetCount' | 'recordCount' | 'bytes'): number =>
      Math.max(0, (now[field] - first[field]) / seconds)
    return { offsets: rate('offsetCount'), records: rate('recordCount'), bytes: rate('bytes') }
  }
}

/** Field by field. */
export function addCounts(a: SplitCounts, b: SplitCounts): SplitCounts {
  return {
    recordCount: a.recordCount + b.recordCount,
    filteredCount: a.filteredCount + b.filteredCount,
    rejectedCount: a.rejectedCount + b.rejectedCount,
    missingCount: a.missingCount + b.missingCount,
    readBytes: a.readBytes + b.readBytes,
  }
}
