/**
 * Gathers gaps as a reader meets them and tells neighbours of one cause as one, so that a compacted topic is a few gaps
 * and not one a batch.
 */
import type { GapCause, ReplayGap } from './gap.ts'
import type { ReplaySplit } from './manifest.ts'

/** See the file's header. Bounded: it holds one gap. */
export class GapLog {
  readonly #split: ReplaySplit
  readonly #tell: (gap: ReplayGap) => void
  #pending: ReplayGap | null = null
  #missingCount = 0

  constructor(split: ReplaySplit, tell: (gap: ReplayGap) => void) {
    this.#split = split
    this.#tell = tell
  }

  /** Offsets without a record so far. */
  get missingCount(): number {
    return this.#missingCount
  }

  /** Offsets `[startOffset, endOffset)`, of which `missingCount` have no record. Nothing when that is 0. */
  add(cause: GapCause, startOffset: number, endOffset: number, missingCount: number, detail = ''): void {
    if (missingCount === 0) return
    this.#missingCount += missingCount
    const last = this.#pending
    if (last !== null && last.cause === cause && last.endOffset === startOffset && last.detail === detail) {
      this.#pending = { ...last, endOffset, missingCount: last.missingCount + missingCount }
      return
    }
    this.flush()
    const { topic, partition, id } = this.#split
    this.#pending = { topic, partition, splitId: id, startOffset, endOffset, missingCount, cause, detail }
  }

  /** Tells what is pending. */
  flush(): void {
    const gap = this.#pending
    this.#pending = null
    if (gap !== null) this.#tell(gap)
  }
}
