/**
 * A replay that is planned: which records, cut into which pieces. Plain JSON, so that it can be saved, compared, run
 * again and handed to other hosts.
 *
 * Invariant: the splits of a partition lie one behind another, without gap or overlap, and cover exactly its
 * `[startOffset, endOffset)`; a partition with an empty range has none.
 * Invariant: a split begins and ends where a batch does, except at the edges of the partition's range.
 * Ends are exclusive, offsets are 0..2^53-1, topic ids 32 hexadecimal digits.
 */

/** Name of the format, in every manifest. */
export const REPLAY_MANIFEST_FORMAT = 'stratalog-replay'
/** Its version; a reader refuses a later one. */
export const REPLAY_MANIFEST_VERSION = 1

/** A bounded part of the log. */
export interface ReplayManifest {
  readonly format: typeof REPLAY_MANIFEST_FORMAT
  readonly version: typeof REPLAY_MANIFEST_VERSION
  /**
   * 32 hexadecimal digits that follow from the topics' ids and ranges and from the splits' bounds: two plans with the
   * same id read the same records in the same pieces. Hosts, sizes and the time of planning do not count.
   */
  readonly id: string
  /** `null` when the folder does not tell. */
  readonly clusterId: string | null
  /** When it was planned, ms since 1970. */
  readonly createdAtMs: number
  /** What was asked for, for people. */
  readonly from: string
  readonly to: string
  /** By name. */
  readonly topics: readonly ReplayTopic[]
  /** By topic, partition and offset. */
  readonly splits: readonly ReplaySplit[]
}

/** A topic's part of a manifest. */
export interface ReplayTopic {
  readonly topic: string
  readonly topicId: string
  /** By number. */
  readonly partitions: readonly ReplayPartition[]
}

/** The range of one partition. */
export interface ReplayPartition {
  readonly partition: number
  readonly startOffset: number
  /** Equal to `startOffset` when nothing is to be read. */
  readonly endOffset: number
  /** Terms of the leaders that wrote the range, as far as the plan knows them: where a split begins. In order. */
  readonly leaderEpochs: readonly ReplayEpoch[]
  /** About what the range takes in segment files. */
  readonly bytes: number
}

/** The batch that holds `startOffset` was written by the leader of this term. */
export interface ReplayEpoch {
  readonly leaderEpoch: number
  readonly startOffset: number
}

/** A piece of one partition: what one job reads. It stands on its own. */
export interface ReplaySplit {
  /** `<topic>/<partition>/<start>-<end>`, offsets of 20 digits: unique in a manifest and the same in every plan. */
  readonly id: string
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly startOffset: number
  /** Greater than `startOffset`. */
  readonly endOffset: number
  /** About what it takes in segment files. */
  readonly bytes: number
  /** Term of the leader that wrote the record at `startOffset`; `null` when the plan does not know. */
  readonly leaderEpoch: number | null
  /** Brokers that hold the partition, the leader first; empty for a folder. */
  readonly hosts: readonly ReplayHost[]
}

/** Where a split can be read, so that a job can be placed near it. */
export interface ReplayHost {
  readonly brokerId: number
  readonly host: string
  readonly port: number
}

/** The id of a split with these bounds. */
export function splitId(topic: string, partition: number, startOffset: number, endOffset: number): string {
  return `${topic}/${partition}/${offsetText(startOffset)}-${offsetText(endOffset)}`
}

/** An offset in 20 digits, as segment files are named: sorts as the number does. */
export function offsetText(offset: number): string {
  return String(offset).padStart(20, '0')
}
