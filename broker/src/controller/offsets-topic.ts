/**
 * The topic in which the groups of consumers are kept: what is committed to it is what their coordinators know.
 *
 * It is made by the controller when the first group is looked for; clients cannot make, change, write or delete it.
 * The partition of a group must never change, so neither does the number of partitions.
 */

/** Its name. */
export const OFFSETS_TOPIC = '__consumer_offsets'

/** Copies of each partition, as long as there are so many brokers. */
export const OFFSETS_REPLICATION_FACTOR = 3

/**
 * Its settings. Retention is off: what the coordinators need no more they trim themselves, in whole segments, which are
 * small for that.
 */
export const OFFSETS_TOPIC_CONFIGS: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'segment.bytes': String(4 * 1024 * 1024),
  'max.message.bytes': String(8 * 1024 * 1024),
  'message.timestamp.type': 'CreateTime',
  'flush.policy': 'fsync',
}
