/**
 * One partition of a subscription: where the application and the fetching stand, what is buffered between them, and
 * how much credit the leader holds. Pure: no clock, socket or promise; changed only by SubscriptionState, except for
 * `position`, which the delivery moves record by record while a batch is in the application's hands.
 *
 *            delivered          taken batch        buffered slices             on the way, not yet committed
 *   ... --------------->|=====================|======================|- - - - - - - - - - - - - - - - - - ->
 *                    position           taken.nextOffset      fetchPosition
 *
 * Invariant: between slices offsets never regress, except across a reset that the out-of-range policy made.
 * Invariant: outstandingBytes + bufferedBytes <= the window at the time of the last grant; a batch that is larger
 *   than the credit left makes outstandingBytes negative by at most that batch.
 * Invariant: handle is set exactly while phase is `attached`.
 */
import type { StratalogError } from '@stratalog/proto'
import type { BatchHeader } from '@stratalog/proto/records'

/**
 * What the fetching of a partition is doing.
 * - `detached`: no leader's stream carries it; the fetcher looks for one.
 * - `attached`: started on the stream `sessionId` under `handle`.
 * - `resolving`: a seek is under way whose offset is being asked for.
 * - `complete`: everything up to `endOffset` has arrived.
 * - `failed`: `failure` comes after what is buffered, and stays until a seek.
 * - `removed`: it belongs to the subscription no more.
 */
export type PartitionPhase = 'detached' | 'attached' | 'resolving' | 'complete' | 'failed' | 'removed'

/** What the leader last said of a partition's log. */
export interface PartitionBounds {
  /** First offset that can be read. */
  readonly logStartOffset: number
  /** End of the committed log (exclusive). */
  readonly highWatermark: number
  /** One past the last committed data record. */
  readonly visibleEnd: number
}

/** Bytes of one fetch answer, or (without bytes) a move of the position past control batches, gaps or by a reset. */
export interface FetchedSlice {
  readonly bytes: Buffer | null
  /** First byte not yet taken. */
  cursor: number
  /** Where the reader stands after this slice. */
  readonly nextOffset: number
}

/** A batch handed to the delivery; its bytes no longer count as buffered. */
export interface TakenBatch {
  readonly bytes: Buffer
  /** First byte of the batch in `bytes`. */
  readonly bytePosition: number
  readonly header: BatchHeader
  /** Records below this offset are not wanted. */
  readonly fromOffset: number
  /** Records from this offset on are not wanted (exclusive end); null = all are. */
  readonly endOffset: number | null
  /** Position once the batch is done with. */
  readonly nextOffset: number
  /** The partition's generation when it was taken: differs after a seek. */
  readonly generation: number
}

/** Where a partition begins. */
export interface PartitionStart {
  readonly topic: string
  /** int32 >= 0. */
  readonly partition: number
  /** 16 bytes. */
  readonly topicId: Uint8Array
  /** First offset wanted. */
  readonly offset: number
  /** Exclusive end, or null to follow for ever. */
  readonly endOffset: number | null
  readonly bounds: PartitionBounds
  /** Leader epoch of the record before `offset`, or a later one, if it is known: a log that was cut back is then noticed. */
  readonly lastEpoch?: number | undefined
}

/** State of one partition; see the file's header. */
export class PartitionState {
  readonly topic: string
  readonly partition: number
  topicId: Uint8Array
  /** Next offset for the application. */
  position: number
  /** Next offset to ask the leader for. */
  fetchPosition: number
  /** Exclusive end, or null. */
  readonly endOffset: number | null
  /** Leader epoch at `fetchPosition - 1`, or one that is later; -1 = nothing was fetched since the start or a seek. */
  lastEpoch: number
  bounds: PartitionBounds
  phase: PartitionPhase = 'detached'
  paused = false
  /** Fetched as usual, and handed out not at all: the application is not told of it yet, or is about to lose it. */
  halted = false
  /** Bumped by each seek. */
  generation = 0
  handle: number | null = null
  sessionId: number | null = null
  outstandingBytes = 0
  bufferedBytes = 0
  /** Whether it counts for the division of the budget. */
  isSharing = false
  readonly queue: FetchedSlice[] = []
  taken: TakenBatch | null = null
  failure: StratalogError | null = null

  constructor(start: PartitionStart) {
    this.topic = start.topic
    this.partition = start.partition
    this.topicId = start.topicId
    this.position = start.offset
    this.fetchPosition = start.offset
    this.endOffset = start.endOffset
    this.bounds = start.bounds
    this.lastEpoch = start.lastEpoch ?? -1
  }

  /** Whether the application has had everything up to the end asked for. By position, never by the last record. */
  get ended(): boolean {
    return this.endOffset !== null && this.position >= this.endOffset
  }

  /** Whether fetching has reached the end asked for. */
  get fetchedAll(): boolean {
    return this.endOffset !== null && this.fetchPosition >= this.endOffset
  }

  /** Whether nothing of it may be handed out at the moment. */
  get withheld(): boolean {
    return this.paused || this.halted
  }

  /** Whether nothing of it will be handed out ever again. */
  get over(): boolean {
    return this.ended || this.phase === 'removed'
  }

  /** Whether a batch or the failure can be handed out now. */
  get deliverable(): boolean {
    return !this.withheld && this.taken === null && !this.ended && (this.queue.length > 0 || this.failure !== null)
  }

  /** Records between the position and the visible end, as far as the leader has told; never negative. */
  get lag(): number {
    return Math.max(0, this.bounds.visibleEnd - this.position)
  }
}
