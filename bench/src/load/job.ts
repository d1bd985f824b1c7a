/** What the bench asks of a load process, and what comes back: plain data over the IPC channel. */
import type { LatencySummary } from './latency-histogram.ts'

/** Work for one load process. */
export interface LoadJob {
  readonly kind: 'produce' | 'consume' | 'bare-write' | 'paced-produce' | 'timed-consume' | 'floor'
  /** For all that need a cluster. */
  readonly bootstrap: string
  readonly topic: string
  readonly partitionCount: number
  /** For bare-write and floor: an empty folder on the brokers' disk. */
  readonly directory: string
  readonly valueBytes: number
  readonly recordCount: number
  /** For produce: number of the first record, a multiple of the number of partitions; default 0. */
  readonly firstRecord?: number
  /** For bare-write: how often everything is written, each time to a file of its own. */
  readonly copyCount?: number
  /** For paced-produce and timed-consume. */
  readonly pace?: Pace
}

/** When records are due. */
export interface Pace {
  readonly ratePerSecond: number
  /** Records at the beginning that are sent and read like all others but not measured. */
  readonly warmUpCount: number
}

/** What it took. */
export interface LoadResult {
  readonly records: number
  /** Bytes of values, without framing. */
  readonly valueBytes: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakRssBytes: number
  /** By name, those that this kind of load measures. */
  readonly latencies: Readonly<Record<string, LatencySummary>>
}
