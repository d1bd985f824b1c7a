/**
 * Latencies of one kind, as a histogram with three significant figures from 1 ns to a minute, whatever their number.
 */
import { createHistogram } from 'node:perf_hooks'

/** In microseconds but for `count`. */
export interface LatencySummary {
  readonly count: number
  readonly min: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

const HIGHEST_NS = 60e9
const NS_PER_US = 1000

/** See the file's header. */
export class LatencyHistogram {
  readonly #histogram = createHistogram({ lowest: 1, highest: HIGHEST_NS, figures: 3 })

  /** @param latencyNs below 1 counts as 1, above a minute as a minute: such a run is to be looked at, not averaged. */
  record(latencyNs: number): void {
    this.#histogram.record(Math.min(Math.max(1, Math.round(latencyNs)), HIGHEST_NS))
  }

  /** All zero when nothing was recorded. */
  summary(): LatencySummary {
    const histogram = this.#histogram
    if (histogram.count === 0) return { count: 0, min: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 }
    const percentile = (percent: number): number => histogram.percentile(percent) / NS_PER_US
    return {
      count: histogram.count,
      min: histogram.min / NS_PER_US,
      p50: percentile(50),
      p90: percentile(90),
      p99: percentile(99),
      p999: percentile(99.9),
      max: histogram.max / NS_PER_US,
    }
  }
}
