/** What becomes of a batch that was handed to a partition. */
import type { StratalogError } from '@stratalog/proto'

/** How many copies must hold a batch before its producer is answered; see `Acks` in common.proto. */
export type Acks = 'all' | 'leader' | 'none'

/** What an acknowledgement vouches for, weakest first; see `Durability` in common.proto. */
export type Durability = 'memory' | 'replicated' | 'fsynced'

/** How a batch is to be produced. */
export interface ProduceOptions {
  readonly acks: Acks
  /** How long to wait for the acknowledgement, ms > 0. */
  readonly timeoutMs: number
}

/** A batch that was written, as far as `durability` says. */
export interface ProduceSuccess {
  readonly kind: 'ok'
  /** Offset of the batch's first record. */
  readonly baseOffset: number
  /** Term of the leader that wrote it. */
  readonly leaderEpoch: number
  /** The broker's time in ms if the topic stamps it, else -1. */
  readonly logAppendTimeMs: number
  /** First offset that can be read (inclusive). */
  readonly logStartOffset: number
  readonly durability: Durability
  /** The same producer had written it before. */
  readonly duplicate: boolean
}

/** A batch that was refused, or of which the outcome is not known (REQUEST_TIMED_OUT, DISK_FULL, STORAGE_ERROR). */
export interface ProduceFailure {
  readonly kind: 'error'
  readonly error: StratalogError
}

/** Given to the producer's callback, exactly once. */
export type ProduceOutcome = ProduceSuccess | ProduceFailure
