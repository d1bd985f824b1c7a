/**
 * One partition on this broker: its log, its Raft group, and what clients may do with them.
 *
 * States: serving (leads, and an entry of its own term is committed), or unavailable with the error that clients get.
 * Being damaged, failed, closed or deleted is final.
 * Invariant: logStartOffset <= visibleEnd <= highWatermark <= logEndOffset; the high watermark never goes back.
 * Owner: the registry opens and closes it; the log's writer loop is the Raft group's persister.
 */
import { invariant, StratalogError, toOffset } from '@stratalog/proto'
import { type BatchHeader, NO_TIMESTAMP, readBatchHeader } from '@stratalog/proto/records'
import type { Entry } from 'raft-ts'
import type { LogState, RecoveryReport } from '../log/log-core.ts'
import type { LogSegmentCorruptError } from '../log/log-errors.ts'
import type { TimestampHit } from '../log/log-reader.ts'
import { PartitionLog } from '../log/partition-log.ts'
import { RaftGroup } from '../replication/raft-group.ts'
import { AppendPath, producerOf } from './append-path.ts'
import type { ProduceCallback } from './offset-waiters.ts'
import { logConfigOf, type PartitionConfig } from './partition-config.ts'
import { outOfRange, publicError } from './partition-errors.ts'
import type {
  PartitionBounds,
  PartitionDescription,
  PartitionEnvironment,
  PartitionLogger,
  PartitionSpec,
  PartitionState,
} from './partition-types.ts'
import type { ProduceOptions } from './produce-outcome.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from './producer-snapshot.ts'
import { ProducerState } from './producer-state.ts'
import { type PartitionRead, readData } from './read-path.ts'

const SERVING: PartitionState = { kind: 'serving' }

/** See the file's header. */
export class Partition {
  readonly topic: string
  readonly topicId: Buffer
  readonly partition: number
  readonly #spec: PartitionSpec
  readonly #environment: PartitionEnvironment
  readonly #log: PartitionLog
  readonly #group: RaftGroup
  readonly #producers: ProducerState
  readonly #appendPath: AppendPath
  readonly #listeners = new Set<() => void>()
  /** Why it serves no more, for good. */
  #end: StratalogError | null = null

  private constructor(
    spec: PartitionSpec,
    environment: PartitionEnvironment,
    log: PartitionLog,
    producers: ProducerState,
  ) {
    const { topic, topicId, partition, replicas, config } = spec
    const { brokerId, hardStates, transport, ticks, random, limits } = environment
    this.topic = topic
    this.topicId = Buffer.from(topicId, 'hex')
    this.partition = partition
    this.#spec = spec
    this.#environment = environment
    this.#log = log
    this.#producers = producers
    this.#group = new RaftGroup({
      topicId,
      partition,
      brokerId,
      replicas,
      log,
      hardStates,
      transport,
      ticks,
      random,
      uncommittedBytesMax: limits.uncommittedBytesMax,
      listener: {
        onCommitted: (highWatermark) => {
          this.#appendPath.onCommitted(highWatermark)
          this.#notify()
        },
        onAppended: (entry) => this.#onAppended(entry),
        onTruncated: (endOffset) => this.#producers.truncateTo(endOffset),
        onReset: (startOffset) => this.#producers.resetTo(startOffset),
        onLeadership: () => this.#onLeadership(),
        onFailed: (error) => this.#stopServing(publicError(error, this)),
      },
    })
    this.#appendPath = new AppendPath({ topic, partition, log, group: this.#group, producers, ticks, config })
  }

  /**
   * Opens the partition's log, recovering it if need be, and starts its Raft group; one that needs no other broker serves
   * when this resolves, unless the disk does not let it.
   *
   * Errors: LogError, StoreError; the broker goes on without the partition.
   */
  static async open(spec: PartitionSpec, environment: PartitionEnvironment): Promise<Partition> {
    const { limits, ticks, logger } = environment
    const openedMs = ticks.clock.nowMs()
    let producers = new ProducerState(limits.producerCountMax)
    // The log calls back while it is being opened, too, when there is no partition yet.
    let opened: Partition | null = null
    const log: PartitionLog = await PartitionLog.open({
      directory: spec.directory,
      fileSystem: environment.fileSystem,
      config: logConfigOf(spec.config),
      flusher: environment.flusher,
      openFiles: environment.openFiles,
      tails: environment.tails,
      clock: ticks.clock,
      listener: {
        onStateChange: (state) => {
          if (opened !== null) opened.#onLogState(state)
        },
        onDamage: (error) => {
          if (opened !== null) opened.#onDamage(error)
        },
        onRecovered: (report) => logRecovery(logger, spec, report),
        onWritten: (writtenEndOffset) => {
          if (opened !== null) opened.#appendPath.onWritten(writtenEndOffset)
        },
      },
      onRecoveredCompanion: (companion) => {
        if (companion !== null) producers = decodeProducerSnapshot(companion.bytes, limits.producerCountMax)
      },
      onRecoveredBatch: (header) => noteBatch(producers, header, openedMs),
      snapshotCompanion: (endOffset) => encodeProducerSnapshot(producers, endOffset),
    })
    opened = new Partition(spec, environment, log, producers)
    opened.#group.start()
    if (spec.replicas.length === 1) await opened.#begun()
    return opened
  }

  /**
   * Appends one whole record batch.
   *
   * @param batch exactly one RecordBatch v2; its ownership passes: offset and epoch are stamped in place.
   * @param done called exactly once, at once or later; for calls with the same `acks` in the order of the calls.
   * Durability: as the outcome says. Errors, in the outcome: those of `checkClientBatch`; NOT_LEADER_OR_FOLLOWER,
   * LEADER_NOT_AVAILABLE, OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, OVERLOADED, DISK_FULL,
   * REQUEST_TIMED_OUT, STORAGE_ERROR, PARTITION_DAMAGED, SHUTTING_DOWN.
   */
  produce(batch: Buffer, options: ProduceOptions, done: ProduceCallback): void {
    const state = this.state()
    if (state.kind === 'serving') this.#appendPath.produce(batch, options, done)
    else this.#appendPath.refuse(state.error, options, done)
  }

  /**
   * Committed data batches from the one that holds `offset` on, at most `maxBytes` but at least one if there is any.
   *
   * Errors: OFFSET_OUT_OF_RANGE below the log start or beyond the high watermark, PARTITION_DAMAGED, and those of `state`.
   */
  async read(offset: number, maxBytes: number): Promise<PartitionRead> {
    this.#assertReadable()
    const { logStartOffset } = this.#log
    const { highWatermark } = this.#group
    if (offset < logStartOffset || offset > highWatermark) {
      throw outOfRange(this, offset, logStartOffset, this.bounds().visibleEnd)
    }
    try {
      return await readData(this.#log, toOffset(offset), highWatermark, maxBytes)
    } catch (error) {
      throw this.#end ?? publicError(error, this)
    }
  }

  /** Where it begins and ends now. O(1). */
  bounds(): PartitionBounds {
    const { logStartOffset, logEndOffset } = this.#log
    const { highWatermark, leaderEpoch } = this.#group
    const visibleEnd = Math.max(logStartOffset, this.#log.visibleEnd(highWatermark))
    return { logStartOffset, highWatermark, visibleEnd, logEndOffset, leaderEpoch }
  }

  /**
   * Calls `listener` whenever the high watermark or the log start moves, leadership changes, or the partition ends.
   * Called synchronously; must be cheap and must not throw. Returns how to stop it.
   */
  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether clients are served. */
  state(): PartitionState {
    if (this.#end !== null) return { kind: 'unavailable', error: this.#end }
    return this.#group.isServing ? SERVING : { kind: 'unavailable', error: this.#notServing() }
  }

  /** The first committed record whose timestamp is at least `timestampMs`, or null. Errors: as {@link read}. */
  async offsetForTimestamp(timestampMs: number): Promise<TimestampHit | null> {
    this.#assertReadable()
    try {
      return await this.#log.offsetForTimestamp(timestampMs, this.#group.highWatermark)
    } catch (error) {
      throw this.#end ?? publicError(error, this)
    }
  }

  /** The first committed record with the greatest timestamp, or null when there is none. Errors: as {@link read}. */
  async maxTimestamp(): Promise<TimestampHit | null> {
    this.#assertReadable()
    for (;;) {
      const greatest = this.#log.segments.reduce((most, { maxTimestamp }) => Math.max(most, maxTimestamp), NO_TIMESTAMP)
      const hit = await this.offsetForTimestamp(greatest)
      if (hit !== null || this.#group.highWatermark === this.#log.logEndOffset) return hit
      // The record that has it is written and not committed yet: it will be in a moment, or the partition ends.
      await this.#advanced()
    }
  }

  /**
   * Whether a reader that last saw `lastEpoch` and stands at `offset` read what this log holds.
   *
   * @returns null when it did; UNKNOWN_LEADER_EPOCH for an epoch from the future; OFFSET_OUT_OF_RANGE when the log was
   * cut and written anew below the offset.
   */
  checkEpoch(lastEpoch: number, offset: number): StratalogError | null {
    const { leaderEpoch } = this.#group
    if (lastEpoch > leaderEpoch) {
      const text = `leader epoch ${lastEpoch} is newer than this broker's ${leaderEpoch}`
      return new StratalogError('UNKNOWN_LEADER_EPOCH', text, { topic: this.topic, partition: this.partition })
    }
    const known = this.#log.epochs.endOffsetFor(lastEpoch, this.#log.logEndOffset)
    if (known === null || offset <= known.endOffset) return null
    const text = `offset ${offset} was read in leader epoch ${lastEpoch}, which ends at ${known.endOffset} here: the log was cut`
    return new StratalogError('OFFSET_OUT_OF_RANGE', text, {
      topic: this.topic,
      partition: this.partition,
      metadata: { offset: String(offset), divergingEpoch: String(known.epoch), endOffset: String(known.endOffset) },
    })
  }

  /** What an operator sees. */
  describe(): PartitionDescription {
    const { topic, topicId, partition, replicas } = this.#spec
    return {
      topic,
      topicId,
      partition,
      replicas,
      leaderId: this.#group.leaderId,
      leaderEpoch: this.#group.leaderEpoch,
      logBytes: this.#log.sizeBytes,
      segmentCount: this.#log.segments.length,
      producerCount: this.#producers.producerCount,
      diskFull: this.#log.state.kind === 'disk-full',
    }
  }

  /** The topic's configuration changed. */
  updateConfig(config: PartitionConfig): void {
    this.#appendPath.updateConfig(config)
    this.#log.updateConfig(logConfigOf(config))
  }

  /** Deletes what retention allows and forgets silent producers. Errors go to the operators' log. */
  async enforceRetention(): Promise<void> {
    if (this.#end !== null) return
    const { ticks, limits, logger } = this.#environment
    const nowMs = ticks.clock.nowMs()
    this.#producers.expire(nowMs - limits.producerIdExpirationMs)
    const before = this.#log.logStartOffset
    try {
      await this.#log.enforceRetention(nowMs, this.#group.highWatermark)
    } catch (error) {
      logger.error({ ...this.#name(), err: error }, 'retention failed')
    }
    if (this.#log.logStartOffset !== before) this.#notify()
  }

  /**
   * Stops: refuses clients with `reason`, waits for what is under way, and closes the log cleanly.
   *
   * Whoever waits for an acknowledgement gets it if the disk still takes it, else `reason`.
   */
  async close(reason: StratalogError): Promise<void> {
    await this.#stop(reason)
    await this.#log.close()
  }

  /** Stops and removes the folder. The deletion of its topic must be durable. */
  async delete(reason: StratalogError): Promise<void> {
    await this.#stop(reason)
    await this.#log.delete()
  }

  /** Resolves when there is news. */
  #advanced(): Promise<void> {
    return new Promise((resolve) => {
      const stopListening = this.onAdvance(() => {
        stopListening()
        resolve()
      })
    })
  }

  /** Resolves once the partition serves, or cannot by itself. */
  #begun(): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.state().kind !== 'serving' && this.#end === null && this.#log.state.kind === 'open') return
        stopListening()
        resolve()
      }
      const stopListening = this.onAdvance(check)
      check()
    })
  }

  async #stop(reason: StratalogError): Promise<void> {
    this.#end ??= reason
    this.#notify()
    await this.#group.close()
    this.#appendPath.failAll(this.#end)
    this.#environment.ticks.remove(this.#appendPath)
  }

  /** A batch from another leader is news to the producer state; what was proposed here it knows. */
  #onAppended({ end, data }: Entry<Buffer>): void {
    if (data === null || end <= this.#producers.endOffset) return
    noteBatch(this.#producers, readBatchHeader(data, 0), this.#environment.ticks.clock.nowMs())
  }

  #onLeadership(): void {
    if (!this.#group.isServing && this.#appendPath.waiterCount > 0) this.#appendPath.failAll(this.#notServing())
    this.#notify()
  }

  #onLogState(state: LogState): void {
    const { logger } = this.#environment
    switch (state.kind) {
      case 'open':
        logger.info(this.#name(), 'the disk has room again: writing goes on')
        this.#group.resume()
        break
      case 'disk-full':
        logger.error(
          { ...this.#name(), err: state.error, hint: state.error.hint },
          'the disk is full: writing has stopped',
        )
        this.#group.holdBack()
        this.#appendPath.answerAll(publicError(state.error, this))
        break
      case 'failed':
        logger.error({ ...this.#name(), err: state.error, hint: state.error.hint }, 'the log has failed')
        this.#stopServing(publicError(state.error, this))
        break
      case 'closed':
        break
    }
    this.#notify()
  }

  #onDamage(error: LogSegmentCorruptError): void {
    this.#environment.logger.error({ ...this.#name(), err: error, hint: error.hint }, 'the partition is damaged')
    this.#stopServing(publicError(error, this))
  }

  #stopServing(error: StratalogError): void {
    if (this.#end !== null) return
    this.#end = error
    this.#appendPath.failAll(error)
    this.#notify()
  }

  #assertReadable(): void {
    const state = this.state()
    if (state.kind === 'unavailable') throw state.error
  }

  #notServing(): StratalogError {
    const { topic, partition } = this
    if (this.#log.state.kind === 'disk-full') return publicError(this.#log.state.error, this)
    const { leaderId, leaderEpoch } = this.#group
    const elsewhere = leaderId !== null && leaderId !== this.#environment.brokerId
    const leader = { leaderId, leaderEpoch, host: null, port: null }
    return new StratalogError(elsewhere ? 'NOT_LEADER_OR_FOLLOWER' : 'LEADER_NOT_AVAILABLE', undefined, {
      topic,
      partition,
      leader,
    })
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }

  #name(): { topic: string; partition: number } {
    return { topic: this.topic, partition: this.partition }
  }

  /** Throws InvariantError if offsets contradict each other. For tests and simulation. */
  checkInvariants(): void {
    const { logStartOffset, highWatermark, visibleEnd, logEndOffset } = this.bounds()
    invariant(logStartOffset <= visibleEnd, 'visible end below log start')
    invariant(visibleEnd <= highWatermark, 'visible end beyond the high watermark')
    invariant(highWatermark <= logEndOffset, 'high watermark beyond the log end')
    this.#producers.checkInvariants()
  }
}

/** Follows the log: as for a batch that was produced, but without checks, as it was checked then. */
function noteBatch(producers: ProducerState, header: BatchHeader, nowMs: number): void {
  const { baseOffset, lastOffset, leaderEpoch } = header
  if (lastOffset < producers.endOffset) return
  const producer = header.control ? null : producerOf(header)
  const logAppendTimeMs = header.timestampType === 'append' ? header.maxTimestamp : -1
  if (producer === null) producers.advanceTo(lastOffset + 1)
  else producers.append(producer, { baseOffset, lastOffset, leaderEpoch, logAppendTimeMs }, nowMs)
}

function logRecovery(logger: PartitionLogger, spec: PartitionSpec, report: RecoveryReport): void {
  if (report.truncatedBytes === 0) return
  const { topic, partition } = spec
  logger.warn({ topic, partition, ...report }, 'a torn tail was cut off the log')
}
