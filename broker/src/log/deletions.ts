/**
 * Which records at the log's beginning were deleted by request, and which requests wait in the log.
 *
 * A request is a RECORDS_DELETED control batch. It takes effect once it is committed: from that moment nothing below its
 * offset is served, in the same turn and on every replica that knows of the commit, so that no later leader serves it either.
 * What it frees on disk goes afterwards, in whole segments.
 * ```
 *  log start (a batch boundary)      readable from                    the request, appended, then committed
 *  v                                 v                                v
 *  [ batch | batch deleted in part   :   records                   |CTRL| ...
 * ```
 * Invariant: requests are in log order. Owner: the log's writer loop; {@link commit} may be called at any time.
 */
import { type Offset, toOffset } from '@stratalog/proto'
import { decodeBatchSync, decodeControlRecord, isControl, lastOffsetOf } from '@stratalog/proto/records'

/** A request in the log. */
export interface DeletionRequest {
  /** End of its control batch (exclusive): committed when the high watermark is there. */
  readonly endOffset: number
  /** First offset that stays. */
  readonly beforeOffset: number
  /** Base offset of the batch that holds it. */
  readonly batchOffset: number
}

/** What the checkpoint stores. */
export interface StoredDeletions {
  /** First offset that no deletion that took effect has taken. */
  readonly deletedEnd: number
  /** `[endOffset, beforeOffset, batchOffset]` of requests below the scan offset that are not carried out. */
  readonly requests: readonly (readonly [number, number, number])[]
}

/** See the file's header. */
export class Deletions {
  #deletedEnd: number
  /** Carried out by nobody yet. One per call of an operator: there are few. */
  #requests: DeletionRequest[]

  constructor(stored: StoredDeletions = { deletedEnd: 0, requests: [] }) {
    this.#deletedEnd = stored.deletedEnd
    this.#requests = stored.requests.map(([endOffset, beforeOffset, batchOffset]) => ({
      endOffset,
      beforeOffset,
      batchOffset,
    }))
  }

  /** First offset that no deletion that took effect has taken; 0 if there was none. */
  get deletedEnd(): Offset {
    return toOffset(this.#deletedEnd)
  }

  /** Notes the control batch at the end of the log if it is a request. */
  note(batch: Buffer, at: number): void {
    const request = requestIn(batch, at)
    if (request !== null) this.#requests.push(request)
  }

  /** What is committed ends at `highWatermark`: requests below it take effect. @returns whether any did. */
  commit(highWatermark: number): boolean {
    const before = this.#deletedEnd
    for (const { endOffset, beforeOffset } of this.#requests) {
      if (endOffset <= highWatermark) this.#deletedEnd = Math.max(this.#deletedEnd, beforeOffset)
    }
    return this.#deletedEnd > before
  }

  /** Whether one that ends at or below `endOffset` is still to be carried out. */
  isDue(endOffset: number): boolean {
    const first = this.#requests[0]
    return first !== undefined && first.endOffset <= endOffset
  }

  /** Takes out the requests that end at or below `endOffset`. @returns the greatest batch offset that they free, or 0. */
  takeDue(endOffset: number): Offset {
    this.commit(endOffset)
    const due = this.#requests.filter((request) => request.endOffset <= endOffset)
    this.#requests = this.#requests.slice(due.length)
    return toOffset(due.reduce((most, { batchOffset }) => Math.max(most, batchOffset), 0))
  }

  /** The log was cut at `endOffset`: requests beyond it never were. */
  truncateTo(endOffset: number): void {
    this.#requests = this.#requests.filter((request) => request.endOffset <= endOffset)
  }

  /** What the checkpoint with that scan offset stores: later requests are found by the scan. */
  stored(scanOffset: number): StoredDeletions {
    const requests = this.#requests
      .filter(({ endOffset }) => endOffset <= scanOffset)
      .map(({ endOffset, beforeOffset, batchOffset }) => [endOffset, beforeOffset, batchOffset] as const)
    return { deletedEnd: this.#deletedEnd, requests }
  }
}

/** The deletion that the batch at `at` asks for; null when it is another batch. Errors: CORRUPT_MESSAGE. */
function requestIn(batch: Buffer, at: number): DeletionRequest | null {
  if (!isControl(batch, at)) return null
  const record = decodeBatchSync(batch, at).next()
  const decoded = record === null ? null : decodeControlRecord(record)
  if (decoded?.kind !== 'records-deleted') return null
  const { beforeOffset, batchOffset } = decoded
  return { endOffset: lastOffsetOf(batch, at) + 1, beforeOffset, batchOffset }
}
