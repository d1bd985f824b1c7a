/**
 * The write path: group commit, rolls, failures.
 *
 * While one fdatasync is under way, appended batches queue in memory; then all of them go out in one write and one
 * fdatasync. Small groups are written on this thread (microseconds into the page cache, cheaper than a thread-pool
 * hop), large ones on the pool and beside the sync of the group before, so that the disk goes from sync to sync.
 *
 * Invariant: a flush resolves only after the fdatasync of all that it waited for (`replicated`: after the write).
 * Invariant: after a failed write or sync nothing is acknowledged any more and no sync is tried again.
 * Owner: the log; steps run one at a time in `core.steps`.
 */
import { InvariantError, type Offset, toOffset } from '@stratalog/proto'
import { lastOffsetOf } from '@stratalog/proto/records'
import { isDiskFull } from '../storage/file-system.ts'
import type { Checkpointer } from './checkpointer.ts'
import type { LogCore } from './log-core.ts'
import { LogClosedError, LogDiskFullError, LogFlushSupersededError, LogIoError } from './log-errors.ts'
import type { FileLease } from './open-file-cache.ts'
import { Segment } from './segment.ts'

interface FlushWaiter {
  readonly targetOffset: Offset
  readonly resolve: (flushedEndOffset: Offset) => void
  readonly reject: (error: Error) => void
}

/** See the file's header. */
export class LogWriter {
  readonly #core: LogCore
  readonly #checkpointer: Checkpointer
  /** Ascending by target. Bounded by the callers: one for each append that waits. */
  #waiters: FlushWaiter[] = []
  #pumping = false
  /** Keeps the active file open from its first unsynced byte to the sync: no error is lost with a descriptor. */
  #activeLease: FileLease | null = null
  /** A write is under way on the active file, possibly beside a background sync. */
  #writing = false
  /** A step waits for a sync: a write may begin beside it. */
  #syncing = false
  /** How the write beside the sync ended: null when well. */
  #besideWrite: Promise<{ readonly error: unknown } | null> | null = null
  #backgroundSync: Promise<void> | null = null
  /** A part of a group was cut off the active file and may come back with a power loss: a sync is due though none is by offset. */
  #hasUnsyncedCut = false
  #cancelTimer: (() => void) | null = null

  constructor(core: LogCore, checkpointer: Checkpointer) {
    this.#core = core
    this.#checkpointer = checkpointer
  }

  /** Resolves once all that was appended before the call is durable, as the flush policy has it. */
  flush(): Promise<Offset> {
    const core = this.#core
    const error = core.stateError()
    if (error !== null && !(error instanceof LogDiskFullError)) return Promise.reject(error)
    if (this.#acknowledgedEnd() >= core.logEndOffset) return Promise.resolve(this.#acknowledgedEnd())
    const flushed = new Promise<Offset>((resolve, reject) => {
      this.#waiters.push({ targetOffset: core.logEndOffset, resolve, reject })
    })
    this.wake()
    return flushed
  }

  /** Starts to write what is pending, unless that is under way or waits for space. */
  wake(): void {
    if (this.#syncing) this.#writeBeside()
    if (this.#pumping || this.#core.state.kind !== 'open') return
    this.#pumping = true
    void this.#pump()
  }

  /** Tries a write after the disk was full: called by a timer, and when segments were deleted. */
  probe(): void {
    if (this.#pumping || this.#core.state.kind !== 'disk-full') return
    this.#pumping = true
    void this.#pump()
  }

  /** Rejects flushes that wait for offsets at or beyond a truncation. */
  supersede(truncatedTo: Offset): void {
    const superseded = this.#waiters.filter((waiter) => waiter.targetOffset > truncatedTo)
    this.#waiters = this.#waiters.filter((waiter) => waiter.targetOffset <= truncatedTo)
    for (const waiter of superseded) waiter.reject(new LogFlushSupersededError(waiter.targetOffset, truncatedTo))
  }

  /** In a step: writes and syncs everything up to logEndOffset. Errors: LOG_IO_FAILED, LOG_DISK_FULL. */
  async drain(): Promise<void> {
    await this.#guard(async () => {
      while (this.#core.tail.pendingCount > 0) await this.#writeGroup()
      await this.#sync()
      this.#resolveWaiters()
    })
  }

  /** In a step, before a cut at `endOffset`: syncs what is written beyond it and leaves alone what is pending. */
  async settle(endOffset: Offset): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = null
    if (this.#backgroundSync !== null) await this.#backgroundSync
    if (endOffset < this.#core.writtenEndOffset) await this.#guard(() => this.#sync())
    this.#releaseActive()
  }

  /** In a step: drains, then moves the recovery checkpoint to the end of the log. */
  async checkpoint(): Promise<void> {
    await this.drain()
    await this.#guard(() => this.#checkpointer.checkpoint())
  }

  /** In a step: drains, then begins a new segment unless the active one is empty. */
  async roll(): Promise<void> {
    await this.drain()
    if (this.#core.activeSegment.sizeBytes > 0) await this.#guard(() => this.#roll())
  }

  /** Runs one of the log's own operations in a step; an I/O error fails the log. */
  guard<T>(operation: () => Promise<T>): Promise<T> {
    return this.#guard(operation)
  }

  /** Ends everything: whoever still waits is told why. The files stay as they are. */
  async close(): Promise<void> {
    this.#cancelTimer?.()
    await this.#backgroundSync
    const error = this.#core.stateError() ?? new LogClosedError(this.#core.directory)
    this.#core.setState({ kind: 'closed' })
    this.#rejectWaiters(error)
    this.#releaseActive()
  }

  async #pump(): Promise<void> {
    const core = this.#core
    try {
      while (this.#hasWork()) await core.steps.run(() => this.#step())
    } catch (error) {
      // #guard has told everybody; a broken invariant must stop the process instead.
      if (error instanceof InvariantError) throw error
    } finally {
      this.#pumping = false
    }
  }

  #hasWork(): boolean {
    const { state, tail, config } = this.#core
    if (state.kind === 'failed' || state.kind === 'closed') return false
    return state.kind === 'disk-full' || this.#waiters.length > 0 || tail.pendingBytes >= config.groupBytesMax
  }

  async #step(): Promise<void> {
    const core = this.#core
    if (!this.#hasWork()) return
    await this.#guard(async () => {
      if (core.config.flushPolicy === 'fsync') await this.#writeAndSync()
      else {
        if (core.tail.pendingCount > 0) await this.#writeGroup()
        this.#syncInBackground()
      }
      this.#resolveWaiters()
      if (this.#checkpointer.bytesSinceCheckpoint >= core.config.checkpointIntervalBytes) {
        await this.#sync()
        await this.#checkpointer.checkpoint()
      }
    })
    core.setState({ kind: 'open' })
  }

  /** Syncs what was written beside the last sync, else writes a group and syncs that. */
  async #writeAndSync(): Promise<void> {
    const core = this.#core
    const nothingToSync = core.flushedEndOffset === core.writtenEndOffset
    if (nothingToSync && core.tail.pendingCount > 0) await this.#writeGroup()
    if (this.#backgroundSync !== null) await this.#backgroundSync
    if (core.state.kind === 'failed') throw core.state.error
    if (core.flushedEndOffset === core.writtenEndOffset) return
    this.#syncing = true
    this.#writeBeside()
    let besideWrite: { readonly error: unknown } | null = null
    try {
      await this.#syncActive()
      this.#resolveWaiters()
    } finally {
      this.#syncing = false
      besideWrite = await this.#besideWrite
      this.#besideWrite = null
    }
    if (besideWrite !== null) throw besideWrite.error
  }

  /** Begins to write the next group beside the sync under way: one group, and none that needs a roll. */
  #writeBeside(): void {
    const { tail, config, truncatingTo } = this.#core
    if (this.#besideWrite !== null || truncatingTo !== null) return
    if (tail.pendingBytes <= config.inlineWriteBytesMax || this.#mustRoll()) return
    this.#besideWrite = this.#writeGroup().then(
      () => null,
      (error: unknown) => ({ error }),
    )
  }

  /** Writes the next group of pending batches; rolls first when the active segment has no room for its first batch. */
  async #writeGroup(): Promise<void> {
    const core = this.#core
    if (this.#mustRoll()) {
      await this.#sync()
      await this.#roll()
    }
    const { group, sizeBytes } = this.#gather()
    const active = core.activeSegment
    this.#activeLease ??= await core.openFiles.acquire(active.logPath)
    const { file } = this.#activeLease
    this.#writing = true
    try {
      if (sizeBytes <= core.config.inlineWriteBytesMax) file.writeSync(group, active.sizeBytes)
      else await file.write(group, active.sizeBytes)
    } catch (error) {
      // A part of the group may be in the file: cut it off, so that the next write finds the end where it belongs.
      if (isDiskFull(error)) {
        await file.truncate(active.sizeBytes)
        this.#hasUnsyncedCut = true
      }
      throw error
    } finally {
      this.#writing = false
    }
    const nowMs = core.options.clock.nowMs()
    for (const batch of group) active.noteBatch(batch, 0, core.config.indexIntervalBytes, nowMs)
    core.writtenEndOffset = active.endOffset
    core.tail.markWritten(group.length)
    core.setState({ kind: 'open' })
    core.options.listener?.onWritten?.(core.writtenEndOffset)
  }

  #mustRoll(): boolean {
    const { activeSegment, config, tail, options } = this.#core
    const first = tail.pendingAt(0)
    if (first === undefined || activeSegment.sizeBytes === 0) return false
    if (activeSegment.sizeBytes + first.length > config.segmentBytesMax) return true
    if (!activeSegment.canHold(lastOffsetOf(first, 0))) return true
    const { firstAppendMs } = activeSegment
    return firstAppendMs !== null && options.clock.nowMs() - firstAppendMs >= config.segmentMaxAgeMs
  }

  /** As many pending batches as fit the group and the active segment; at least one. */
  #gather(): { group: Buffer[]; sizeBytes: number } {
    const { activeSegment, config, tail } = this.#core
    const roomBytes = Math.min(config.groupBytesMax, config.segmentBytesMax - activeSegment.sizeBytes)
    const group: Buffer[] = []
    let sizeBytes = 0
    for (let batch = tail.pendingAt(0); batch !== undefined; batch = tail.pendingAt(group.length)) {
      if (
        group.length > 0 &&
        (sizeBytes + batch.length > roomBytes || !activeSegment.canHold(lastOffsetOf(batch, 0)))
      ) {
        break
      }
      group.push(batch)
      sizeBytes += batch.length
    }
    return { group, sizeBytes }
  }

  async #roll(): Promise<void> {
    const core = this.#core
    const next = Segment.empty(core.directory, core.activeSegment.endOffset, core.openFiles)
    const lease = await core.openFiles.acquire(next.logPath, { create: true })
    lease.release()
    // The checkpoint's rename and folder sync make the new file's name durable, too.
    await this.#checkpointer.sealActive(next)
    core.segments = [...core.segments, next]
  }

  async #sync(): Promise<void> {
    const core = this.#core
    if (this.#backgroundSync !== null) await this.#backgroundSync
    if (core.state.kind === 'failed') throw core.state.error
    if (core.flushedEndOffset < core.writtenEndOffset || this.#hasUnsyncedCut) await this.#syncActive()
    this.#releaseActive()
  }

  /** One fdatasync for all that is written now; the flushed end moves when it is done. */
  async #syncActive(): Promise<void> {
    const core = this.#core
    const { writtenEndOffset } = core
    this.#activeLease ??= await core.openFiles.acquire(core.activeSegment.logPath)
    const { file } = this.#activeLease
    // One that is made beside the sync is left to the next.
    this.#hasUnsyncedCut = false
    await core.options.flusher.run(() => file.datasync())
    core.flushedEndOffset = writtenEndOffset
    core.options.listener?.onFlushed?.(writtenEndOffset)
    await this.#checkpointer.writeRecoveryPoint()
    if (core.flushedEndOffset === core.writtenEndOffset && !this.#writing) this.#releaseActive()
  }

  #releaseActive(): void {
    this.#activeLease?.release()
    this.#activeLease = null
  }

  /** Sees to it that what is written is synced soon; at most one sync at a time. */
  #syncInBackground(): void {
    if (this.#backgroundSync !== null || this.#cancelTimer !== null) return
    this.#cancelTimer = this.#core.schedule(this.#core.config.backgroundSyncDelayMs, () => {
      this.#cancelTimer = null
      const { state, truncatingTo } = this.#core
      if (state.kind === 'failed' || state.kind === 'closed' || truncatingTo !== null) return
      this.#backgroundSync = this.#guard(() => this.#syncActive())
        .catch((error: unknown) => {
          if (error instanceof InvariantError) throw error
        })
        .finally(() => {
          this.#backgroundSync = null
        })
    })
  }

  #acknowledgedEnd(): Offset {
    const { config, flushedEndOffset, writtenEndOffset } = this.#core
    return config.flushPolicy === 'fsync' ? flushedEndOffset : writtenEndOffset
  }

  #resolveWaiters(): void {
    const { truncatingTo } = this.#core
    const acknowledgedEnd = this.#acknowledgedEnd()
    // A truncation that was asked for meanwhile is final: nobody is told of an end beyond it any more.
    const end = truncatingTo !== null && truncatingTo < acknowledgedEnd ? truncatingTo : acknowledgedEnd
    let count = 0
    while (count < this.#waiters.length && this.#waiters[count]!.targetOffset <= end) count++
    for (const waiter of this.#waiters.splice(0, count)) waiter.resolve(end)
  }

  #rejectWaiters(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
  }

  /** Runs I/O of the writer loop and turns its errors into the log's state. */
  async #guard<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation()
    } catch (error) {
      if (error instanceof InvariantError || error instanceof LogIoError || error instanceof LogDiskFullError)
        throw error
      throw isDiskFull(error) ? this.#diskFull(error) : this.#fail(error)
    }
  }

  #diskFull(cause: unknown): LogDiskFullError {
    const core = this.#core
    const error = new LogDiskFullError(core.activeSegment.logPath, cause)
    core.setState({ kind: 'disk-full', error })
    this.#cancelTimer?.()
    this.#cancelTimer = core.schedule(core.config.diskFullRetryMs, () => {
      this.#cancelTimer = null
      this.probe()
    })
    return error
  }

  #fail(cause: unknown): LogIoError {
    const core = this.#core
    const operation = syscallOf(cause)
    const error = new LogIoError(core.activeSegment.logPath, operation, toOffset(core.flushedEndOffset), cause)
    core.setState({ kind: 'failed', error })
    this.#rejectWaiters(error)
    core.tail.clear()
    return error
  }
}

function syscallOf(cause: unknown): string {
  if (typeof cause === 'object' && cause !== null && 'syscall' in cause) return String(cause.syscall)
  return 'write'
}
