/** Settings of partitions for tests: nothing is ever deleted or rolled by itself. */
import type { PartitionConfig } from '../partition/partition-config.ts'

/** Settings that leave a log alone. */
export function quietConfig(config: Partial<PartitionConfig> = {}): PartitionConfig {
  return {
    retentionMs: -1,
    retentionBytes: -1,
    segmentBytesMax: 1 << 30,
    segmentMaxAgeMs: 1e12,
    indexIntervalBytes: 4096,
    maxMessageBytes: 1 << 20,
    timestampType: 'CreateTime',
    flushPolicy: 'fsync',
    cleanupPolicy: 'delete',
    minCompactionLagMs: 0,
    deleteRetentionMs: 24 * 3600 * 1000,
    minCleanableDirtyRatio: 0.5,
    ...config,
  }
}
