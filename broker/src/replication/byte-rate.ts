/**
 * A limit in bytes per second that many share: a token bucket that may be overdrawn.
 *
 * Who wants to spend asks how long to wait, then spends what it really took: the size of a read is known only after it.
 * The overdraft is worked off before the next one may start, so that the average holds whatever the sizes are.
 */
import type { Clock } from './tick-loop.ts'

/** Bytes that may be spent at once after a pause, in milliseconds of the rate. */
const BURST_MS = 100

/** See the file's header. Owner: the broker; one per process. */
export class ByteRate {
  readonly #clock: Pick<Clock, 'nowMs'>
  readonly #bytesPerMs: number
  #tokens: number
  #refilledMs: number

  /** @param bytesPerSecond 0 for no limit. */
  constructor(clock: Pick<Clock, 'nowMs'>, bytesPerSecond: number) {
    this.#clock = clock
    this.#bytesPerMs = bytesPerSecond === 0 ? Number.POSITIVE_INFINITY : bytesPerSecond / 1000
    this.#tokens = this.#bytesPerMs * BURST_MS
    this.#refilledMs = clock.nowMs()
  }

  /** How long to wait before spending anything, ms; 0 when there is something left. */
  get delayMs(): number {
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return 0
    this.#refill()
    return this.#tokens > 0 ? 0 : Math.max(1, Math.ceil(-this.#tokens / this.#bytesPerMs))
  }

  /** Takes bytes, also more than there are. */
  spend(bytes: number): void {
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return
    this.#refill()
    this.#tokens -= bytes
  }

  #refill(): void {
    const nowMs = this.#clock.nowMs()
    // A clock that was set back must not take anything away.
    const elapsedMs = Math.max(0, nowMs - this.#refilledMs)
    this.#refilledMs = nowMs
    this.#tokens = Math.min(this.#bytesPerMs * BURST_MS, this.#tokens + elapsedMs * this.#bytesPerMs)
  }
}
