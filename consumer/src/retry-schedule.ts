/** When each partition may be tried again: a capped, jittered backoff that a success ends. Pure: time comes in. */
import { leaderBackoffDelayMs, type StratalogError } from '@stratalog/client'
import type { PartitionState } from './partition-state.ts'

interface Retry {
  readonly failureCount: number
  readonly dueMs: number
  readonly error: StratalogError | null
}

/** See the file's header. Partitions not in it are due at once. */
export class RetrySchedule {
  readonly #retries = new Map<PartitionState, Retry>()
  readonly #random: () => number

  /** @param random uniform in [0, 1). */
  constructor(random: () => number) {
    this.#random = random
  }

  /** It failed: tried again after a wait. */
  failed(partition: PartitionState, error: StratalogError | null, nowMs: number): void {
    const failureCount = (this.#retries.get(partition)?.failureCount ?? 0) + 1
    const dueMs = nowMs + leaderBackoffDelayMs(failureCount, this.#random)
    this.#retries.set(partition, { failureCount, dueMs, error })
  }

  /** It works, or begins anew. */
  succeeded(partition: PartitionState): void {
    this.#retries.delete(partition)
  }

  /** Whether it failed since it last worked: what is known of its leader is then asked for again. */
  hasFailed(partition: PartitionState): boolean {
    return this.#retries.has(partition)
  }

  /** Why it failed last. */
  lastError(partition: PartitionState): StratalogError | null {
    return this.#retries.get(partition)?.error ?? null
  }

  /** Time until it may be tried, in ms; 0 = now. */
  waitMs(partition: PartitionState, nowMs: number): number {
    return Math.max(0, (this.#retries.get(partition)?.dueMs ?? nowMs) - nowMs)
  }
}
