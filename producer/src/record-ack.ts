/** What became of a record, as users see it. */
import type { Durability } from '@stratalog/client'
import type { StratalogError } from '@stratalog/proto'

/** Where a record is, and what holds it. */
export interface RecordAck {
  readonly topic: string
  readonly partition: number
  /** -1 when the broker did not tell: with `acks: 'none'`, or for a duplicate from too long ago. */
  readonly offset: number
  /** ms since 1970: the record's own, or the broker's where the topic says so. */
  readonly timestamp: number
  /** What the acknowledgement vouches for; `none` with `acks: 'none'`. */
  readonly durability: Durability | 'none'
  /** Term of the leader that wrote it. */
  readonly leaderEpoch: number
  /** A retry found the record written by an earlier attempt; it is in the log once. */
  readonly duplicate: boolean
}

/** A failed batch with records that nobody waits for. */
export interface DeliveryFailure {
  readonly topic: string
  /** `null` when the topic's partitions are not known. */
  readonly partition: number | null
  /** Records of the batch that were given to `enqueue`. */
  readonly recordCount: number
  readonly error: StratalogError
}

/** What an acknowledgement says of a whole batch. */
export interface BatchAck {
  /** Offset of the first record, or -1. */
  readonly baseOffset: number
  readonly leaderEpoch: number
  /** The broker's time for all records, or -1. */
  readonly logAppendTimeMs: number
  readonly durability: Durability | 'none'
  readonly duplicate: boolean
}

/** Some records of `sendBatch` failed. */
export class SendBatchError extends AggregateError {
  override readonly name = 'SendBatchError'
  /** One per record, in the order given: its acknowledgement or its error. */
  readonly results: readonly (RecordAck | StratalogError)[]

  constructor(results: readonly (RecordAck | StratalogError)[], failures: readonly StratalogError[]) {
    const first = failures[0]
    super(
      failures,
      `${failures.length} of ${results.length} records failed, the first with ${first?.code}: ${first?.message}`,
    )
    this.results = results
  }
}
