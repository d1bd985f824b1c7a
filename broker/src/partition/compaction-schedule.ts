/**
 * Which copy is to be compacted next: the one with the largest dirty part, else one whose tombstones are due. A copy whose
 * round has failed waits, longer each time; one whose tombstones could not all go is not asked again at once. Pure.
 */

/** What is known of a copy. */
export interface CompactionCandidate<Copy extends object> {
  readonly copy: Copy
  /** 0 to 1. */
  readonly dirtyRatio: number
  /** Its dirty part is large enough. */
  readonly isWorthwhile: boolean
  readonly hasDueTombstones: boolean
  readonly deleteRetentionMs: number
}

interface CopyState {
  failureCount: number
  /** Not before, ms. */
  notBeforeMs: number
  /** No round for tombstones alone before, ms. */
  tombstonesNotBeforeMs: number
}

const PENALTY_MS_MAX = 600_000
const TOMBSTONE_PAUSE_MS_MAX = 3_600_000

/** See the file's header. Forgets copies with their last reference. */
export class CompactionSchedule<Copy extends object> {
  readonly #backoffMs: number
  readonly #states = new WeakMap<Copy, CopyState>()

  /** @param backoffMs after a first failure, ms > 0. */
  constructor(backoffMs: number) {
    this.#backoffMs = backoffMs
  }

  /** The copy to be compacted now, or null. Linear in their number. */
  next(candidates: Iterable<CompactionCandidate<Copy>>, nowMs: number): Copy | null {
    let best: CompactionCandidate<Copy> | null = null
    for (const candidate of candidates) {
      const state = this.#states.get(candidate.copy)
      if (state !== undefined && nowMs < state.notBeforeMs) continue
      const mayDropTombstones = candidate.hasDueTombstones && nowMs >= (state?.tombstonesNotBeforeMs ?? 0)
      if (!candidate.isWorthwhile && !mayDropTombstones) continue
      if (best === null || rankOf(candidate) > rankOf(best)) best = candidate
    }
    return best?.copy ?? null
  }

  /** A round has ended well. */
  ended({ copy, deleteRetentionMs }: CompactionCandidate<Copy>, nowMs: number): void {
    const pauseMs = Math.max(this.#backoffMs, Math.min(deleteRetentionMs, TOMBSTONE_PAUSE_MS_MAX))
    this.#states.set(copy, { failureCount: 0, notBeforeMs: 0, tombstonesNotBeforeMs: nowMs + pauseMs })
  }

  /** A round has failed. */
  failed({ copy }: CompactionCandidate<Copy>, nowMs: number): void {
    const failureCount = (this.#states.get(copy)?.failureCount ?? 0) + 1
    const penaltyMs = Math.min(PENALTY_MS_MAX, this.#backoffMs * 2 ** (failureCount - 1))
    const notBeforeMs = nowMs + penaltyMs
    this.#states.set(copy, { failureCount, notBeforeMs, tombstonesNotBeforeMs: notBeforeMs })
  }
}

function rankOf({ isWorthwhile, dirtyRatio }: CompactionCandidate<object>): number {
  return isWorthwhile ? 1 + dirtyRatio : 0
}
