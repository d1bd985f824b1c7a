/**
 * Where a replay reads from: a cluster, or a folder of segment files. The planner and the readers of splits use it
 * and nothing else.
 */
import type { StratalogError, TopicPartition } from '@stratalog/proto'
import type { BatchView } from '@stratalog/proto/records'
import type { ReplayHost, ReplaySplit } from './manifest.ts'

/** What it takes to open the same source elsewhere, such as in a worker thread or on another host. Plain JSON. */
export type ReplaySourceSpec =
  | {
      readonly kind: 'cluster'
      /** `HOST:PORT` of brokers to begin with. */
      readonly bootstrap: readonly string[]
      readonly clientId: string
      readonly connectTimeoutMs: number
      readonly requestTimeoutMs: number
      readonly receiveMessageBytesMax: number
      readonly readFrom: 'leader' | 'any'
      readonly retryTimeoutMs: number
      readonly stallTimeoutMs: number
    }
  | { readonly kind: 'folder'; readonly dir: string; readonly unsafeToLogEnd: boolean }

/** A topic as the source has it. */
export interface SourceTopic {
  readonly topic: string
  /** 32 hexadecimal digits. */
  readonly topicId: string
  /** Numbers, ascending; a folder may hold only some. */
  readonly partitions: readonly number[]
}

/** What can be read of a partition now. */
export interface SourceBounds {
  readonly logStartOffset: number
  /** One past the last committed record (exclusive), as far as the source knows. */
  readonly visibleEnd: number
}

/** A place where a split may begin: the start of a batch. */
export interface SplitPoint {
  readonly offset: number
  /** Bytes of batches from here to the next point, or to the end of the range. */
  readonly bytes: number
  /** Term of the leader that wrote the batch here. */
  readonly leaderEpoch: number
}

/** How a range of a partition lies in the log. */
export interface SourceRange {
  /** Ascending; the first is the start of the range. Empty only for an empty range. */
  readonly points: readonly SplitPoint[]
  readonly hosts: readonly ReplayHost[]
}

/** A range of a topic's partition. */
export interface RangeOfPartition extends TopicPartition {
  readonly topicId: string
  readonly startOffset: number
  /** Exclusive. */
  readonly endOffset: number
}

/** Of every call. */
export interface SourceCallOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Whole batches as they lie in the log, one after another, and where the reader stands behind them. The bytes are the
 * taker's: they are not used again.
 */
export interface SourceChunk {
  readonly bytes: Buffer
  /** Whole, sound batches in `bytes`, in order; the first may begin before the offset asked for. May be none. */
  readonly batches: readonly BatchView[]
  /** Position behind them (exclusive), entries that were left out included. Never goes back. */
  readonly nextOffset: number
  /** Where the bytes come from, for errors: a path, and the position of the first byte in it. `null` for a cluster. */
  readonly file: { readonly path: string; readonly position: number } | null
  /** Damage from `startOffset` to `nextOffset` that was passed over; there are no batches then. */
  readonly corrupt: { readonly startOffset: number; readonly error: StratalogError } | null
}

/** How a split is read. */
export interface SourceReadOptions extends SourceCallOptions {
  /** First offset wanted: the split's start, or further on. */
  readonly fromOffset: number
  /** Pass over damage and tell of it in a chunk of its own; default: an error. */
  readonly skipCorrupt: boolean
  /** Bytes that may be read ahead of the taker; at least one batch is whatever its size. */
  readonly prefetchBytes: number
}

/** See the head of this file. */
export interface ReplaySource extends AsyncDisposable {
  readonly kind: 'cluster' | 'folder'
  /** To open the same source elsewhere: `openReplaySource(spec)`. */
  readonly spec: ReplaySourceSpec
  /** `null` when it is not known. */
  clusterId(options?: SourceCallOptions): Promise<string | null>
  /** Errors: UNKNOWN_TOPIC_OR_PARTITION. */
  topic(name: string, options?: SourceCallOptions): Promise<SourceTopic>
  /** In the order asked, all of them as of one moment as nearly as the source can. */
  bounds(partitions: readonly TopicPartition[], options?: SourceCallOptions): Promise<SourceBounds[]>
  /** The first offset whose record's timestamp (ms) is this or later, in the order asked; `null` when none is that late. */
  offsetsForTime(
    questions: readonly (TopicPartition & { readonly timestampMs: number })[],
    options?: SourceCallOptions,
  ): Promise<(number | null)[]>
  /** Offsets that a group has committed, in the order asked; `null` for none. Errors: INVALID_REQUEST from a folder. */
  committedOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    options?: SourceCallOptions,
  ): Promise<(number | null)[]>
  /** Where a range may be cut, about every `targetBytes`. Errors: UNKNOWN_TOPIC_ID when the topic is another one now. */
  range(range: RangeOfPartition, targetBytes: number, options?: SourceCallOptions): Promise<SourceRange>
  /**
   * The batches of `[fromOffset, split.endOffset)` in order, until `nextOffset` has reached the end. Batches have their
   * whole bytes and a CRC that matches; offsets never go back. Goes on over changes of leader.
   * Errors: UNKNOWN_TOPIC_ID when the topic is another one now, UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE with
   * `logStartOffset` in its metadata when the range was deleted, CORRUPT_MESSAGE with topic, partition and, in its
   * metadata, offset, file and position.
   */
  read(split: ReplaySplit, options: SourceReadOptions): AsyncIterable<SourceChunk>
}
