/**
 * The log of one partition, which is at once its Raft log: batches in segment files, appended at the end, flushed in
 * groups, read by offset or timestamp, cut at either end.
 *
 * This class is the front of the parts that do the work: LogWriter (append path), LogReader, Checkpointer,
 * log-recovery, log-maintenance; LogCore is the state they share, with its invariants.
 *
 * Owner: one writer loop (the partition's Raft group) calls everything but `read`, `offsetForTimestamp` and the
 * getters, which anybody may call at any time. Layout on disk: docs/log-format.md "Segment files".
 */
import { InvariantError, invariant, type LeaderEpoch, type Offset, toLeaderEpoch, toOffset } from '@stratalog/proto'
import { baseOffsetOf, isControl, lastOffsetOf, leaderEpochOf, sizeOf } from '@stratalog/proto/records'
import type { Checkpointer } from './checkpointer.ts'
import type { DeletionRequest } from './deletions.ts'
import { DELETED_DIRECTORY_SUFFIX } from './file-names.ts'
import type { EpochEntry, LeaderEpochCache } from './leader-epoch-cache.ts'
import type { LogConfig } from './log-config.ts'
import { LogCore, type LogState, type PartitionLogOptions } from './log-core.ts'
import { LogDiskFullError, LogError, LogIoError, LogOffsetOutOfRangeError } from './log-errors.ts'
import { deleteBelow, resetLog, truncateLog } from './log-maintenance.ts'
import { LogReader, type ReadResult, type TimestampHit } from './log-reader.ts'
import { recoverLog } from './log-recovery.ts'
import { type ScrubCursor, type ScrubStep, scrubLog } from './log-scrub.ts'
import { LogWriter } from './log-writer.ts'
import { type RetentionResult, retentionStart } from './retention.ts'
import { type LogSplit, splitPoints } from './split-points.ts'

/** A segment as `describe` shows it. */
export interface SegmentInfo {
  readonly baseOffset: Offset
  /** Exclusive. */
  readonly endOffset: Offset
  readonly sizeBytes: number
  /** Largest timestamp, ms; -1 if none. */
  readonly maxTimestamp: number
  readonly active: boolean
}

/** See the file's header. */
export class PartitionLog {
  readonly #core: LogCore
  readonly #reader: LogReader
  readonly #checkpointer: Checkpointer
  readonly #writer: LogWriter

  private constructor(core: LogCore, checkpointer: Checkpointer) {
    this.#core = core
    this.#checkpointer = checkpointer
    this.#reader = new LogReader(core)
    this.#writer = new LogWriter(core, checkpointer)
  }

  /**
   * Opens the folder, creating it when missing, and recovers what a crash left.
   *
   * Start-up reads a few small files and, after a crash, at most what was written since the last checkpoint; sealed
   * segments are not opened. Errors: LOG_SEGMENT_CORRUPT (the partition must not serve), LOG_IO_FAILED.
   */
  static async open(options: PartitionLogOptions): Promise<PartitionLog> {
    const core = new LogCore(options)
    try {
      const { checkpointer, checkpointDue, report } = await recoverLog(core)
      const log = new PartitionLog(core, checkpointer)
      await log.#restoreOwner()
      if (checkpointDue === 'now') await log.#writer.checkpoint()
      // What was scanned counts as acknowledged from now on: the next start must miss it if it is gone.
      else if (checkpointDue === 'later') await checkpointer.writeRecoveryPoint()
      core.checkInvariants()
      options.listener?.onRecovered?.(report)
      return log
    } catch (error) {
      // The owner may set the folder aside and open another one by its name: what recovery has opened is not of that.
      options.openFiles.forgetFolder(options.directory)
      if (error instanceof LogError || error instanceof InvariantError) throw error
      throw new LogIoError(options.directory, 'open', core.flushedEndOffset, error)
    }
  }

  /** `<topic>-<partition>` folder. */
  get directory(): string {
    return this.#core.directory
  }

  /** First offset that the log holds, a batch boundary: where replication begins. */
  get logStartOffset(): Offset {
    return this.#core.logStartOffset
  }

  /** First offset that clients may read: {@link logStartOffset}, or later where records were deleted by request. */
  get readableFrom(): Offset {
    return this.#core.readableFrom
  }

  /** Offset of the next record to be appended (exclusive end of the log). */
  get logEndOffset(): Offset {
    return this.#core.logEndOffset
  }

  /** Exclusive end of what was written to the page cache. */
  get writtenEndOffset(): Offset {
    return this.#core.writtenEndOffset
  }

  /** Exclusive end of what is durable, whatever the flush policy. */
  get flushedEndOffset(): Offset {
    return this.#core.flushedEndOffset
  }

  /** Epoch of the last batch, 0 if none. */
  get lastEpoch(): LeaderEpoch {
    return this.#core.epochs.latestEpoch
  }

  /** Epochs of all batches, pending ones included. Read only. */
  get epochs(): LeaderEpochCache {
    return this.#core.epochs
  }

  /** Whether it takes appends. */
  get state(): LogState {
    return this.#core.state
  }

  /** Bytes that wait to be written: what the owner's flow control bounds. */
  get pendingBytes(): number {
    return this.#core.tail.pendingBytes
  }

  /** Bytes of all segments, written ones only. */
  get sizeBytes(): number {
    let sizeBytes = 0
    for (const segment of this.#core.segments) sizeBytes += segment.sizeBytes
    return sizeBytes
  }

  /** Oldest first; the last one is active. */
  get segments(): SegmentInfo[] {
    return this.#core.segments.map((segment) => ({
      baseOffset: segment.baseOffset,
      endOffset: segment.endOffset,
      sizeBytes: segment.sizeBytes,
      maxTimestamp: segment.maxTimestamp,
      active: segment === this.#core.activeSegment,
    }))
  }

  /**
   * Appends batches, each Buffer one whole batch, stamped with contiguous offsets from {@link logEndOffset} on and
   * with an epoch that does not go back (asserted). The bytes belong to the log from now on and must not change.
   *
   * Durability: memory; await {@link flush}. Cost: independent of the log's size, no I/O in the call.
   * Errors: LOG_DISK_FULL, LOG_IO_FAILED, LOG_CLOSED; then nothing was appended.
   */
  append(batches: readonly Buffer[]): void {
    const core = this.#core
    core.assertAppendable()
    invariant(core.truncatingTo === null, 'append while a truncation is under way')
    for (const batch of batches) {
      const baseOffset = baseOffsetOf(batch, 0)
      invariant(baseOffset === core.logEndOffset, () => `append at ${baseOffset}, the log ends at ${core.logEndOffset}`)
      invariant(sizeOf(batch, 0) === batch.length, () => `a buffer of ${batch.length} bytes is not one whole batch`)
      const endOffset = toOffset(lastOffsetOf(batch, 0) + 1)
      core.epochs.assign(toLeaderEpoch(leaderEpochOf(batch, 0)), core.logEndOffset)
      if (isControl(batch, 0)) {
        core.controlRuns.add(core.logEndOffset, endOffset)
        core.deletions.note(batch, 0)
      }
      core.tail.push(batch)
      core.logEndOffset = endOffset
    }
    if (core.tail.pendingBytes >= core.config.groupBytesMax) this.#writer.wake()
  }

  /**
   * Resolves once everything appended before the call is durable (policy `replicated`: written to the page cache, a
   * sync follows within `backgroundSyncDelayMs`). Concurrent calls share one write and fdatasync.
   *
   * @returns the end (exclusive) up to which that holds now.
   * While the disk is full it waits for space. Errors: LOG_IO_FAILED (for ever), LOG_FLUSH_SUPERSEDED when a truncation
   * cut what it waited for, LOG_CLOSED.
   */
  flush(): Promise<Offset> {
    return this.#writer.flush()
  }

  /**
   * Reads whole batches from the one that holds `from`, none that reaches `endOffset` or beyond.
   *
   * @param maxBytes bound on the bytes returned.
   * @param minOneBatch returns the first batch even if it alone is larger than `maxBytes`. Default true.
   * Errors: LOG_OFFSET_OUT_OF_RANGE, LOG_SEGMENT_CORRUPT, LOG_CLOSED.
   */
  read(from: Offset, endOffset: Offset, maxBytes: number, minOneBatch = true): Promise<ReadResult> {
    return this.#reader.read(from, endOffset, maxBytes, minOneBatch)
  }

  /** As {@link read}, from memory and at once; null when the batch at `from` has to be read from a file. */
  readCached(from: Offset, endOffset: Offset, maxBytes: number): readonly Buffer[] | null {
    const core = this.#core
    if (core.state.kind === 'failed' || core.state.kind === 'closed') return null
    const chunks = core.tail.read(from, endOffset, maxBytes, true)
    return chunks === null || chunks.length === 0 ? null : chunks
  }

  /**
   * Checks what is on disk below the flushed end, a piece at a time: what fits into `buffer`, from `from` on, or from the
   * log's start. May run beside everything else; see log-scrub.ts. Errors: LOG_SEGMENT_CORRUPT, LOG_CLOSED.
   */
  scrub(from: ScrubCursor | null, buffer: Buffer): Promise<ScrubStep> {
    return scrubLog(this.#core, from, buffer)
  }

  /**
   * The first data record below `endOffset` whose timestamp is at least `timestampMs`, or null.
   *
   * Errors: as {@link read}. Source: Kafka UnifiedLog.fetchOffsetByTimestamp.
   */
  offsetForTimestamp(timestampMs: number, endOffset: Offset): Promise<TimestampHit | null> {
    return this.#reader.offsetForTimestamp(timestampMs, endOffset)
  }

  /** The greatest timestamp of the data records that may be read, committed or not; -1 if there are none. Errors: as {@link read}. */
  greatestTimestamp(): Promise<number> {
    return this.#reader.greatestTimestamp()
  }

  /** Base offset of the batch that holds `offset`; the offset itself at the log's end. Errors: as {@link read}. */
  batchOffsetAt(offset: number): Promise<Offset> {
    return this.#reader.batchOffsetAt(toOffset(offset))
  }

  /**
   * Cuts `[start, end)` into pieces of about `targetBytes`; see split-points.ts. Errors: LOG_OFFSET_OUT_OF_RANGE when the range
   * is not in the log, those of the file system, LOG_CLOSED.
   */
  async splits(start: number, end: number, targetBytes: number): Promise<LogSplit[]> {
    const core = this.#core
    this.#throwUnlessAlive()
    if (start < core.logStartOffset || end > core.logEndOffset) {
      throw new LogOffsetOutOfRangeError(start, core.logStartOffset, core.logEndOffset)
    }
    return await splitPoints(core, toOffset(start), toOffset(end), targetBytes)
  }

  /**
   * One past the last data record below `endOffset` (log start if there is none): the end that clients are told for
   * that high watermark. Constant time; an `endOffset` older than the last few leader changes is returned as it is.
   */
  visibleEnd(endOffset: Offset): Offset {
    return toOffset(Math.max(this.#core.logStartOffset, this.#core.controlRuns.visibleEnd(endOffset)))
  }

  /**
   * Drops everything at or beyond `endOffset`, which must be a batch boundary (asserted); nothing may be appended until
   * it resolves. Flushes that wait for dropped batches reject at once; none completes later with an end beyond it.
   *
   * Durable when it resolves; while the disk is full it waits for space. Errors: LOG_IO_FAILED, LOG_CLOSED.
   *
   * @param options.replay gives the owner its state again through `onRecoveredCompanion` and `onRecoveredBatch`, as at
   * open. Default false: the owner cuts its state by itself, before the call or right after it.
   */
  async truncateTo(endOffset: Offset, options: { readonly replay?: boolean } = {}): Promise<void> {
    const core = this.#core
    if (endOffset >= core.logEndOffset) return
    invariant(core.truncatingTo === null, 'two truncations at once')
    core.truncatingTo = endOffset
    this.#writer.supersede(endOffset)
    try {
      await core.steps.run(async () => {
        this.#throwUnlessAlive()
        await this.#writer.settle(endOffset)
        await this.#writer.guard(() => truncateLog(core, this.#checkpointer, endOffset))
        if (options.replay === true) await this.#restoreOwner()
      })
    } finally {
      core.truncatingTo = null
    }
    this.#writer.wake()
  }

  /**
   * Begins anew at `startOffset` with an empty log: a follower whose leader has nothing older.
   *
   * @param previous the epoch of the batch just before, and an offset from which it holds; null if there is none.
   * Durable when it resolves.
   */
  async resetTo(startOffset: Offset, previous: EpochEntry | null): Promise<void> {
    const core = this.#core
    invariant(core.truncatingTo === null, 'reset during a truncation')
    core.truncatingTo = toOffset(0)
    this.#writer.supersede(toOffset(0))
    try {
      await core.steps.run(async () => {
        this.#throwUnlessAlive()
        await this.#writer.settle(core.writtenEndOffset)
        await this.#writer.guard(() => resetLog(core, this.#checkpointer, startOffset, previous))
      })
    } finally {
      core.truncatingTo = null
    }
  }

  /**
   * Moves the log start up to `logStartOffset` (at most the flushed end) and deletes the segments wholly below it.
   * The caller keeps it at or below the high watermark.
   */
  deleteTo(logStartOffset: Offset): Promise<RetentionResult> {
    return this.#core.steps.run(() => this.#deleteTo(logStartOffset))
  }

  /** Deletions that are in the log, committed or not, and not carried out. */
  get deletionRequests(): readonly DeletionRequest[] {
    return this.#core.deletions.requests
  }

  /**
   * What lies below `beforeOffset` is deleted for good, as the owner knows from a committed request: nobody reads it from
   * now on. In memory and at once; see {@link carryOutDeletions}. @returns whether that is news.
   */
  deleteRecords(beforeOffset: number): boolean {
    return this.#core.deletions.takeEffect(beforeOffset)
  }

  /** Whether {@link carryOutDeletions} has anything to do. */
  hasDeletionsDue(committedEnd: Offset): boolean {
    return this.#core.deletions.isDue(committedEnd)
  }

  /**
   * Stores that the deletions below `committedEnd`, committed and flushed here, have taken effect, and deletes the segments
   * that hold nothing else. Durable when it resolves.
   */
  carryOutDeletions(committedEnd: Offset): Promise<RetentionResult> {
    const core = this.#core
    return core.steps.run(async () => {
      this.#throwUnlessAlive()
      if (!core.deletions.isDue(committedEnd)) return this.#deleteTo(core.logStartOffset)
      const batchOffset = core.deletions.takeDue(committedEnd)
      const start = toOffset(Math.max(core.logStartOffset, batchOffset))
      return this.#deleteBelow(start)
    })
  }

  /**
   * Deletes segments that are too old or too many, none that reaches above the high watermark; the active one only
   * when all of it is too old. Also rolls an active segment that is older than `segmentMaxAgeMs`.
   */
  enforceRetention(nowMs: number, highWatermark: Offset): Promise<RetentionResult> {
    const core = this.#core
    return core.steps.run(async () => {
      this.#throwUnlessAlive()
      const start = retentionStart(core.segments, core.config, nowMs, highWatermark)
      const { firstAppendMs } = core.activeSegment
      const tooOld = firstAppendMs !== null && nowMs - firstAppendMs >= core.config.segmentMaxAgeMs
      const wholeLog = start !== null && start === core.writtenEndOffset
      if (core.state.kind === 'open' && (tooOld || wholeLog)) await this.#writer.roll()
      return this.#deleteTo(start ?? core.logStartOffset)
    })
  }

  /** Begins a new segment unless the active one is empty. */
  roll(): Promise<void> {
    return this.#core.steps.run(() => this.#writer.roll())
  }

  /** Flushes, then moves the recovery checkpoint to the log's end. */
  checkpoint(): Promise<void> {
    return this.#core.steps.run(() => this.#writer.checkpoint())
  }

  /**
   * Stores a companion snapshot that describes all batches below `offset`, at most {@link logEndOffset}. Durable when
   * it resolves. Needed only beside the `snapshotCompanion` option, which rolls and checkpoints call by themselves.
   */
  saveCompanion(offset: Offset, bytes: Buffer): Promise<void> {
    invariant(offset <= this.#core.logEndOffset, 'a companion beyond the log end')
    return this.#core.steps.run(() => this.#writer.guard(() => this.#checkpointer.companions.save(offset, bytes)))
  }

  /** Takes effect at the next append, roll or retention. */
  updateConfig(config: LogConfig): void {
    this.#core.config = config
  }

  /**
   * Flushes, writes the checkpoint, and ends: the next open has nothing to scan. A failed log just ends; what waits
   * for a full disk is given up after one more attempt. Never rejects for those; calling it again is harmless.
   */
  async close(): Promise<void> {
    const core = this.#core
    core.closing = true
    await core.steps.run(async () => {
      if (core.state.kind === 'closed') return
      try {
        if (core.state.kind !== 'failed') await this.#writer.drain()
        if (core.state.kind !== 'failed' && !this.#checkpointer.isCurrent) await this.#writer.checkpoint()
      } catch (error) {
        // The state says why; whoever waits for a flush is told below.
        if (!(error instanceof LogIoError || error instanceof LogDiskFullError)) throw error
      }
      await this.#end()
    })
  }

  /**
   * Ends and removes the folder, which is renamed first: after a crash it is either whole or carries the suffix
   * `.deleted`, and whoever finds such a folder removes it.
   */
  async delete(): Promise<void> {
    const core = this.#core
    core.closing = true
    await core.steps.run(() => this.#end())
    const doomed = core.directory + DELETED_DIRECTORY_SUFFIX
    await core.fileSystem.removeDirectory(doomed)
    await core.fileSystem.rename(core.directory, doomed)
    await core.fileSystem.removeDirectory(doomed)
  }

  /** Throws InvariantError if the state contradicts itself. For tests and simulation. */
  checkInvariants(): void {
    this.#core.checkInvariants()
  }

  async #end(): Promise<void> {
    const core = this.#core
    await this.#writer.close()
    core.tail.clear()
    for (const segment of core.segments) segment.forget()
    this.#checkpointer.close()
  }

  /** Gives the owner the newest companion and every batch header behind it; without a companion from the log start. */
  async #restoreOwner(): Promise<void> {
    const core = this.#core
    const { onRecoveredBatch, onRecoveredCompanion } = core.options
    if (onRecoveredBatch === undefined && onRecoveredCompanion === undefined) return
    const companion = await this.#checkpointer.companions.newestAt(core.logEndOffset)
    onRecoveredCompanion?.(companion)
    const from = toOffset(Math.max(companion?.offset ?? 0, core.logStartOffset))
    if (onRecoveredBatch !== undefined) await this.#reader.replayHeaders(from, core.logEndOffset, onRecoveredBatch)
  }

  async #deleteTo(logStartOffset: Offset): Promise<RetentionResult> {
    const core = this.#core
    this.#throwUnlessAlive()
    invariant(logStartOffset <= core.flushedEndOffset, () => `deletion up to ${logStartOffset}, which is not durable`)
    if (logStartOffset <= core.logStartOffset) {
      return { logStartOffset: core.logStartOffset, segmentCount: 0, sizeBytes: 0 }
    }
    return this.#deleteBelow(logStartOffset)
  }

  async #deleteBelow(logStartOffset: Offset): Promise<RetentionResult> {
    const freed = await this.#writer.guard(() => deleteBelow(this.#core, this.#checkpointer, logStartOffset))
    this.#writer.probe()
    return { logStartOffset, ...freed }
  }

  #throwUnlessAlive(): void {
    const error = this.#core.stateError()
    if (error !== null && !(error instanceof LogDiskFullError)) throw error
  }
}
