/**
 * Writes the recovery checkpoint, and what must be durable before it: indexes, companion, epoch file.
 *
 * Order: log bytes (the caller syncs them), indexes, companion snapshot, `leader-epoch-checkpoint`, `log-checkpoint`.
 * A crash in between leaves the old checkpoint, to which everything newer is just an untrusted addition.
 * Owner: the log's writer loop; every method runs inside one of its steps and may be repeated after an error.
 */
import { join } from 'node:path'
import { invariant } from '@stratalog/proto'
import type { CompanionStore } from './companion-store.ts'
import { LEADER_EPOCH_CHECKPOINT_FILE, LOG_CHECKPOINT_FILE, RECOVERY_POINT_FILE } from './file-names.ts'
import { encodeEpochCheckpoint } from './leader-epoch-cache.ts'
import { encodeLogCheckpoint, LOG_CHECKPOINT_VERSION, type RedoOperation, type ScanStart } from './log-checkpoint.ts'
import type { LogCore } from './log-core.ts'
import { digestEpochs, RecoveryPointWriter } from './recovery-point.ts'
import type { Segment } from './segment.ts'

/** What recovery knows of the files that it found. */
export interface CheckpointerState {
  readonly generation: number
  readonly scan: ScanStart
  readonly recoveryPointSequence: number
  /** Whether the epoch file holds what the epoch cache holds now. */
  readonly epochFileIsCurrent: boolean
}

/** See the file's header. */
export class Checkpointer {
  readonly companions: CompanionStore
  readonly #core: LogCore
  readonly #recoveryPoint: RecoveryPointWriter
  #generation: number
  #scan: ScanStart
  #writtenEpochVersion: number | null = null

  constructor(core: LogCore, companions: CompanionStore, state: CheckpointerState) {
    this.#core = core
    this.companions = companions
    this.#generation = state.generation
    this.#scan = state.scan
    this.#recoveryPoint = new RecoveryPointWriter(state.recoveryPointSequence)
    if (state.epochFileIsCurrent) this.#writtenEpochVersion = core.epochs.version
  }

  /** Bytes written since the scan start: what a start after a crash would read. */
  get bytesSinceCheckpoint(): number {
    const active = this.#core.activeSegment
    return this.#scan.segmentBaseOffset === active.baseOffset
      ? active.sizeBytes - this.#scan.position
      : active.sizeBytes
  }

  /** Whether a start would have nothing to scan. */
  get isCurrent(): boolean {
    return this.#scan.offset === this.#core.logEndOffset && this.#writtenEpochVersion === this.#core.epochs.version
  }

  /** Notes the flushed end for recovery. Durability: page cache. */
  async writeRecoveryPoint(): Promise<void> {
    const core = this.#core
    const lease = await core.openFiles.acquire(join(core.directory, RECOVERY_POINT_FILE), { create: true })
    try {
      this.#recoveryPoint.write(lease.file, {
        generation: this.#generation,
        flushedEndOffset: core.flushedEndOffset,
        epochDigest: digestEpochs(core.epochs.entries, this.#scan.offset, core.flushedEndOffset),
      })
    } finally {
      lease.release()
    }
  }

  /** Moves the scan start to the end of the active segment, whose bytes must be synced. */
  async checkpoint(): Promise<void> {
    await this.#core.activeSegment.persistIndexes()
    await this.#saveCompanion()
    await this.#moveScanStart()
  }

  /** As {@link checkpoint}, but without a companion: after a truncation the owner's state is not yet what it was. */
  async checkpointTruncated(): Promise<void> {
    await this.#core.activeSegment.persistIndexes()
    await this.#moveScanStart()
  }

  /** Seals the active segment, whose bytes must be synced, and makes `next`, whose file exists, the scan start. */
  async sealActive(next: Segment): Promise<void> {
    const core = this.#core
    await core.activeSegment.seal(core.options.clock.nowMs())
    await this.#saveCompanion()
    await this.write(await next.describeScanStart(), [...core.segments, next], null)
  }

  /** Writes log start, segments and epochs anew without moving the scan start: after retention. */
  rewrite(): Promise<void> {
    return this.write(this.#scan, this.#core.segments, null)
  }

  /**
   * Writes the epoch file if it changed, and the checkpoint. Durable when it resolves.
   *
   * @param segments all of the log's, the scan segment being the last.
   */
  async write(scan: ScanStart, segments: readonly Segment[], redo: RedoOperation | null): Promise<void> {
    const core = this.#core
    invariant(segments.at(-1)?.baseOffset === scan.segmentBaseOffset, 'the scan segment is not the last')
    await this.#writeEpochs()
    const checkpoint = encodeLogCheckpoint({
      version: LOG_CHECKPOINT_VERSION,
      generation: this.#generation + 1,
      logStartOffset: core.logStartOffset,
      flushedEndOffset: core.flushedEndOffset,
      sealed: segments.slice(0, -1).map((segment) => segment.describeSealed()),
      scan,
      epochs: core.epochs.entries
        .filter((entry) => entry.startOffset < scan.offset)
        .map((entry) => [entry.epoch, entry.startOffset] as const),
      controlRuns: core.controlRuns.runs
        .filter((run) => run.start < scan.offset)
        .map((run) => [run.start, Math.min(run.end, scan.offset)] as const),
      ...(core.cleanedEnd === 0 ? {} : { cleanedEnd: core.cleanedEnd }),
      deletions: core.deletions.stored(scan.offset),
      redo,
    })
    await core.fileSystem.writeFileAtomic(join(core.directory, LOG_CHECKPOINT_FILE), checkpoint)
    this.#generation++
    this.#scan = scan
    // Its presence tells the next start that the checkpoint's name is durable, not only renamed.
    await this.writeRecoveryPoint()
  }

  /** Closes the recovery point's file. */
  close(): void {
    this.#core.openFiles.forget(join(this.#core.directory, RECOVERY_POINT_FILE))
  }

  async #moveScanStart(): Promise<void> {
    const { activeSegment, segments } = this.#core
    await this.write(await activeSegment.describeScanStart(), segments, null)
  }

  async #saveCompanion(): Promise<void> {
    const { options, logEndOffset } = this.#core
    if (options.snapshotCompanion === undefined || this.companions.offsets.at(-1) === logEndOffset) return
    await this.companions.save(logEndOffset, options.snapshotCompanion(logEndOffset))
  }

  async #writeEpochs(): Promise<void> {
    const { directory, epochs, fileSystem } = this.#core
    const { version } = epochs
    if (this.#writtenEpochVersion === version) return
    const path = join(directory, LEADER_EPOCH_CHECKPOINT_FILE)
    await fileSystem.writeFileAtomic(path, encodeEpochCheckpoint(epochs.entries))
    this.#writtenEpochVersion = version
  }
}
