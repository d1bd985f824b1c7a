/** Settings of one partition's log, their defaults and what they bound. The broker maps topic configs to them. */

/** When an append counts as durable. */
export type FlushPolicy = 'fsync' | 'replicated'

/** Settings of a {@link PartitionLog}; all may change while it is open. */
export interface LogConfig {
  /** A segment rolls before it grows beyond this (a larger batch has a segment of its own). Default 1 GiB. */
  readonly segmentBytesMax: number
  /** A segment rolls when its first append is older than this. Default 7 days. */
  readonly segmentMaxAgeMs: number
  /** Bytes of log between two index entries. Default 4096. */
  readonly indexIntervalBytes: number
  /** Segments whose newest record is older are deleted; -1 keeps them for ever. Default 7 days. */
  readonly retentionMs: number
  /** Oldest segments are deleted while the log without them holds at least this; -1 is no limit. Default -1. */
  readonly retentionBytes: number
  /** `fsync`: flush waits for fdatasync. `replicated`: for the page cache; a sync follows. Default `fsync`. */
  readonly flushPolicy: FlushPolicy
  /** Most bytes in one write and fdatasync (one batch may be larger). Default 4 MiB. */
  readonly groupBytesMax: number
  /** Groups up to this are written on the calling thread: 128 KiB, the default, take about 40 us at 3.5 GB/s. */
  readonly inlineWriteBytesMax: number
  /** Log bytes between two recovery checkpoints: what a start after a crash reads at most. Default 64 MiB. */
  readonly checkpointIntervalBytes: number
  /** `replicated` only: a background sync starts at the latest this long after a write. Default 100 ms. */
  readonly backgroundSyncDelayMs: number
  /** How long a full disk is left alone before the next probe write. Default 1 s. */
  readonly diskFullRetryMs: number
}

const MEBIBYTE = 1024 * 1024
const DAY_MS = 24 * 3600 * 1000

/** What a log has where its topic says nothing. */
export const DEFAULT_LOG_CONFIG: LogConfig = {
  segmentBytesMax: 1024 * MEBIBYTE,
  segmentMaxAgeMs: 7 * DAY_MS,
  indexIntervalBytes: 4096,
  retentionMs: 7 * DAY_MS,
  retentionBytes: -1,
  flushPolicy: 'fsync',
  groupBytesMax: 4 * MEBIBYTE,
  inlineWriteBytesMax: 128 * 1024,
  checkpointIntervalBytes: 64 * MEBIBYTE,
  backgroundSyncDelayMs: 100,
  diskFullRetryMs: 1000,
}
