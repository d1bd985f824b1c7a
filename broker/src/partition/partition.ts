/**
 * One copy of a partition on this broker: its log, its Raft group, and what clients may do with them.
 *
 * States: serving (leads, and an entry of its own term is committed), or unavailable with the error that clients get.
 * Being damaged, failed, closed or deleted is final; a damaged copy neither votes nor acknowledges from then on, and is
 * reported once so that it is rebuilt.
 * Invariant: logStartOffset <= visibleEnd <= highWatermark <= logEndOffset; the high watermark never goes back.
 * Owner: the registry opens and closes it; the log's writer loop is the Raft group's persister.
 */
import { invariant, type Offset, StratalogError, toOffset } from '@stratalog/proto'
import type { ConfState, NodeId, TransferResult } from 'raft-ts'
import type { LogState } from '../log/log-core.ts'
import type { TimestampHit } from '../log/log-reader.ts'
import { SCRUB_ENDED, type ScrubCursor, type ScrubStep } from '../log/log-scrub.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { LogSplit } from '../log/split-points.ts'
import type { GroupState } from '../replication/group-state.ts'
import { RaftGroup, type ReconcileResult, type ReplicaState } from '../replication/raft-group.ts'
import { nodeOfReplica, type Replica } from '../replication/raft-ids.ts'
import { AppendPath } from './append-path.ts'
import { Copies } from './copies.ts'
import { enforceRetention } from './enforce-retention.ts'
import { epochFault } from './epoch-fault.ts'
import { logState } from './log-state.ts'
import type { ProduceCallback } from './offset-waiters.ts'
import { type FailedCopy, type LogOwner, nodeIdOf, openCopy, reportLost } from './open-copy.ts'
import { boundsAt } from './partition-bounds.ts'
import { logConfigOf, type PartitionConfig } from './partition-config.ts'
import { claimCopy } from './partition-copy.ts'
import { describePartition } from './partition-description.ts'
import { outOfRange, publicError } from './partition-errors.ts'
import type {
  PartitionBounds,
  PartitionDescription,
  PartitionEnvironment,
  PartitionSpec,
  PartitionState,
} from './partition-types.ts'
import type { ProduceOptions } from './produce-outcome.ts'
import type { ProducerFollower } from './producer-follower.ts'
import { type PartitionRead, readData } from './read-path.ts'
import { type DeletionOutcome, RecordDeletion } from './record-deletion.ts'
import { RecordLookup } from './record-lookup.ts'
import { Refusals } from './refusals.ts'
import { scrubCopy } from './scrub-copy.ts'

const SERVING: PartitionState = { kind: 'serving' }

/** See the file's header. */
export class Partition implements LogOwner {
  readonly topic: string
  readonly topicId: Buffer
  readonly partition: number
  readonly #spec: PartitionSpec
  readonly #environment: PartitionEnvironment
  readonly #log: PartitionLog
  readonly #group: RaftGroup
  readonly #producers: ProducerFollower
  readonly #appendPath: AppendPath
  readonly #deletion: RecordDeletion
  readonly #refusals: Refusals
  readonly #lookup: RecordLookup
  readonly #listeners = new Set<() => void>()
  readonly #copies: Copies
  /** Term of those who wait for acknowledgements. */
  #leaderTerm = 0
  /** The committed end when listeners were called last. */
  #announcedEnd = 0
  /** Why it serves no more, for good. */
  #end: StratalogError | null = null

  private constructor(
    spec: PartitionSpec,
    environment: PartitionEnvironment,
    log: PartitionLog,
    state: GroupState,
    producers: ProducerFollower,
  ) {
    const { topic, topicId, partition, config, initialVoters } = spec
    const { brokerId, groups, transport, ticks, marks, random, limits, catchUp } = environment
    this.topic = topic
    this.topicId = Buffer.from(topicId, 'hex')
    this.partition = partition
    this.#spec = spec
    this.#environment = environment
    this.#log = log
    this.#producers = producers
    this.#copies = new Copies(spec, environment)
    this.#group = new RaftGroup({
      nodeId: nodeIdOf(spec, environment),
      log,
      state,
      groups,
      transport,
      ticks,
      marks,
      catchUp,
      random,
      uncommittedBytesMax: limits.uncommittedBytesMax,
      isPreferredFounder: state.isNew && initialVoters?.[0]?.brokerId === brokerId,
      listener: {
        onCommitted: (highWatermark) => {
          this.#deletion.onCommitted()
          this.#appendPath.onCommitted(highWatermark)
          this.#notify()
        },
        onAppended: (entry) => {
          this.#producers.onAppended(entry)
          this.#deletion.onAppended(entry)
        },
        onTruncated: (endOffset) => this.#onTruncated(endOffset),
        onReset: (startOffset) => {
          this.#producers.onReset(startOffset)
          this.#deletion.onTruncated(0)
        },
        onReplaced: () => this.#producers.onReplaced(),
        onLeadership: () => this.#onLeadership(),
        onMembers: () => this.#onMembers(),
        onCopyLost: (node, detail) => this.#onCopyLost(node, detail),
        onFailed: (error) => this.#stopServing(publicError(error, this)),
      },
    })
    this.#refusals = new Refusals(this, brokerId, log, this.#group)
    const { state: producerState } = producers
    this.#appendPath = new AppendPath({
      topic,
      partition,
      log,
      group: this.#group,
      producers: producerState,
      ticks,
      config,
    })
    this.#deletion = this.#newDeletion()
    this.#lookup = this.#newLookup()
  }

  /**
   * Opens this broker's copy, recovering it if need be, and starts its Raft group; one that needs no other broker serves
   * when this resolves, unless the disk does not let it.
   *
   * @param failed how the same copy ended in this process, see {@link failedCopy}; null if it did not.
   * Errors: LogError, StoreError, PARTITION_DAMAGED (which is reported as a lost copy), STORAGE_ERROR; the broker goes on
   * without the partition.
   */
  static async open(
    spec: PartitionSpec,
    environment: PartitionEnvironment,
    failed: FailedCopy | null = null,
  ): Promise<Partition> {
    try {
      await claimCopy(spec, environment)
      const partition = await openCopy(
        spec,
        environment,
        (...parts) => new Partition(spec, environment, ...parts),
        failed,
      )
      await partition.#start()
      return partition
    } catch (error) {
      const shown = publicError(error, spec)
      if (shown.code === 'PARTITION_DAMAGED') reportLost(spec, environment, nodeIdOf(spec, environment), shown)
      throw error
    }
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
    const refusal = this.#refusal()
    if (refusal === null) this.#appendPath.produce(batch, options, done)
    else this.#appendPath.refuse(refusal, options, done)
  }

  /**
   * Committed data batches from the one that holds `offset` on, at most `maxBytes` but at least one if there is any.
   *
   * Errors: OFFSET_OUT_OF_RANGE below the log start or beyond the high watermark, PARTITION_DAMAGED, and those of `state`.
   */
  async read(offset: number, maxBytes: number): Promise<PartitionRead> {
    this.#assertReadable()
    return this.#read(offset, this.#group.highWatermark, maxBytes)
  }

  /** As {@link read}, on any replica: what is committed and durable here, see {@link committedEnd}. */
  async readCommitted(offset: number, maxBytes: number): Promise<PartitionRead> {
    if (this.#end !== null) throw this.#end
    return this.#read(offset, this.committedEnd, maxBytes)
  }

  /** Exclusive end of what is committed, as far as this copy knows, and durable in it. Moves are told by {@link onAdvance}. */
  get committedEnd(): Offset {
    return toOffset(Math.min(this.#group.highWatermark, this.#log.flushedEndOffset))
  }

  /** Where it begins and ends now. O(1). */
  bounds(): PartitionBounds {
    return boundsAt(this.#group.highWatermark, this.#log, this.#group.leaderEpoch)
  }

  /** As {@link bounds}, of what {@link readCommitted} serves: the high watermark is {@link committedEnd}. */
  committedBounds(): PartitionBounds {
    return boundsAt(this.committedEnd, this.#log, this.#group.leaderEpoch)
  }

  /**
   * Calls `listener` whenever the high watermark or the log start moves, leadership changes, or the partition ends.
   * Called synchronously; must be cheap and must not throw. Returns how to stop it.
   */
  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether clients are served, and what they are told if not: where others hold the partition too, to look for its leader. */
  state(): PartitionState {
    const error = this.#refusal()
    return error === null ? SERVING : { kind: 'unavailable', error }
  }

  /** Whether {@link readCommitted} serves, whoever leads, and what its readers are told if not. */
  copyState(): PartitionState {
    const error = this.#refusals.ofEnd(this.#end)
    return error === null ? SERVING : { kind: 'unavailable', error }
  }

  /** What is wrong with this copy, for operators; null when nothing is, whoever leads. */
  problem(): StratalogError | null {
    if (this.#end !== null) return this.#end
    if (this.#group.isServing) return null
    const refusal = this.#refusals.notServing()
    return refusal.code === 'NOT_LEADER_OR_FOLLOWER' ? null : refusal
  }

  /** How it has failed, if an error of disk or store ended it and it may be opened anew; else null. */
  failedCopy(): FailedCopy | null {
    if (this.#end?.code !== 'STORAGE_ERROR') return null
    return { generation: this.#spec.generation, flushedEnd: this.#log.flushedEndOffset }
  }

  /** Who the members are; node ids, see raft-ids.ts. */
  members(): ConfState {
    return this.#group.members
  }

  /** The members as this leader sees them; empty elsewhere. Allocates. */
  replicaStates(): ReplicaState[] {
    return this.#end === null ? this.#group.replicaStates() : []
  }

  /**
   * Takes the next step towards exactly these voters, and learners beside them, unless one is under way.
   *
   * Idempotent: the leader's broker calls it whenever something has changed, and about each second.
   */
  reconcile(target: readonly Replica[], learners: readonly Replica[] = []): ReconcileResult {
    if (this.#end !== null) return 'not-leader'
    return this.#group.reconcile(target.map(nodeOfReplica), learners.map(nodeOfReplica))
  }

  /** Hands leadership to another voter; a follower passes it on to its leader. Proposals wait meanwhile. */
  transferLeadership(to: NodeId): TransferResult {
    if (this.#end !== null) return { kind: 'refused', reason: 'not-leader' }
    return this.#group.transferLeadership(to)
  }

  /** How willing this copy is to lead: 10 is normal, lower is later, 0 is only when told to. */
  setPriority(priority: number): void {
    this.#group.setPriority(priority)
  }

  /** Lets the timers of a silent group run again. */
  wake(): void {
    this.#group.wake()
  }

  /** A broker is gone, as far as this one can see. */
  peerLost(brokerId: number): void {
    this.#group.peerLost(brokerId)
  }

  /** The first committed record whose timestamp is at least `timestampMs`, or null. Errors: as {@link read}. */
  offsetForTimestamp(timestampMs: number): Promise<TimestampHit | null> {
    return this.#lookup.first(timestampMs)
  }

  /** The first committed record with the greatest timestamp, or null when there is none. Errors: as {@link read}. */
  maxTimestamp(): Promise<TimestampHit | null> {
    return this.#lookup.greatest()
  }

  /** `[start, end)` in pieces of about `targetBytes`, see PartitionLog.splits. Errors: as {@link read}. */
  splits(start: number, end: number, targetBytes: number): Promise<readonly LogSplit[]> {
    return this.#lookup.splits(start, end, targetBytes)
  }

  /** See RecordDeletion.delete. */
  deleteRecords(beforeOffset: number | null, validateOnly = false): Promise<DeletionOutcome> {
    return this.#deletion.delete(beforeOffset, validateOnly)
  }

  /**
   * Whether a reader that last saw `lastEpoch` and stands at `offset` read what this log holds.
   *
   * @returns null when it did; UNKNOWN_LEADER_EPOCH for an epoch from the future; OFFSET_OUT_OF_RANGE when the log was
   * cut and written anew below the offset.
   */
  checkEpoch(lastEpoch: number, offset: number): StratalogError | null {
    return epochFault({ log: this.#log, leaderEpoch: this.#group.leaderEpoch, place: this.#name() }, lastEpoch, offset)
  }

  /** What an operator sees. */
  describe(): PartitionDescription {
    return describePartition({
      spec: this.#spec,
      log: this.#log,
      group: this.#group,
      producerCount: this.#producers.state.producerCount,
      underReplicated: this.replicaStates().some(({ role, isCaughtUp }) => role === 'voter' && !isCaughtUp),
    })
  }

  /** The topic's configuration changed. */
  updateConfig(config: PartitionConfig): void {
    this.#appendPath.updateConfig(config)
    this.#log.updateConfig(logConfigOf(config))
  }

  /** Deletes what retention allows and forgets silent producers. Errors go to the operators' log. */
  async enforceRetention(): Promise<void> {
    if (this.#end !== null) return
    const { highWatermark } = this.#group
    const retained = { name: this.#name(), log: this.#log, producers: this.#producers.state, highWatermark }
    if (await enforceRetention(retained, this.#environment)) this.#notify()
  }

  /**
   * Checks a piece of what the copy has on disk, as of PartitionLog.scrub; damage ends the copy as if a reader had met it.
   * Never rejects for what is wrong with the disk: that goes to the operators' log, and the check ends.
   */
  async scrub(from: ScrubCursor | null, buffer: Buffer): Promise<ScrubStep> {
    if (this.#end !== null) return SCRUB_ENDED
    return scrubCopy(this.#log, from, buffer, (err) => {
      this.#environment.logger.error({ ...this.#name(), err }, 'the segments could not be checked')
    })
  }

  /**
   * Gives up what lies below `offset`, a batch boundary at or below {@link committedEnd}: whole segments are deleted. For what
   * is needed no more, whatever retention says. Errors: STORAGE_ERROR and others of the disk, SHUTTING_DOWN.
   */
  async trimTo(offset: number): Promise<void> {
    invariant(offset <= this.committedEnd, () => `trimming to ${offset}, which is not committed`)
    if (this.#end !== null || offset <= this.#log.logStartOffset) return
    try {
      await this.#log.deleteTo(toOffset(offset))
    } catch (error) {
      throw publicError(error, this)
    }
    this.#notify()
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

  #newDeletion(): RecordDeletion {
    const { ticks, logger } = this.#environment
    return new RecordDeletion({
      ...this.#name(),
      log: this.#log,
      group: this.#group,
      producers: this.#producers.state,
      clock: ticks.clock,
      logger,
      bounds: () => this.bounds(),
      refusal: () => this.#refusal(),
      onAdvance: (listener) => this.onAdvance(listener),
      onDeleted: () => this.#notify(),
    })
  }

  #newLookup(): RecordLookup {
    return new RecordLookup({
      ...this.#name(),
      log: this.#log,
      bounds: () => this.bounds(),
      assertReadable: () => this.#assertReadable(),
      errorOf: (error) => this.#shownError(error),
      advanced: () => this.#advanced(),
    })
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

  /** Begins; resolves once a group that needs no other broker serves, or cannot by itself. */
  async #start(): Promise<void> {
    this.#producers.state.noteDurable(this.#log.flushedEndOffset)
    this.#group.start()
    this.#deletion.onCommitted()
    this.#removeStaleCopies()
    if (!this.#group.isAlone) return
    await new Promise<void>((resolve) => {
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

  #onTruncated(endOffset: number): void {
    this.#producers.onTruncated(endOffset)
    this.#deletion.onTruncated(endOffset)
    if (this.#appendPath.waiterCount > 0) this.#appendPath.failAll(this.#refusals.notLeader())
  }

  /** Whoever waits across a change of leader is told to retry: what they wrote may still be committed, or never be. */
  #onLeadership(): void {
    this.#deletion.onCommitted()
    const { isServing, leaderEpoch } = this.#group
    const isOver = !isServing || leaderEpoch !== this.#leaderTerm
    this.#leaderTerm = leaderEpoch
    if (isOver && this.#appendPath.waiterCount > 0) this.#appendPath.failAll(this.#refusals.notLeader())
    this.#environment.onLeadership(this)
    this.#notify()
  }

  #onMembers(): void {
    this.#removeStaleCopies()
    this.#notify()
  }

  #removeStaleCopies(): void {
    if (this.members().voters.includes(this.#group.nodeId)) this.#copies.removeStale()
  }

  #onCopyLost(node: NodeId, detail: string): void {
    const error = this.#copies.lossOf(node, detail)
    if (node === this.#group.nodeId) this.#onDamage(error)
    else this.#copies.report(node, error)
  }

  /** The log is in the page cache up to `endOffset`. */
  onWritten(endOffset: number): void {
    this.#appendPath.onWritten(endOffset)
  }

  /** The log is durable up to `endOffset`. */
  onFlushed(endOffset: number): void {
    this.#producers.state.noteDurable(endOffset)
    this.#group.flushed()
    this.#deletion.onCommitted()
    // Where acknowledgements do not wait for the disk, what may be read from a follower does.
    if (this.committedEnd > this.#announcedEnd) this.#notify()
  }

  /** The log takes appends, or does not any more. */
  onLogState(state: LogState): void {
    logState(this.#environment.logger, this.#name(), state)
    switch (state.kind) {
      case 'open':
        this.#group.resume()
        break
      case 'disk-full':
        this.#group.holdBack()
        this.#appendPath.answerAll(publicError(state.error, this))
        break
      case 'failed':
        this.#onLogFailed(publicError(state.error, this))
        break
      case 'closed':
        break
    }
    this.#notify()
  }

  /**
   * What was not flushed is lost. A copy that has vouched for more, as `flush.policy=replicated` lets it, is not what it was;
   * one without others beside it has nothing to be rebuilt from, and promised no more than memory.
   */
  #onLogFailed(error: StratalogError): void {
    const { attestedEnd, isAlone } = this.#group
    const { flushedEndOffset } = this.#log
    if (isAlone || attestedEnd <= flushedEndOffset) {
      this.#stopServing(error)
      return
    }
    const text = `${error.message}; it has acknowledged up to ${attestedEnd} and is durable up to ${flushedEndOffset}`
    this.#onDamage(new StratalogError('PARTITION_DAMAGED', text, { ...this.#name(), cause: error }))
  }

  /** Something below the flushed end is missing or changed: this copy votes and acknowledges no more. */
  onDamage(error: unknown): void {
    this.#onDamage(publicError(error, this))
  }

  #onDamage(error: StratalogError): void {
    if (this.#end !== null) return
    this.#environment.logger.error({ ...this.#name(), err: error, hint: error.hint }, 'the partition is damaged')
    this.#stopServing(error)
    this.#copies.report(this.#group.nodeId, error)
  }

  async #read(offset: number, endOffset: Offset, maxBytes: number): Promise<PartitionRead> {
    const { readableFrom } = this.#log
    if (offset < readableFrom || offset > endOffset) {
      throw outOfRange(this, offset, readableFrom, Math.min(this.bounds().visibleEnd, endOffset))
    }
    try {
      return await readData(this.#log, toOffset(offset), endOffset, maxBytes)
    } catch (error) {
      throw this.#shownError(error)
    }
  }

  /** What clients are told of an error of the log. */
  #shownError(error: unknown): StratalogError {
    return this.#refusals.ofEnd(this.#end) ?? publicError(error, this)
  }

  #stopServing(error: StratalogError): void {
    if (this.#end !== null) return
    this.#end = error
    this.#group.halt()
    this.#appendPath.failAll(this.#refusals.ofEnd(this.#end) ?? error)
    this.#notify()
  }

  #assertReadable(): void {
    const refusal = this.#refusal()
    if (refusal !== null) throw refusal
  }

  /** Why clients are not served now; null when they are. */
  #refusal(): StratalogError | null {
    return this.#refusals.current(this.#end)
  }

  #notify(): void {
    this.#announcedEnd = this.committedEnd
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
    this.#producers.state.checkInvariants()
  }
}
