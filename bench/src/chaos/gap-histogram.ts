/** Gaps in ms as percentiles and as a histogram of text. */

const BOUNDS_MS = [5, 10, 20, 50, 100, 200, 500, 1000, 1500, 2000, 3000, 5000, 10_000] as const
const BAR_LENGTH_MAX = 40

/** The value that a share of the values does not exceed (nearest rank); NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN
}

/** One line of figures, then one for each bucket from the first to the last that holds something. */
export function renderGaps(title: string, gapsMs: readonly number[]): string {
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => percentile(gapsMs, share).toFixed(1))
  const counts = Array.from({ length: BOUNDS_MS.length + 1 }, () => 0)
  for (const gapMs of gapsMs) {
    const bucket = BOUNDS_MS.findIndex((bound) => gapMs <= bound)
    counts[bucket < 0 ? BOUNDS_MS.length : bucket]!++
  }
  const first = counts.findIndex((count) => count > 0)
  const last = counts.findLastIndex((count) => count > 0)
  const most = Math.max(...counts)
  const rows = counts.slice(Math.max(0, first), last + 1).map((count, index) => {
    const bound = BOUNDS_MS[index + Math.max(0, first)]
    const label = bound === undefined ? `above ${BOUNDS_MS.at(-1)} ms` : `up to ${bound} ms`
    return `  ${label.padStart(15)}  ${String(count).padStart(4)}  ${'#'.repeat(Math.ceil((count / most) * BAR_LENGTH_MAX))}`
  })
  return [`${title}: ${gapsMs.length} gaps, p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`, ...rows].join('\n')
}
