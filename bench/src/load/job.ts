/** What the bench asks of a load process, and what comes back: plain data over the IPC channel. */

/** Work for one load process. */
export interface LoadJob {
  readonly kind: 'produce' | 'consume' | 'bare-write'
  /** For produce and consume. */
  readonly bootstrap: string
  readonly topic: string
  readonly partitionCount: number
  /** For bare-write: an empty folder on the broker's disk. */
  readonly directory: string
  readonly valueBytes: number
  readonly recordCount: number
}

/** What it took. */
export interface LoadResult {
  readonly records: number
  /** Bytes of values, without framing. */
  readonly valueBytes: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakRssBytes: number
}
