/**
 * Deletes the oldest records of a partition on request, up to an offset, on all of its replicas.
 *
 * ```
 *  leader:        request ─> RECORDS_DELETED batch in the log ─> committed ─┐
 *  every replica:                          that batch in the log ─> committed ─> nothing below is served ─> segments go
 * ```
 * The request is an entry of the partition's own log, so whoever leads later has it, and no order of crashes brings back what
 * was deleted: a leader serves only after it knows that all before it is committed. See log/deletions.ts.
 * Owner: the partition.
 */
import { type Offset, StratalogError, toOffset } from '@stratalog/proto'
import { encodeRecordsDeleted, isControl, NO_TIMESTAMP } from '@stratalog/proto/records'
import type { Entry } from 'raft-ts'
import { type DeletionRequest, deletionIn } from '../log/deletions.ts'
import { LogClosedError } from '../log/log-errors.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { RaftGroup } from '../replication/raft-group.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { outOfRange, publicError } from './partition-errors.ts'
import type { PartitionBounds, PartitionLogger } from './partition-types.ts'
import type { ProducerState } from './producer-state.ts'
import { refusalError } from './propose-refusal.ts'

/** How long the answer to a request waits for its commit. */
const TIMEOUT_MS = 10_000

/** What the deletion rests on. */
export interface RecordDeletionOptions {
  readonly topic: string
  readonly partition: number
  readonly log: PartitionLog
  readonly group: RaftGroup
  readonly producers: ProducerState
  readonly clock: Pick<Clock, 'schedule'>
  readonly logger: PartitionLogger
  readonly bounds: () => PartitionBounds
  /** Why clients are not served now; null when they are. */
  readonly refusal: () => StratalogError | null
  /** Calls when something has changed; returns how to stop it. */
  readonly onAdvance: (listener: () => void) => () => void
  /** The log begins later than before. */
  readonly onDeleted: () => void
}

/** What a deletion does, or would. */
export interface DeletionOutcome {
  /** First offset that can be read after it. */
  readonly logStartOffset: number
  readonly previousLogStartOffset: number
  /** One past the last committed data record. */
  readonly visibleEnd: number
}

/** See the file's header. */
export class RecordDeletion {
  readonly #options: RecordDeletionOptions
  /**
   * Requests in Raft's log that are not committed, as far as is known here. Not those of the PartitionLog: what Raft appends and
   * cuts reaches that later, and a commit that is heard of meanwhile must find what Raft means, no more and no less.
   */
  #uncommitted: DeletionRequest[]
  #isCarryingOut = false

  constructor(options: RecordDeletionOptions) {
    this.#options = options
    this.#uncommitted = [...options.log.deletionRequests]
  }

  /** An entry goes into the log. */
  onAppended({ kind, data }: Entry<Buffer>): void {
    // The only control batches among entries of data.
    if (kind !== 'data' || data === null || !isControl(data, 0)) return
    const request = deletionIn(data, 0)
    if (request !== null) this.#uncommitted.push(request)
  }

  /** The log is to be cut at `endOffset`, or to begin anew (0). */
  onTruncated(endOffset: number): void {
    this.#uncommitted = this.#uncommitted.filter((request) => request.endOffset <= endOffset)
  }

  /**
   * Deletes what lies below `beforeOffset`, at the leader. Committed, and in effect here, when it resolves.
   *
   * @param beforeOffset first offset that stays, at most the visible end; null for the visible end. What is deleted already
   * is no error.
   * @param validateOnly changes nothing.
   * Errors: OFFSET_OUT_OF_RANGE beyond the visible end; those of `refusal`; OVERLOADED; DISK_FULL; REQUEST_TIMED_OUT. After
   * the last, and when leadership is lost meanwhile, it may yet happen; asking again does no harm.
   */
  async delete(beforeOffset: number | null, validateOnly: boolean): Promise<DeletionOutcome> {
    const { log, bounds } = this.#options
    this.#assertServing()
    const { logStartOffset, visibleEnd } = bounds()
    const before = beforeOffset ?? visibleEnd
    if (before > visibleEnd) throw outOfRange(this.#options, before, logStartOffset, visibleEnd)
    const outcome = {
      logStartOffset: Math.max(before, logStartOffset),
      previousLogStartOffset: logStartOffset,
      visibleEnd,
    }
    if (validateOnly || before <= logStartOffset) return outcome
    const batchOffset = await this.#batchOffsetAt(before)
    this.#assertServing()
    if (log.state.kind === 'disk-full') throw publicError(log.state.error, this.#options)
    const leaderEpoch = this.#propose(before, batchOffset)
    await this.#tookEffect(before, leaderEpoch)
    return outcome
  }

  /** The high watermark moved, or more is flushed: deletions below take effect and are carried out. */
  onCommitted(): void {
    const { log } = this.#options
    if (this.#uncommitted.length > 0) this.#takeEffect()
    if (!this.#isCarryingOut && log.hasDeletionsDue(this.#committedEnd)) void this.#carryOut()
  }

  #takeEffect(): void {
    const { log, group, onDeleted } = this.#options
    const { highWatermark } = group
    const committed = this.#uncommitted.filter(({ endOffset }) => endOffset <= highWatermark)
    if (committed.length === 0) return
    this.#uncommitted = this.#uncommitted.filter(({ endOffset }) => endOffset > highWatermark)
    const deletedEnd = Math.max(...committed.map(({ beforeOffset }) => beforeOffset))
    if (log.deleteRecords(deletedEnd)) onDeleted()
  }

  /** Carried out are only offsets whose deletion is durable here. */
  get #committedEnd(): Offset {
    const { log, group } = this.#options
    return toOffset(Math.min(group.highWatermark, log.flushedEndOffset))
  }

  async #carryOut(): Promise<void> {
    const { log, logger, topic, partition, onDeleted } = this.#options
    this.#isCarryingOut = true
    try {
      while (log.hasDeletionsDue(this.#committedEnd)) {
        const { logStartOffset, segmentCount, sizeBytes } = await log.carryOutDeletions(this.#committedEnd)
        logger.info({ topic, partition, logStartOffset, segmentCount, sizeBytes }, 'records were deleted on request')
        onDeleted()
      }
    } catch (error) {
      if (!(error instanceof LogClosedError)) {
        logger.error({ topic, partition, err: error }, 'the segments of deleted records could not be removed')
      }
    } finally {
      this.#isCarryingOut = false
    }
  }

  async #batchOffsetAt(offset: number): Promise<number> {
    try {
      return await this.#options.log.batchOffsetAt(offset)
    } catch (error) {
      throw publicError(error, this.#options)
    }
  }

  /** @returns the term in which it was proposed. */
  #propose(beforeOffset: number, batchOffset: number): number {
    const { group, producers } = this.#options
    const batch = encodeRecordsDeleted({ beforeOffset, batchOffset, timestamp: NO_TIMESTAMP })
    const proposed = group.propose(batch, 1)
    if (proposed.kind !== 'accepted') throw refusalError(proposed, this.#options)
    producers.advanceTo(proposed.end)
    group.proposed()
    return proposed.term
  }

  /** Resolves when nothing below `before` is served any more, which is when the deletion, or a greater one, is committed. */
  #tookEffect(before: number, leaderEpoch: number): Promise<void> {
    const { log, group, clock, refusal, onAdvance, topic, partition } = this.#options
    return new Promise((resolve, reject) => {
      const end = (error: StratalogError | null): void => {
        stopListening()
        cancel()
        if (error === null) resolve()
        else reject(error)
      }
      const look = (): void => {
        if (log.readableFrom >= before) end(null)
        else if (refusal() !== null || group.leaderEpoch !== leaderEpoch) {
          end(refusal() ?? new StratalogError('LEADER_NOT_AVAILABLE', undefined, { topic, partition }))
        }
      }
      const cancel = clock.schedule(TIMEOUT_MS, () => {
        const text = `the deletion was not committed within ${TIMEOUT_MS} ms`
        end(new StratalogError('REQUEST_TIMED_OUT', text, { topic, partition }))
      })
      const stopListening = onAdvance(look)
      look()
    })
  }

  #assertServing(): void {
    const refusal = this.#options.refusal()
    if (refusal !== null) throw refusal
  }
}
