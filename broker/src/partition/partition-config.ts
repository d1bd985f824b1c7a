/** What a topic's configuration means to its partitions, and to their logs. */
import { DEFAULT_LOG_CONFIG, type FlushPolicy, type LogConfig } from '../log/log-config.ts'

/** What becomes of old records: segments are deleted by age and size, only the last record of each key is kept, or both. */
export type CleanupPolicy = 'delete' | 'compact' | 'compact,delete' | 'delete,compact'

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
  readonly cleanupPolicy: CleanupPolicy
  /** ms that a record stays before compaction may remove it. */
  readonly minCompactionLagMs: number
  /** ms that a tombstone stays after its first compaction. */
  readonly deleteRetentionMs: number
  /** 0 to 1. */
  readonly minCleanableDirtyRatio: number
}

/** Whether only the last record of each key is kept. */
export function isCompacted({ cleanupPolicy }: Pick<PartitionConfig, 'cleanupPolicy'>): boolean {
  return cleanupPolicy !== 'delete'
}

/** The log settings that follow; what topics cannot set stays at its default. */
export function logConfigOf(config: PartitionConfig): LogConfig {
  const { segmentBytesMax, segmentMaxAgeMs, indexIntervalBytes, flushPolicy } = config
  const isDeleted = config.cleanupPolicy !== 'compact'
  return {
    ...DEFAULT_LOG_CONFIG,
    segmentBytesMax,
    segmentMaxAgeMs,
    indexIntervalBytes,
    retentionMs: isDeleted ? config.retentionMs : -1,
    retentionBytes: isDeleted ? config.retentionBytes : -1,
    flushPolicy,
  }
}
