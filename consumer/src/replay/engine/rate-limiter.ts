/**
 * A limit in bytes per second that the threads of a replay share: the moment at which the next bytes may be read lies in
 * memory that all of them see, and each takes its turn by moving it on.
 *
 * Invariant: the moment never goes back, and an idle limiter saves up no more than a tenth of a second.
 */
import { delay } from '@stratalog/client'

/** What a worker needs to take part. */
export interface RateLimit {
  readonly bytesPerSecond: number
  /** One int64: monotonic time in ns, shared by all threads. */
  readonly shared: SharedArrayBuffer
}

const SAVED_NS = 100_000_000n
/** Shorter waits are left to the next time. */
const SHORTEST_WAIT_MS = 5

/** A limit that threads can share. @param bytesPerSecond 1..2^53-1. */
export function createRateLimit(bytesPerSecond: number): RateLimit {
  return { bytesPerSecond, shared: new SharedArrayBuffer(8) }
}

/** One thread's view of the limit. */
export class RateLimiter {
  readonly #bytesPerSecond: number
  readonly #nextNs: BigInt64Array
  readonly #nowNs: () => bigint

  /** @param nowNs monotonic, the same in all threads of the process. */
  constructor(limit: RateLimit, nowNs: () => bigint = process.hrtime.bigint) {
    this.#bytesPerSecond = limit.bytesPerSecond
    this.#nextNs = new BigInt64Array(limit.shared)
    this.#nowNs = nowNs
  }

  /** Takes note of bytes that were read. @returns how long to wait before more are, in ms. */
  take(bytes: number): number {
    const costNs = BigInt(Math.ceil((bytes * 1e9) / this.#bytesPerSecond))
    for (;;) {
      const before = Atomics.load(this.#nextNs, 0)
      const nowNs = this.#nowNs()
      const from = before > nowNs - SAVED_NS ? before : nowNs - SAVED_NS
      const after = from + costNs
      if (Atomics.compareExchange(this.#nextNs, 0, before, after) !== before) continue
      return after > nowNs ? Number(after - nowNs) / 1e6 : 0
    }
  }

  /** As `take`, and waits. Rejects with CANCELLED. */
  async pace(bytes: number, signal: AbortSignal): Promise<void> {
    const waitMs = this.take(bytes)
    if (waitMs >= SHORTEST_WAIT_MS) await delay(waitMs, signal)
  }
}
