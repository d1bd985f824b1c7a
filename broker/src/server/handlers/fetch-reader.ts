/**
 * One partition being read on a fetch stream: where it stands, what credit is left, and why it must end.
 *
 * Pure bookkeeping; FetchSession does the reading and the sending.
 * Invariant: credit falls below zero only by the last batch sent, and nothing is read while it is not positive.
 */
import { StratalogError, stratalog, toErrorDetail } from '@stratalog/proto'
import type { PartitionBounds, ReadablePartition } from '../partition-access.ts'

type FetchStart = stratalog.v1.FetchStart.$Properties
type FetchData = stratalog.v1.FetchData.$Properties

const { ReadClass } = stratalog.v1

/** State of a started handle. */
export class FetchReader {
  readonly handle: number
  readonly topic: string
  readonly partitionNumber: number
  readonly partition: ReadablePartition
  /** Exclusive; `null` follows for ever. */
  readonly endOffset: number | null
  /** History that is read in bulk. */
  readonly isReplay: boolean
  /** Next offset to be read. */
  position: number
  creditBytes: number
  /** A read is under way; there is one at a time. */
  isReading = false
  /** The last read found nothing: wait for news before the next one. */
  isWaitingForNews = false
  /** Nothing more is sent for it. */
  isEnded = false
  lastSentMs: number
  /** Ends the listening to the partition. */
  stopListening: () => void = () => {}

  constructor(start: FetchStart, partition: ReadablePartition, nowMs: number) {
    this.handle = start.handle ?? 0
    this.topic = start.topic ?? ''
    this.partitionNumber = start.partition ?? 0
    this.partition = partition
    this.position = start.offset ?? 0
    this.creditBytes = start.creditBytes ?? 0
    this.endOffset = start.endOffset ? start.endOffset : null
    this.isReplay = start.readClass === ReadClass.READ_CLASS_REPLAY
    this.lastSentMs = nowMs
  }

  get hasReachedEnd(): boolean {
    return this.endOffset !== null && this.position >= this.endOffset
  }

  /** Whether a read now may bring something that may be sent. */
  canRead(bounds: PartitionBounds): boolean {
    const isFree = !this.isEnded && !this.isReading && !this.isWaitingForNews
    return isFree && this.creditBytes > 0 && this.position < bounds.highWatermark
  }

  /** Why this handle cannot go on, or `null`: the partition is gone, or the log now begins above the position. */
  fault(bounds: PartitionBounds): StratalogError | null {
    const state = this.partition.state()
    if (state.kind === 'unavailable') return state.error
    if (this.position >= bounds.logStartOffset) return null
    return this.#outOfRange(
      bounds,
      'retention',
      'it was deleted since, by retention or on request: the reader was too slow',
    )
  }

  /** Why it cannot start where it was asked to, or `null`. */
  startFault(bounds: PartitionBounds, lastEpoch: number): StratalogError | null {
    const state = this.partition.state()
    if (state.kind === 'unavailable') return state.error
    // Before the range: a leader that was deposed and does not know yet cannot say what a reader from its successor
    // may not ask for.
    const epochFault = lastEpoch > 0 ? this.partition.checkEpoch(lastEpoch, this.position) : null
    if (epochFault !== null) return epochFault
    if (this.position < bounds.logStartOffset) {
      return this.#outOfRange(bounds, 'below-log-start', 'the log begins later: older records were deleted')
    }
    // A reader that has moved over a control batch stands beyond the visible end, up to the high watermark.
    if (this.position <= Math.max(bounds.visibleEnd, bounds.highWatermark)) return null
    if (this.position <= bounds.logEndOffset) return this.#notCommittedYet(bounds)
    return this.#outOfRange(bounds, 'beyond-end', 'the log ends before it')
  }

  /** A message that says where the reader stands. */
  data(bounds: PartitionBounds, recordBatches: Buffer | null): FetchData {
    return {
      handle: this.handle,
      ...(recordBatches === null ? {} : { recordBatches }),
      nextOffset: this.position,
      highWatermark: bounds.highWatermark,
      visibleEnd: bounds.visibleEnd,
      logStartOffset: bounds.logStartOffset,
      leaderEpoch: bounds.leaderEpoch,
      endReached: this.hasReachedEnd,
    }
  }

  /** The log holds it and does not know yet that it is committed: no reason to start elsewhere. */
  #notCommittedYet({ highWatermark }: PartitionBounds): StratalogError {
    const { topic, partitionNumber: partition, position } = this
    const text = `offset ${position} of ${topic}-${partition} is not known to be committed yet; what is known ends at ${highWatermark}`
    return new StratalogError('OFFSET_NOT_AVAILABLE', text, { topic, partition })
  }

  #outOfRange(bounds: PartitionBounds, reason: string, because: string): StratalogError {
    const { topic, partitionNumber: partition, position } = this
    const { logStartOffset, visibleEnd } = bounds
    return new StratalogError(
      'OFFSET_OUT_OF_RANGE',
      `offset ${position} of ${topic}-${partition} does not exist: ${because}; it has ${logStartOffset} to ${visibleEnd} (exclusive)`,
      {
        topic,
        partition,
        metadata: {
          offset: String(position),
          logStartOffset: String(logStartOffset),
          visibleEnd: String(visibleEnd),
          reason,
        },
      },
    )
  }
}

/** A message that ends a handle with an error. */
export function failedHandle(handle: number, error: StratalogError): FetchData {
  return { handle, error: toErrorDetail(error) }
}

/** What is wrong with a request to start, whatever the partition, or `null`. */
export function checkFetchStart(start: FetchStart, creditBytesMax: number): StratalogError | null {
  const topicIdBytes = start.topicId?.length ?? 0
  if (topicIdBytes !== 0 && topicIdBytes !== 16)
    return invalid('topic_id', `a topic id has 16 bytes, not ${topicIdBytes}`)
  const readClass = start.readClass ?? ReadClass.READ_CLASS_UNSPECIFIED
  if (ReadClass[readClass] === undefined) {
    return invalid('read_class', `read_class is ${readClass}; it is 1 (live) or 2 (replay)`)
  }
  if ((start.endOffset ?? 0) < 0) return invalid('end_offset', `end_offset is ${start.endOffset}; it must be 0 or more`)
  return checkCredit(start.creditBytes ?? 0, creditBytesMax)
}

/** INVALID_REQUEST when a partition's open credit would be over the limit, or `null`. */
export function checkCredit(creditBytes: number, creditBytesMax: number): StratalogError | null {
  if (creditBytes <= creditBytesMax) return null
  return invalid('credit_bytes', `credit of ${creditBytes} bytes is over the limit of ${creditBytesMax} per partition`)
}

function invalid(field: string, message: string): StratalogError {
  return new StratalogError('INVALID_REQUEST', message, { metadata: { field } })
}
