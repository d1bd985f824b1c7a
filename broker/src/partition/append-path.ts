/**
 * How a batch gets into a partition: checked, told from what was written before, proposed, and acknowledged.
 *
 * ```
 *  produce ─> checkClientBatch ─> ProducerState.check ─> RaftGroup.propose ─> waiters ── onWritten / onCommitted ──> done
 * ```
 * No work per record and no promise per batch. Answers of one kind of acknowledgement come in the order of the calls,
 * errors included. Invariant: `done` of every call is called exactly once.
 * Owner: the partition, which decides whether it serves at all before it calls.
 */
import { StratalogError } from '@stratalog/proto'
import { type BatchHeader, stampAppendTime } from '@stratalog/proto/records'
import type { PartitionLog } from '../log/partition-log.ts'
import type { RaftGroup } from '../replication/raft-group.ts'
import type { Ticked, TickLoop } from '../replication/tick-loop.ts'
import { type BatchRules, checkClientBatch } from './batch-check.ts'
import { OffsetWaiters, type ProduceCallback } from './offset-waiters.ts'
import { isCompacted, type PartitionConfig } from './partition-config.ts'
import type { Durability, ProduceOptions, ProduceSuccess } from './produce-outcome.ts'
import type { ProducerBatch, ProducerState } from './producer-state.ts'
import { refusalError } from './propose-refusal.ts'

/** What an append path is made of. */
export interface AppendPathOptions {
  readonly topic: string
  readonly partition: number
  readonly log: PartitionLog
  readonly group: RaftGroup
  readonly producers: ProducerState
  readonly ticks: TickLoop
  readonly config: PartitionConfig
}

/** See the file's header. */
export class AppendPath implements Ticked {
  readonly #options: AppendPathOptions
  #config: PartitionConfig
  #rules: BatchRules
  /** Wait for the commit: acks all. */
  readonly #commitWaiters = new OffsetWaiters()
  /** Wait for the leader's own write: acks leader. */
  readonly #writeWaiters = new OffsetWaiters()

  constructor(options: AppendPathOptions) {
    this.#options = options
    this.#config = options.config
    this.#rules = rulesOf(options.config)
  }

  /** Batches that have not been answered. */
  get waiterCount(): number {
    return this.#commitWaiters.count + this.#writeWaiters.count
  }

  /** The topic's configuration changed; batches accepted from now on follow it. */
  updateConfig(config: PartitionConfig): void {
    this.#config = config
    this.#rules = rulesOf(config)
  }

  /** See Partition.produce. */
  produce(batch: Buffer, options: ProduceOptions, done: ProduceCallback): void {
    const refusal = this.#append(batch, options, done)
    if (refusal !== null) this.refuse(refusal, options, done)
  }

  /** Answers with an error, in its turn. */
  refuse(error: StratalogError, options: ProduceOptions, done: ProduceCallback): void {
    const waiters = options.acks === 'leader' ? this.#writeWaiters : this.#commitWaiters
    if (options.acks === 'none' || !waiters.hasUnanswered) done({ kind: 'error', error })
    else waiters.add(0, Number.POSITIVE_INFINITY, { kind: 'error', error }, done)
  }

  /** The high watermark is at `endOffset`. */
  onCommitted(endOffset: number): void {
    this.#commitWaiters.reach(endOffset, this.#options.log.flushedEndOffset)
  }

  /** The log is in the page cache up to `endOffset`. */
  onWritten(endOffset: number): void {
    this.#writeWaiters.reach(endOffset, this.#options.log.flushedEndOffset)
  }

  /** Answers everybody with an error and forgets them: the partition serves no longer. */
  failAll(error: StratalogError): void {
    this.#commitWaiters.failAll({ kind: 'error', error })
    this.#writeWaiters.failAll({ kind: 'error', error })
  }

  /** Answers everybody with an error; what they wrote may still be committed later. */
  answerAll(error: StratalogError): void {
    this.#commitWaiters.answerAll({ kind: 'error', error })
    this.#writeWaiters.answerAll({ kind: 'error', error })
  }

  tick(nowMs: number): boolean {
    if (this.waiterCount === 0) return false
    this.#commitWaiters.expire(nowMs, this.#timedOut)
    this.#writeWaiters.expire(nowMs, this.#timedOut)
    return true
  }

  readonly #timedOut = (): { kind: 'error'; error: StratalogError } => ({
    kind: 'error',
    error: this.#error('REQUEST_TIMED_OUT', 'the batch was not acknowledged within timeout_ms'),
  })

  /** Appends or finds the duplicate, and sees to the answer. @returns why not, else null. */
  #append(batch: Buffer, options: ProduceOptions, done: ProduceCallback): StratalogError | null {
    const { log, group, producers, ticks } = this.#options
    const header = checkClientBatch(batch, this.#rules, this.#options)
    if (header instanceof StratalogError) return header
    const producer = producerOf(header)
    const check = producer === null ? null : producers.check(producer)
    if (check?.kind === 'refused') {
      this.#refuseAsLeader(this.#error(check.code, check.message), options, done)
      return null
    }
    if (check?.kind === 'duplicate') {
      const { baseOffset, lastOffset, leaderEpoch, logAppendTimeMs } = check.batch
      this.#answerAt(lastOffset + 1, { baseOffset, leaderEpoch, logAppendTimeMs, duplicate: true }, options, done)
      return null
    }
    if (log.state.kind === 'disk-full') return this.#error('DISK_FULL', log.state.error.message, log.state.error)
    const nowMs = ticks.clock.nowMs()
    const logAppendTimeMs = this.#config.timestampType === 'LogAppendTime' ? nowMs : -1
    if (logAppendTimeMs !== -1) stampAppendTime(batch, 0, logAppendTimeMs)
    const proposed = group.propose(batch, header.lastOffsetDelta + 1)
    if (proposed.kind !== 'accepted') return refusalError(proposed, this.#options)
    const { base: baseOffset, end, term: leaderEpoch } = proposed
    if (producer === null) producers.advanceTo(end)
    else producers.append(producer, { baseOffset, lastOffset: end - 1, leaderEpoch, logAppendTimeMs }, nowMs)
    this.#answerAt(end, { baseOffset, leaderEpoch, logAppendTimeMs, duplicate: false }, options, done)
    group.proposed()
    return null
  }

  /**
   * Refuses for what the log holds, which is final for its producer: only after it is certain that this broker still leads.
   * One that was deposed and has not heard of it knows nothing of what its successor has acknowledged since.
   */
  #refuseAsLeader(error: StratalogError, options: ProduceOptions, done: ProduceCallback): void {
    const { group, ticks } = this.#options
    if (group.isAlone || options.acks === 'none') {
      this.refuse(error, options, done)
      return
    }
    const waiters = options.acks === 'all' ? this.#commitWaiters : this.#writeWaiters
    const deadlineMs = ticks.clock.nowMs() + options.timeoutMs
    const release = waiters.hold(deadlineMs, { kind: 'error', error }, done)
    if (waiters.count === 1) ticks.add(this)
    group.confirmLeadership(() => {
      release()
      this.#reach(options)
    })
  }

  #answerAt(
    endOffset: number,
    place: Pick<ProduceSuccess, 'baseOffset' | 'leaderEpoch' | 'logAppendTimeMs' | 'duplicate'>,
    options: ProduceOptions,
    done: ProduceCallback,
  ): void {
    const { log, ticks } = this.#options
    const outcome: ProduceSuccess = {
      kind: 'ok',
      baseOffset: place.baseOffset,
      leaderEpoch: place.leaderEpoch,
      logAppendTimeMs: place.logAppendTimeMs,
      logStartOffset: log.readableFrom,
      durability: this.#durability(options),
      duplicate: place.duplicate,
    }
    if (options.acks === 'none') {
      done(outcome)
      return
    }
    const deadlineMs = ticks.clock.nowMs() + options.timeoutMs
    const waiters = options.acks === 'all' ? this.#commitWaiters : this.#writeWaiters
    waiters.add(endOffset, deadlineMs, outcome, done)
    if (waiters.count === 1) ticks.add(this)
    // A duplicate may have been committed, or written, long ago.
    this.#reach(options)
  }

  #reach({ acks }: ProduceOptions): void {
    const { log, group } = this.#options
    if (acks === 'all') this.onCommitted(group.highWatermark)
    else this.onWritten(log.writtenEndOffset)
  }

  #durability({ acks }: ProduceOptions): Durability {
    if (acks !== 'all') return 'memory'
    return this.#config.flushPolicy === 'fsync' ? 'fsynced' : 'replicated'
  }

  #error(code: StratalogError['code'], message: string, cause?: unknown): StratalogError {
    const { topic, partition } = this.#options
    return new StratalogError(code, message, { topic, partition, cause })
  }
}

/** What the producer state needs of a header; null when the producer is not idempotent. */
export function producerOf(header: BatchHeader): ProducerBatch | null {
  const { producerId, producerEpoch, baseSequence, lastOffsetDelta } = header
  if (producerId === null || producerEpoch === null || baseSequence === null) return null
  return { producerId, producerEpoch, baseSequence, recordCount: lastOffsetDelta + 1 }
}

function rulesOf(config: PartitionConfig): BatchRules {
  return { maxBatchBytes: config.maxMessageBytes, needsKeys: isCompacted(config) }
}
