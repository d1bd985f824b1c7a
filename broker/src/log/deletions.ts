/**
 * Which records at the log's beginning were deleted by request, and which requests in the log are still to be carried out.
 *
 * A request is a RECORDS_DELETED control batch. It takes effect once it is committed, which the log's owner knows: from
 * that moment nothing below its offset is served. What it frees on disk goes afterwards, in whole segments.
 * ```
 *  log start (a batch boundary)      readable from                    the request, appended, then committed
 *  v                                 v                                v
 *  [ batch | batch deleted in part   :   records                   |CTRL| ...
 * ```
 * Invariant: {@link deletedEnd} never goes back, whatever becomes of the log: what was committed stays so.
 * Invariant: nothing is carried out beyond it, so that a request that is about to be cut off frees nothing.
 * Owner: the log's writer loop; {@link takeEffect} may be called at any time.
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
  /** Not carried out yet, in log order. One per call of an operator: there are few. */
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

  /** Requests in the log that are not carried out, committed or not. */
  get requests(): readonly DeletionRequest[] {
    return this.#requests
  }

  /** Notes the control batch at the end of the log if it is a request. */
  note(batch: Buffer, at: number): void {
    const request = deletionIn(batch, at)
    if (request !== null) this.#requests.push(request)
  }

  /** What lies below `beforeOffset` is deleted for good. @returns whether that is news. */
  takeEffect(beforeOffset: number): boolean {
    if (beforeOffset <= this.#deletedEnd) return false
    this.#deletedEnd = beforeOffset
    return true
  }

  /** Whether one that took effect and ends at or below `endOffset` is still to be carried out. */
  isDue(endOffset: number): boolean {
    return this.#requests.some((request) => this.#isDue(request, endOffset))
  }

  /**
   * Takes out the requests that took effect and end at or below `endOffset`.
   *
   * @returns the greatest batch offset that they free, or 0.
   */
  takeDue(endOffset: number): Offset {
    const due = this.#requests.filter((request) => this.#isDue(request, endOffset))
    this.#requests = this.#requests.filter((request) => !due.includes(request))
    return toOffset(due.reduce((most, { batchOffset }) => Math.max(most, batchOffset), 0))
  }

  /** The log was cut at `endOffset`, or begins anew (0): requests beyond it are not in it. */
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

  #isDue({ endOffset, beforeOffset }: DeletionRequest, committedEnd: number): boolean {
    return endOffset <= committedEnd && beforeOffset <= this.#deletedEnd
  }
}

/** The deletion that the batch at `at` asks for; null when it is another batch. Errors: CORRUPT_MESSAGE. */
export function deletionIn(batch: Buffer, at: number): DeletionRequest | null {
  if (!isControl(batch, at)) return null
  const record = decodeBatchSync(batch, at).next()
  const decoded = record === null ? null : decodeControlRecord(record)
  if (decoded?.kind !== 'records-deleted') return null
  const { beforeOffset, batchOffset } = decoded
  return { endOffset: lastOffsetOf(batch, at) + 1, beforeOffset, batchOffset }
}
