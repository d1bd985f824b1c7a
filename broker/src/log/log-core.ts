/**
 * The state of one open log, shared by its parts: writer, reader, checkpointer, maintenance.
 *
 * ```
 *  logStartOffset ......... flushedEndOffset ......... writtenEndOffset ......... logEndOffset
 *                  durable                  page cache                  memory
 * ```
 * Invariant: logStartOffset <= flushedEndOffset <= writtenEndOffset <= logEndOffset; only a truncation moves an end
 * back.
 * Invariant: `segments` is never empty, contiguous, ascending; the last one is active and ends at writtenEndOffset.
 * Owner: the writer loop changes it, between awaits or in steps of `steps`; readers only look.
 */
import { invariant, type Offset, toOffset } from '@stratalog/proto'
import type { BatchHeader } from '@stratalog/proto/records'
import { type FileSystem, isDiskFull } from '../storage/file-system.ts'
import { ControlRuns } from './control-runs.ts'
import { Deletions } from './deletions.ts'
import type { FlushScheduler } from './flush-scheduler.ts'
import { LeaderEpochCache } from './leader-epoch-cache.ts'
import type { LogConfig } from './log-config.ts'
import { LogClosedError, LogDiskFullError, type LogIoError, type LogSegmentCorruptError } from './log-errors.ts'
import type { OpenFileCache } from './open-file-cache.ts'
import type { Segment } from './segment.ts'
import { SerialQueue } from './serial-queue.ts'
import { PartitionTail, TailBudget } from './tail-cache.ts'

/** Time as the log needs it. */
export interface LogClock {
  nowMs(): number
  /** Runs `task` once after `delayMs` unless cancelled. Default: a timer that does not keep the process alive. */
  schedule?(delayMs: number, task: () => void): () => void
}

/** An opaque snapshot of what the log's owner keeps beside it (producer state), as of an offset. */
export interface Companion {
  /** It describes all batches below (exclusive). */
  readonly offset: Offset
  readonly bytes: Buffer
}

/** Whether a log takes appends, and if not, why. */
export type LogState =
  | { readonly kind: 'open' }
  /** Appends are refused and flushes wait until a probe write works; reads go on. */
  | { readonly kind: 'disk-full'; readonly error: LogDiskFullError }
  /** For ever: nothing more is acknowledged; what is durable may be read. */
  | { readonly kind: 'failed'; readonly error: LogIoError }
  | { readonly kind: 'closed' }

/** How recovery went, for the broker's log. */
export interface RecoveryReport {
  /** Bytes read to verify the log's end; 0 after a clean stop. */
  readonly scannedBytes: number
  /** Bytes cut behind the last sound batch; 0 in most cases. */
  readonly truncatedBytes: number
  /** Why they were cut, or null. */
  readonly truncatedReason: string | null
  readonly logEndOffset: Offset
}

/** What a log tells its owner. Called synchronously; must not throw. */
export interface LogListener {
  onStateChange?(state: LogState): void
  /** A read met damage below the flushed end: the replica must stop serving the partition. */
  onDamage?(error: LogSegmentCorruptError): void
  onRecovered?(report: RecoveryReport): void
  /** The log is in the page cache up to here (exclusive). */
  onWritten?(writtenEndOffset: Offset): void
  /** The log is durable up to here (exclusive). */
  onFlushed?(flushedEndOffset: Offset): void
}

/** What {@link PartitionLog.open} needs. */
export interface PartitionLogOptions {
  /** `<topic>-<partition>` folder; created when missing. */
  readonly directory: string
  readonly fileSystem: FileSystem
  readonly config: LogConfig
  readonly flusher: FlushScheduler
  readonly openFiles: OpenFileCache
  /** Memory for the newest batches, shared by all partitions. Default: 1 MiB of its own. */
  readonly tails?: TailBudget
  readonly clock: LogClock
  readonly listener?: LogListener
  /** The owner knows the log to be flushed at least up to here (exclusive): what is bad below is no torn tail. Default 0. */
  readonly knownFlushedEnd?: number
  /**
   * A write or sync behind the flushed end has failed in this process: what the page cache shows there is cut off, sound as
   * it may look. Default false: what a killed process has left is kept.
   */
  readonly dropUnflushed?: boolean
  /**
   * The newest companion that still holds, at open and after a truncation with `replay`, before any {@link
   * onRecoveredBatch}; null when there is none: the owner then starts from nothing.
   */
  readonly onRecoveredCompanion?: (companion: Companion | null) => void
  /** Header of every batch from the companion's offset (log start without one) to the log's end, in order. */
  readonly onRecoveredBatch?: (header: BatchHeader) => void
  /**
   * Bytes of a companion that describes exactly the batches below `endOffset`, the log's end at that moment; asked
   * for at rolls, checkpoints and close, and at the end of {@link PartitionLog.open}, before it resolves.
   */
  readonly snapshotCompanion?: (endOffset: Offset) => Buffer
}

const OPEN: LogState = { kind: 'open' }
const OWN_TAIL_BYTES = 1024 * 1024

/** See the file's header. */
export class LogCore {
  readonly options: PartitionLogOptions
  readonly steps: SerialQueue = new SerialQueue()
  readonly epochs: LeaderEpochCache = new LeaderEpochCache()
  controlRuns: ControlRuns = new ControlRuns()
  deletions: Deletions = new Deletions()
  readonly tail: PartitionTail
  config: LogConfig
  segments: Segment[] = []
  logStartOffset: Offset = toOffset(0)
  flushedEndOffset: Offset = toOffset(0)
  writtenEndOffset: Offset = toOffset(0)
  logEndOffset: Offset = toOffset(0)
  /** Grows with every truncation: a read that it overtook begins anew. */
  truncationCount = 0
  /** Where a truncation or reset cuts, from its call to its end: nothing may be appended meanwhile. */
  truncatingTo: Offset | null = null
  /** Set when the log is to end: nothing waits for disk space any more. */
  closing = false
  #state: LogState = OPEN

  constructor(options: PartitionLogOptions) {
    this.options = options
    this.config = options.config
    this.tail = new PartitionTail(options.tails ?? new TailBudget(OWN_TAIL_BYTES))
  }

  get state(): LogState {
    return this.#state
  }

  /** First offset that readers may have: the log start, or later where records were deleted by request; at most the end. */
  get readableFrom(): Offset {
    return toOffset(Math.max(this.logStartOffset, Math.min(this.deletions.deletedEnd, this.logEndOffset)))
  }

  get directory(): string {
    return this.options.directory
  }

  get fileSystem(): FileSystem {
    return this.options.fileSystem
  }

  get openFiles(): OpenFileCache {
    return this.options.openFiles
  }

  /** The segment that is being written. */
  get activeSegment(): Segment {
    return this.segments[this.segments.length - 1]!
  }

  /** Moves to another state; `failed` and `closed` are final, but for closing a failed log. */
  setState(state: LogState): void {
    if (this.#state.kind === state.kind || this.#state.kind === 'closed') return
    if (this.#state.kind === 'failed' && state.kind !== 'closed') return
    this.#state = state
    this.options.listener?.onStateChange?.(state)
  }

  /** Throws unless appends are taken now. Errors: LOG_IO_FAILED, LOG_DISK_FULL, LOG_CLOSED. */
  assertAppendable(): void {
    if (this.#state.kind === 'open') return
    throw this.stateError() ?? new LogClosedError(this.directory)
  }

  /** What stands in the way of appends, or null. */
  stateError(): LogIoError | LogDiskFullError | LogClosedError | null {
    const state = this.#state
    if (state.kind === 'open') return null
    return state.kind === 'closed' ? new LogClosedError(this.directory) : state.error
  }

  /** Index of the segment that holds `offset`, or would: the last one with baseOffset <= offset; -1 if none. */
  segmentIndexAt(offset: number): number {
    let low = 0
    let high = this.segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.segments[middle]!.baseOffset <= offset) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Runs `task` later by the clock's scheduler. Returns what cancels it. */
  schedule(delayMs: number, task: () => void): () => void {
    const { clock } = this.options
    if (clock.schedule !== undefined) return clock.schedule(delayMs, task)
    const timer = setTimeout(task, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  }

  /**
   * Repeats an operation that must not be left half done until the disk has room for it. Only {@link closing} ends
   * that.
   */
  async patiently<T>(operation: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const result = await operation()
        if (this.#state.kind === 'disk-full') this.setState(OPEN)
        return result
      } catch (cause) {
        if (!isDiskFull(cause) || this.closing) throw cause
        this.setState({ kind: 'disk-full', error: new LogDiskFullError(this.directory, cause) })
        await new Promise<void>((resolve) => this.schedule(this.config.diskFullRetryMs, resolve))
      }
    }
  }

  /** Throws InvariantError if the state contradicts itself. For tests and simulation. */
  checkInvariants(): void {
    const { logStartOffset, flushedEndOffset, writtenEndOffset, logEndOffset, segments } = this
    invariant(logStartOffset <= flushedEndOffset, 'flushed end below log start')
    invariant(flushedEndOffset <= writtenEndOffset, 'flushed end beyond what was written')
    invariant(writtenEndOffset <= logEndOffset, 'written end beyond the log end')
    invariant(segments.length > 0, 'no segment')
    invariant(this.activeSegment.endOffset === writtenEndOffset, 'the active segment does not end at the written end')
    for (const [index, segment] of segments.entries()) {
      const next = segments[index + 1]
      invariant(next === undefined || next.baseOffset === segment.endOffset, 'hole between segments')
    }
  }
}
