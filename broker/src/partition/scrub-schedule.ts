/**
 * Which copy is to be checked next: the one whose last check ended longest ago, once its interval has passed. A copy that
 * was never checked in this run of the broker comes before all others. Pure.
 */

/** See the file's header. Forgets copies with their last reference. */
export class ScrubSchedule<Copy extends object> {
  readonly #intervalMs: number
  /** When the last check of a copy ended. */
  readonly #endedMs = new WeakMap<Copy, number>()

  /** @param intervalMs from the end of a check to the next one of the same copy, ms > 0. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs
  }

  /** The copy whose check is due, or null when none is. Linear in the number of copies. */
  next(copies: Iterable<Copy>, nowMs: number): Copy | null {
    let oldest: Copy | null = null
    let oldestMs = Number.POSITIVE_INFINITY
    for (const copy of copies) {
      const endedMs = this.#endedMs.get(copy) ?? Number.NEGATIVE_INFINITY
      // A check that ended in the future was noted before the clock was set back.
      const isDue = nowMs - endedMs >= this.#intervalMs || endedMs > nowMs
      if (!isDue || (oldest !== null && endedMs >= oldestMs)) continue
      oldest = copy
      oldestMs = endedMs
    }
    return oldest
  }

  /** The check of a copy has ended, however it went. */
  ended(copy: Copy, nowMs: number): void {
    this.#endedMs.set(copy, nowMs)
  }
}
