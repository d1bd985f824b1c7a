/**
 * Waiting times between attempts: doubling, capped, jittered, so that many clients of a broker that comes back do not
 * arrive together (USERS.md 1, row 14).
 */

/** Range of a backoff. */
export interface BackoffOptions {
  /** Longest wait after the first failure, ms > 0. */
  readonly initialMs: number
  /** Longest wait ever, ms >= initialMs. */
  readonly maxMs: number
}

/** Between a broker's or a partition's attempts: 25 ms, so that a change of leaders is a short gap, doubling to 1 s. */
export const RETRY_BACKOFF: BackoffOptions = { initialMs: 25, maxMs: 1_000 }

/**
 * The wait before attempt `failureCount + 1`, in ms.
 *
 * @param failureCount failures in a row, 0 = none yet (no wait).
 * @param random uniform in [0, 1).
 * @returns 0, or a value in [half, whole] of min(initialMs * 2^(failureCount - 1), maxMs).
 */
export function backoffDelayMs(failureCount: number, options: BackoffOptions, random: () => number): number {
  if (failureCount <= 0) return 0
  const ceilingMs = Math.min(options.maxMs, options.initialMs * 2 ** Math.min(failureCount - 1, 30))
  return Math.round(ceilingMs * (0.5 + 0.5 * random()))
}

/** While an election may be under way. */
const ELECTION_BACKOFF: BackoffOptions = { initialMs: 25, maxMs: 250 }
/** Attempts that are spaced like that: a few seconds of them. */
const ELECTION_ATTEMPTS = 20
/** After it: somebody has to bring a broker back. */
const OUTAGE_BACKOFF: BackoffOptions = { initialMs: 500, maxMs: 1_000 }

/**
 * The wait before the next attempt to reach a partition's leader, in ms: attempts stay close together for as long as an
 * election may take, so that the gap after it is short, and are a second apart later on.
 *
 * @param failureCount attempts in a row that failed, 0 = none yet (no wait).
 * @param random uniform in [0, 1).
 */
export function leaderBackoffDelayMs(failureCount: number, random: () => number): number {
  if (failureCount <= ELECTION_ATTEMPTS) return backoffDelayMs(failureCount, ELECTION_BACKOFF, random)
  return backoffDelayMs(failureCount - ELECTION_ATTEMPTS, OUTAGE_BACKOFF, random)
}
