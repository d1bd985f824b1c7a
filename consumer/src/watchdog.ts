/**
 * Tells who has been silent for too long. Pure: time comes in with `tick`.
 *
 * Silence is counted in ticks, each worth at most twice the usual: a process that was blocked, and so could not hear
 * anything, does not take its own deafness for the broker's silence.
 */

/** Watches over things of type `T`. */
export class Watchdog<T> {
  readonly #timeoutMs: number
  /** How often `tick` should be called, in ms. */
  readonly tickMs: number
  readonly #silentMs = new Map<T, number>()
  #lastTickMs: number | null = null

  /** @param timeoutMs silence that counts as a stall. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.tickMs = Math.max(10, Math.min(1_000, Math.floor(timeoutMs / 8)))
  }

  /** Something was heard from `item`, or it is to be watched from now on. */
  heard(item: T): void {
    this.#silentMs.set(item, 0)
  }

  /** Watches `item` unless it is watched already. */
  watch(item: T): void {
    if (!this.#silentMs.has(item)) this.#silentMs.set(item, 0)
  }

  /** Stops watching. */
  forget(item: T): void {
    this.#silentMs.delete(item)
  }

  /** Time goes on. @returns those silent for the timeout; their silence is counted anew from here. */
  tick(nowMs: number): T[] {
    const sinceMs = this.#lastTickMs === null ? 0 : Math.max(0, nowMs - this.#lastTickMs)
    this.#lastTickMs = nowMs
    const stepMs = Math.min(sinceMs, this.tickMs * 2)
    const stalled: T[] = []
    for (const [item, silentMs] of this.#silentMs) {
      const total = silentMs + stepMs
      this.#silentMs.set(item, total >= this.#timeoutMs ? 0 : total)
      if (total >= this.#timeoutMs) stalled.push(item)
    }
    return stalled
  }
}
