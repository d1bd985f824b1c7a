/**
 * Opens a partition's folder: after a clean stop by reading a few small files, after a crash by scanning what was
 * written since the last checkpoint.
 *
 * ```
 *  sealed segments   | scan segment                              (later segments, after a crash while rolling)
 *  trusted: stat only| trusted    ^ scan.offset ... verified ... ^ flushed end ... verified ... ^ first unsound byte
 *                                  damage here is an error          damage here is a torn tail: cut
 * ```
 * Invariant: after it, every batch of the log is sound as far as it was scanned, the epoch cache, the indexes and the
 * control runs agree with it, and all of it is durable. Running it twice gives the same log.
 * Owner: PartitionLog.open.
 */
import { dirname } from 'node:path'
import { invariant, type Offset, toLeaderEpoch, toOffset } from '@stratalog/proto'
import { isControl, lastOffsetOf, leaderEpochOf } from '@stratalog/proto/records'
import type { FileHandle } from '../storage/file-system.ts'
import { batchFault, type ScanEnd, scanChunks } from './batch-scan.ts'
import { Checkpointer } from './checkpointer.ts'
import { ControlRuns } from './control-runs.ts'
import { Deletions } from './deletions.ts'
import { segmentFilePath } from './file-names.ts'
import { decodeEpochCheckpoint, type EpochEntry, encodeEpochCheckpoint } from './leader-epoch-cache.ts'
import type { LogCheckpoint, SealedSegment } from './log-checkpoint.ts'
import type { LogCore, RecoveryReport } from './log-core.ts'
import { LogSegmentCorruptError } from './log-errors.ts'
import { type RecoveryFacts, readRecoveryFacts, scanFrom } from './recovery-facts.ts'
import { digestEpochs } from './recovery-point.ts'
import { Segment } from './segment.ts'

/** Written again at a time: a few megabytes per call cost nothing beside the sync. */
const REWRITE_BYTES = 1024 * 1024

/**
 * When the log needs a new checkpoint: `now`, before anything is appended, once the owner's companion state is up to date;
 * `later`, like any other, as what was scanned is sound, durable, and within what a start may scan; or `never`.
 */
export type CheckpointDue = 'now' | 'later' | 'never'

/** What recovery leaves to do. */
export interface RecoveredLog {
  readonly checkpointer: Checkpointer
  readonly checkpointDue: CheckpointDue
  readonly report: RecoveryReport
}

/**
 * Fills `core` from the folder, creating it if need be.
 *
 * Errors: LOG_SEGMENT_CORRUPT for damage below the flushed end; those of the file system.
 */
export async function recoverLog(core: LogCore): Promise<RecoveredLog> {
  const { directory, fileSystem } = core
  await fileSystem.makeDirectory(directory)
  const found = await readRecoveryFacts(directory, fileSystem)
  const flushedEndOffset = Math.max(found.flushedEndOffset, core.options.knownFlushedEnd ?? 0)
  const facts: RecoveryFacts = { ...found, flushedEndOffset }
  if (facts.checkpoint === null) return createLog(core, facts)
  return new Recovery(core, facts, facts.checkpoint).run()
}

async function createLog(core: LogCore, facts: RecoveryFacts): Promise<RecoveredLog> {
  const { directory, fileSystem, openFiles } = core
  const scan = scanFrom(0)
  core.segments = [Segment.trusted(directory, scan, openFiles)]
  await createFile(core, core.activeSegment.logPath)
  await fileSystem.syncDirectory(dirname(directory))
  const checkpointer = new Checkpointer(core, facts.companions, {
    generation: 0,
    scan,
    recoveryPointSequence: facts.recoveryPointSequence,
    epochFileIsCurrent: true,
  })
  await facts.companions.removeBeyond(0)
  await checkpointer.write(scan, core.segments, null)
  const report = { scannedBytes: 0, truncatedBytes: 0, truncatedReason: null, logEndOffset: toOffset(0) }
  return { checkpointer, checkpointDue: 'never', report }
}

async function createFile(core: LogCore, path: string): Promise<void> {
  const lease = await core.openFiles.acquire(path, { create: true })
  lease.release()
}

class Recovery {
  readonly #core: LogCore
  readonly #facts: RecoveryFacts
  readonly #checkpoint: LogCheckpoint
  /** Bases of `.log` files that are still there, ascending. */
  #logBases: readonly number[]
  #scannedBytes = 0
  /** Where each segment has batches that nobody is known to have synced, by base offset: bytes from the start. */
  readonly #unsyncedFrom = new Map<Offset, number>()
  /** Names in the folder changed: a checkpoint is due, whose folder sync makes that durable. */
  #namesChanged = false

  constructor(core: LogCore, facts: RecoveryFacts, checkpoint: LogCheckpoint) {
    this.#core = core
    this.#facts = facts
    this.#checkpoint = checkpoint
    this.#logBases = facts.logBases
  }

  async run(): Promise<RecoveredLog> {
    const core = this.#core
    const checkpoint = this.#checkpoint
    // A process killed between a checkpoint's rename and its folder sync leaves names that only the page cache knows.
    if (this.#facts.recoveryPoint === null) await core.fileSystem.syncDirectory(core.directory)
    await this.#redo()
    await this.#removeLeftovers()
    for (const sealed of checkpoint.sealed) await this.#trustSealed(sealed)
    core.logStartOffset = toOffset(checkpoint.logStartOffset)
    core.cleanedEnd = toOffset(checkpoint.cleanedEnd ?? 0)
    core.epochs.reset(
      checkpoint.epochs.map(([epoch, start]) => ({ epoch: toLeaderEpoch(epoch), startOffset: toOffset(start) })),
    )
    core.controlRuns = new ControlRuns(
      checkpoint.controlRuns.map(([start, end]) => ({ start: toOffset(start), end: toOffset(end) })),
    )
    core.deletions = new Deletions(checkpoint.deletions)
    const stop = await this.#scanSegments()
    const truncatedBytes = await this.#settleEnd(stop)
    const { companions, epochFile, recoveryPointSequence } = this.#facts
    const { entries } = core.epochs
    const epochFileIsCurrent =
      epochFile.length === 0 ? entries.length === 0 : epochFile.equals(encodeEpochCheckpoint(entries))
    const checkpointer = new Checkpointer(core, companions, {
      generation: checkpoint.generation,
      scan: checkpoint.scan,
      recoveryPointSequence,
      epochFileIsCurrent,
    })
    const report: RecoveryReport = {
      scannedBytes: this.#scannedBytes,
      truncatedBytes,
      truncatedReason: truncatedBytes > 0 ? (stop.reason ?? 'segments behind a hole') : null,
      logEndOffset: core.logEndOffset,
    }
    const isCurrent = epochFileIsCurrent && this.#scannedBytes === 0 && truncatedBytes === 0
    const checkpointDue = (await this.#mustCheckpoint()) ? 'now' : isCurrent ? 'never' : 'later'
    return { checkpointer, checkpointDue, report }
  }

  /**
   * Whether what is in the folder is only right with a checkpoint that says so: names that are not durable, segments that
   * are not sealed, index entries that nobody vouches for, an epoch file that says what the log does not (it may say
   * less), and above all a truncation that the next start would redo.
   */
  async #mustCheckpoint(): Promise<boolean> {
    const { redo, generation } = this.#checkpoint
    if (redo !== null || generation === 0 || this.#namesChanged || this.#hasUnsealed()) return true
    return !this.#epochFileIsTrue() || (await this.#indexesHaveMore())
  }

  #epochFileIsTrue(): boolean {
    const { epochFile } = this.#facts
    if (epochFile.length === 0) return true
    const { entries } = this.#core.epochs
    const isTrue = ({ epoch, startOffset }: EpochEntry): boolean =>
      entries.some((entry) => entry.epoch === epoch && entry.startOffset === startOffset)
    return decodeEpochCheckpoint(epochFile)?.every(isTrue) ?? false
  }

  /** Finishes a truncation or reset that was under way. */
  async #redo(): Promise<void> {
    const { redo, scan } = this.#checkpoint
    if (redo === null) return
    const isReset = redo.kind === 'reset'
    const doomed = this.#logBases.filter((base) => isReset || base > scan.segmentBaseOffset)
    for (const base of doomed.toReversed()) await this.#removeSegment(base)
    if (redo.kind === 'truncate')
      await this.#cut(segmentFilePath(this.#core.directory, scan.segmentBaseOffset, 'log'), redo.position)
    await this.#removeCompanionsBeyond(redo.kind === 'truncate' ? redo.endOffset : -1)
    await this.#core.fileSystem.syncDirectory(this.#core.directory)
  }

  /** Removes segments that retention had given up, and index files without a log. */
  async #removeLeftovers(): Promise<void> {
    const { sealed, scan } = this.#checkpoint
    const firstBase = sealed[0]?.baseOffset ?? scan.segmentBaseOffset
    for (const base of this.#logBases) if (base < firstBase) await this.#removeSegment(base)
    const known = new Set([...this.#logBases, ...sealed.map((segment) => segment.baseOffset), scan.segmentBaseOffset])
    for (const base of this.#facts.indexBases) if (!known.has(base)) await this.#removeSegment(base)
  }

  async #trustSealed(sealed: SealedSegment): Promise<void> {
    const { directory, fileSystem, openFiles, segments } = this.#core
    const path = segmentFilePath(directory, sealed.baseOffset, 'log')
    const sizeBytes = this.#logBases.includes(sealed.baseOffset) ? await fileSystem.size(path) : null
    if (sizeBytes === null) throw new LogSegmentCorruptError(path, sealed.baseOffset, 0, 'the file is missing')
    const trusted = await this.#settleReplacement(sealed, sizeBytes)
    if (sizeBytes !== trusted.sizeBytes) {
      const reason = `the file has ${sizeBytes} bytes, ${sealed.sizeBytes} were sealed`
      throw new LogSegmentCorruptError(path, sealed.baseOffset, Math.min(sizeBytes, sealed.sizeBytes), reason)
    }
    segments.push(Segment.sealed(directory, trusted, openFiles))
  }

  /**
   * What the segment is whose file may have been replaced by a compacted one: its size tells which of the two is there, and
   * either will do. The indexes may be those of the other.
   */
  async #settleReplacement(sealed: SealedSegment, sizeBytes: number): Promise<SealedSegment> {
    const { replacement, ...before } = sealed
    if (replacement === undefined) return sealed
    const { directory, fileSystem, openFiles } = this.#core
    for (const kind of ['index', 'timeindex'] as const) {
      const path = segmentFilePath(directory, sealed.baseOffset, kind)
      openFiles.forget(path)
      openFiles.indexes.forget(path)
      if (await fileSystem.exists(path)) await fileSystem.remove(path)
    }
    // The checkpoint that says which it is must not outlive the name that it speaks of.
    await fileSystem.syncDirectory(directory)
    this.#namesChanged = true
    return sizeBytes === replacement.sizeBytes ? { ...before, ...replacement } : before
  }

  /** Scans from the checkpoint to the first thing that is not sound, or the end of the last segment. */
  async #scanSegments(): Promise<ScanEnd> {
    const core = this.#core
    const { scan } = this.#checkpoint
    let segment = Segment.trusted(core.directory, scan, core.openFiles)
    if (!this.#logBases.includes(scan.segmentBaseOffset)) await this.#createScanSegment(segment)
    for (;;) {
      core.segments.push(segment)
      const stop = await this.#scanSegment(segment)
      if (stop.reason !== null) return stop
      // A segment that follows without a hole was created by a roll whose checkpoint was not written any more.
      if (!this.#logBases.includes(segment.endOffset) || segment.sizeBytes === 0) return stop
      segment = Segment.empty(core.directory, segment.endOffset, core.openFiles)
    }
  }

  async #createScanSegment(segment: Segment): Promise<void> {
    const { flushedEndOffset } = this.#facts
    if (segment.sizeBytes > 0 || flushedEndOffset > segment.baseOffset) {
      throw new LogSegmentCorruptError(segment.logPath, segment.baseOffset, 0, 'the file is missing')
    }
    await createFile(this.#core, segment.logPath)
    this.#logBases = [...this.#logBases, segment.baseOffset].sort((left, right) => left - right)
    this.#namesChanged = true
  }

  async #scanSegment(segment: Segment): Promise<ScanEnd> {
    const { fileSystem, openFiles } = this.#core
    const fileBytes = await fileSystem.size(segment.logPath)
    if (fileBytes < segment.sizeBytes) return { position: fileBytes, reason: `the file has ${fileBytes} bytes` }
    if (fileBytes === segment.sizeBytes) return { position: fileBytes, reason: null }
    return openFiles.using(segment.logPath, async (file) => {
      const chunks = scanChunks(file, segment.sizeBytes, fileBytes)
      for (;;) {
        const { done, value } = await chunks.next()
        if (done) return value
        this.#scannedBytes += value.wholeBytes
        for (const [index, at] of value.starts.entries()) {
          const sizeBytes = (value.starts[index + 1] ?? value.wholeBytes) - at
          const reason = this.#visit(segment, value.buffer, at, sizeBytes)
          if (reason !== null) return { position: value.position + at, reason }
        }
      }
    })
  }

  /** Takes a batch into the log; returns why it is not sound otherwise. */
  #visit(segment: Segment, buffer: Buffer, at: number, sizeBytes: number): string | null {
    const core = this.#core
    const baseOffset = segment.endOffset
    if (core.options.dropUnflushed === true && baseOffset >= this.#facts.flushedEndOffset) return 'its sync has failed'
    const fault = batchFault(buffer, at, sizeBytes, baseOffset, core.epochs.latestEpoch)
    if (fault !== null) return fault
    core.epochs.assign(toLeaderEpoch(leaderEpochOf(buffer, at)), baseOffset)
    if (isControl(buffer, at)) {
      core.controlRuns.add(baseOffset, toOffset(lastOffsetOf(buffer, at) + 1))
      core.deletions.note(buffer, at)
    }
    if (baseOffset >= this.#facts.flushedEndOffset && !this.#unsyncedFrom.has(segment.baseOffset)) {
      this.#unsyncedFrom.set(segment.baseOffset, segment.sizeBytes)
    }
    segment.noteBatch(buffer, at, core.config.indexIntervalBytes, core.options.clock.nowMs())
    return null
  }

  /** Cuts a torn tail, or finds that it is damage. Makes what was scanned durable. Returns the bytes that were cut. */
  async #settleEnd(stop: ScanEnd): Promise<number> {
    const core = this.#core
    const { activeSegment, fileSystem } = core
    const { endOffset, logPath, sizeBytes } = activeSegment
    const { flushedEndOffset } = this.#facts
    if (endOffset < flushedEndOffset || stop.position < sizeBytes) {
      const reason = `${stop.reason ?? 'the log ends early'}; it was synced up to offset ${flushedEndOffset}`
      throw new LogSegmentCorruptError(logPath, endOffset, stop.position, reason)
    }
    this.#checkEpochDigest(logPath)
    const tornBytes = (await fileSystem.size(logPath)) - sizeBytes
    let cutBytes = tornBytes
    for (const base of this.#logBases.toReversed()) {
      if (base <= activeSegment.baseOffset) break
      cutBytes += await fileSystem.size(segmentFilePath(core.directory, base, 'log'))
      await this.#removeSegment(base)
    }
    if (tornBytes > 0) await this.#cut(logPath, sizeBytes)
    await this.#removeCompanionsBeyond(endOffset)
    if (this.#scannedBytes > 0 || this.#hasUnsealed()) await this.#syncScanned()
    this.#setEnds(endOffset)
    return cutBytes
  }

  /** The epochs that the scan found must be those that were flushed. */
  #checkEpochDigest(path: string): void {
    const { recoveryPoint } = this.#facts
    if (recoveryPoint === null) return
    const { offset, position } = this.#checkpoint.scan
    const found = digestEpochs(this.#core.epochs.entries, offset, recoveryPoint.flushedEndOffset)
    if (found === recoveryPoint.epochDigest) return
    throw new LogSegmentCorruptError(
      path,
      offset,
      position,
      'leader epochs behind the scan start are not those flushed',
    )
  }

  /** Whether a roll was under way: segments behind the scan segment. */
  #hasUnsealed(): boolean {
    return this.#core.segments.length > this.#checkpoint.sealed.length + 1
  }

  /** Whether the active segment's index files have entries that nobody vouches for. */
  async #indexesHaveMore(): Promise<boolean> {
    const { fileSystem, activeSegment } = this.#core
    for (const { file } of [activeSegment.offsetIndex, activeSegment.timeIndex]) {
      if (!(await fileSystem.exists(file.path))) continue
      if ((await fileSystem.size(file.path)) !== file.persistedBytes) return true
    }
    return false
  }

  /**
   * A killed process leaves sound batches in the page cache that were never synced: only now do they count.
   *
   * They are written once more before they are synced. If a sync of theirs has failed, the page cache calls them clean, and
   * another sync would leave them where they are, in memory, and succeed.
   */
  async #syncScanned(): Promise<void> {
    const { segments, openFiles, options } = this.#core
    const scanned = segments.slice(this.#checkpoint.sealed.length)
    for (const segment of scanned) {
      const from = this.#unsyncedFrom.get(segment.baseOffset) ?? segment.sizeBytes
      await openFiles.using(segment.logPath, async (file) => {
        await rewrite(file, from, segment.sizeBytes)
        await file.datasync()
      })
      if (segment !== segments.at(-1)) await segment.seal(options.clock.nowMs())
    }
  }

  #setEnds(endOffset: Offset): void {
    const core = this.#core
    core.flushedEndOffset = endOffset
    core.writtenEndOffset = endOffset
    core.logEndOffset = endOffset
  }

  async #cut(path: string, length: number): Promise<void> {
    await this.#core.openFiles.using(path, async (file) => {
      await file.truncate(length)
      await file.datasync()
    })
  }

  async #removeSegment(base: number): Promise<void> {
    const { directory, fileSystem, openFiles } = this.#core
    for (const path of Segment.paths(directory, base)) {
      openFiles.forget(path)
      if (await fileSystem.exists(path)) await fileSystem.remove(path)
    }
    this.#logBases = this.#logBases.filter((other) => other !== base)
    this.#namesChanged = true
  }

  async #removeCompanionsBeyond(endOffset: number): Promise<void> {
    if (await this.#facts.companions.removeBeyond(endOffset)) this.#namesChanged = true
  }
}

/** Writes the bytes from `from` to `to` where they are, as they are. */
async function rewrite(file: FileHandle, from: number, to: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(REWRITE_BYTES, to - from))
  for (let at = from; at < to; ) {
    const readBytes = await file.read(buffer.subarray(0, Math.min(buffer.length, to - at)), at)
    invariant(readBytes > 0, 'what was scanned is still there')
    await file.write([buffer.subarray(0, readBytes)], at)
    at += readBytes
  }
}
