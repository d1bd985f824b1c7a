/**
 * What the stream sessions need of a partition. `Partition` is one; the sessions' own tests bring a log in memory.
 */
import type { StratalogError } from '@stratalog/proto'
import type { LogSplit } from '../log/split-points.ts'
import type { ProduceOptions, ProduceOutcome } from '../partition/produce-outcome.ts'

/** A partition that takes batches. */
export interface WritablePartition {
  /** Takes one whole record batch, whose bytes it then owns; `done` is called exactly once, now or later. */
  produce(batch: Buffer, options: ProduceOptions, done: (outcome: ProduceOutcome) => void): void
}

/** Where a partition's log begins and ends. */
export interface PartitionBounds {
  /** First offset that can be read (inclusive). */
  readonly logStartOffset: number
  /** End of what is committed (exclusive). */
  readonly highWatermark: number
  /** One past the last committed data record. */
  readonly visibleEnd: number
  /** End of the log, committed or not (exclusive). */
  readonly logEndOffset: number
  readonly leaderEpoch: number
}

/** A partition that can be read. */
export interface ReadablePartition {
  bounds(): PartitionBounds
  /** Whole committed batches from `offset` on; `bytes` is null when nothing more is committed. */
  read(offset: number, maxBytes: number): Promise<{ readonly bytes: Buffer | null; readonly nextOffset: number }>
  state(): { readonly kind: 'serving' } | { readonly kind: 'unavailable'; readonly error: StratalogError }
  /** Why a reader that has read up to `offset` in epoch `lastEpoch` cannot go on there, or `null`. */
  checkEpoch(lastEpoch: number, offset: number): StratalogError | null
  /** Calls `listener` whenever bounds or state have changed; returns how to stop it. */
  onAdvance(listener: () => void): () => void
}

/** A record found by time. */
export interface RecordPosition {
  readonly offset: number
  /** ms since 1970. */
  readonly timestamp: number
  readonly leaderEpoch: number
}

/** A partition that finds records by time. */
export interface SearchablePartition extends ReadablePartition {
  /** The first committed data record with this timestamp or a later one, or `null`. */
  offsetForTimestamp(timestampMs: number): Promise<RecordPosition | null>
  /** The committed data record with the greatest timestamp, the first of them, or `null` for an empty log. */
  maxTimestamp(): Promise<RecordPosition | null>
}

/** A partition that says where it can be cut. */
export interface SplittablePartition extends ReadablePartition {
  /** 16 bytes. */
  readonly topicId: Buffer
  /**
   * Committed records of `[start, end)` in pieces of about `targetBytes` (0 = one).
   *
   * Errors: OFFSET_OUT_OF_RANGE below the log start or beyond the high watermark.
   */
  splits(start: number, end: number, targetBytes: number): Promise<readonly LogSplit[]>
}

/** Finds a partition, or says why it is not to be had here. */
export type PartitionLookup<P> = (topic: string, partition: number, topicId?: Uint8Array) => P | StratalogError
