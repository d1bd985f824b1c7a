/** The date as it was when this began, and from there on by a clock that nobody sets: for deadlines that are kept as dates. */
import type { Clock } from '../replication/tick-loop.ts'

/** See the file's header. */
export class MonotonicTime {
  readonly #clock: Clock
  readonly #anchorMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#anchorMs = clock.nowMs() - clock.monotonicMs()
  }

  /** ms since 1970, whole; never goes back. */
  nowMs(): number {
    return Math.floor(this.#anchorMs + this.#clock.monotonicMs())
  }
}
