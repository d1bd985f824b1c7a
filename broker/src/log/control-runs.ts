/**
 * Where control batches lie near the end of the log, for the visible end that clients are told.
 *
 * A run is a stretch [start, end) of nothing but control batches. They are rare (one per leader, one per change of
 * voters), so the newest few answer every question about a high watermark; older runs are forgotten, and an end
 * offset that old is answered as it is. Source: RELIABILITY finding 2.
 *
 * Invariant: runs are disjoint, not adjacent, and ascending. Owner: the log's writer loop.
 */
import type { Offset } from '@stratalog/proto'

/** Runs to remember; the checkpoint stores them all. */
const RUN_COUNT_MAX = 32

/** `[start, end)` holds control batches only. */
export interface ControlRun {
  readonly start: Offset
  readonly end: Offset
}

/** See the file's header. */
export class ControlRuns {
  #runs: ControlRun[]

  constructor(runs: readonly ControlRun[] = []) {
    this.#runs = [...runs]
  }

  /** Oldest first. */
  get runs(): readonly ControlRun[] {
    return this.#runs
  }

  /** Notes a control batch at the end of the log. */
  add(start: Offset, end: Offset): void {
    const last = this.#runs.at(-1)
    if (last !== undefined && last.end === start) this.#runs[this.#runs.length - 1] = { start: last.start, end }
    else this.#runs.push({ start, end })
    if (this.#runs.length > RUN_COUNT_MAX) this.#runs.shift()
  }

  /** One past the last data record below `endOffset`, if only control batches lie between the two; else `endOffset`. */
  visibleEnd(endOffset: Offset): Offset {
    for (let index = this.#runs.length - 1; index >= 0; index--) {
      const run = this.#runs[index]!
      if (run.end < endOffset) return endOffset
      if (run.start < endOffset) return run.start
    }
    return endOffset
  }

  /** Forgets what lies at or beyond `endOffset`: the log was cut there. */
  truncateTo(endOffset: Offset): void {
    this.#runs = this.#runs
      .filter((run) => run.start < endOffset)
      .map((run) => (run.end > endOffset ? { start: run.start, end: endOffset } : run))
  }
}
