/** The topic whose one partition is the metadata log. Its group runs before there is metadata, so all of it is fixed. */
import type { PartitionConfig } from '../partition/partition-config.ts'
import { resolveTopicConfig } from './topic-config.ts'

/** Its name; it is not among the topics of the image. */
export const METADATA_TOPIC = '__cluster_metadata'

/** Its id, 32 hexadecimal digits as of any topic. */
export const METADATA_TOPIC_ID = '00000000000000000000000000000001'

/** Its partition. */
export const METADATA_PARTITION = 0

/** Largest batch of metadata records, header included: a topic of 10,000 partitions is one record of about 3 MiB. */
export const METADATA_BATCH_BYTES_MAX: number = 16 * 1024 * 1024

/** Its settings. The log is kept whole: it is what a new broker learns the cluster from. */
export const METADATA_PARTITION_CONFIG: PartitionConfig = {
  ...resolveTopicConfig(new Map(), new Map()),
  retentionMs: -1,
  retentionBytes: -1,
  segmentMaxAgeMs: Number.MAX_SAFE_INTEGER,
  maxMessageBytes: METADATA_BATCH_BYTES_MAX,
  flushPolicy: 'fsync',
}
