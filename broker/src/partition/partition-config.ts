/** What a topic's configuration means to its partitions, and to their logs. */
import { DEFAULT_LOG_CONFIG, type FlushPolicy, type LogConfig } from '../log/log-config.ts'

/** Settings of a partition; the same for all partitions of a topic, and may change while they are open. */
export interface PartitionConfig {
  /** ms; -1 = keep for ever. */
  readonly retentionMs: number
  /** Bytes per partition; -1 = no limit. */
  readonly retentionBytes: number
  readonly segmentBytesMax: number
  readonly segmentMaxAgeMs: number
  readonly indexIntervalBytes: number
  /** Largest batch, header included (inclusive). */
  readonly maxMessageBytes: number
  /** Whether records keep the producer's time or get the broker's. */
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly flushPolicy: FlushPolicy
}

/** The log settings that follow; what topics cannot set stays at its default. */
export function logConfigOf(config: PartitionConfig): LogConfig {
  const { segmentBytesMax, segmentMaxAgeMs, indexIntervalBytes, retentionMs, retentionBytes, flushPolicy } = config
  return {
    ...DEFAULT_LOG_CONFIG,
    segmentBytesMax,
    segmentMaxAgeMs,
    indexIntervalBytes,
    retentionMs,
    retentionBytes,
    flushPolicy,
  }
}
