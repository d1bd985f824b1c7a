/**
 * Checks segment files from first byte to last: the reading half of `stratalog segment verify`.
 *
 * Of a log: sizes, magic, offsets without a gap, epochs that do not go back, CRCs. Of its indexes: every entry names a
 * batch that is there. Of a folder: segments that follow one another, and epochs as the epoch file has them. Opens
 * for reading only; beside a running broker the last segment may end in a batch that is being written, which is no
 * fault.
 */
import { basename, dirname, join } from 'node:path'
import { lastOffsetOf, leaderEpochOf, maxTimestampOf, recordCountOf } from '@stratalog/proto/records'
import { type FileSystem, fileErrorCode } from '../storage/file-system.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { batchFault, scanChunks } from './batch-scan.ts'
import { LEADER_EPOCH_CHECKPOINT_FILE, segmentFilePath } from './file-names.ts'
import { decodeEpochCheckpoint } from './leader-epoch-cache.ts'
import { OFFSET_INDEX_ENTRY_BYTES, readOffsetIndexEntry } from './offset-index.ts'
import { segmentPaths } from './segment-dump.ts'
import { readTimeIndexEntry, TIME_INDEX_ENTRY_BYTES } from './time-index.ts'

/** Something that is not as it should be. */
export interface SegmentProblem {
  readonly path: string
  /** Byte in the file. */
  readonly position: number
  readonly reason: string
}

/** What was found of one segment. */
export interface SegmentVerdict {
  readonly path: string
  readonly baseOffset: number
  /** One past the last sound batch. */
  readonly endOffset: number
  readonly sizeBytes: number
  readonly batchCount: number
  readonly recordCount: number
  /** Bytes behind the last sound batch of the last segment: torn by a crash, or being written now. */
  readonly incompleteBytes: number
  readonly problems: readonly SegmentProblem[]
}

/** What was found of a file or folder. */
export interface VerifyReport {
  /** No problems. */
  readonly sound: boolean
  readonly segments: readonly SegmentVerdict[]
  /** All problems, those of the folder included. */
  readonly problems: readonly SegmentProblem[]
}

/** Options of {@link verifySegment}. */
export interface SegmentVerifyOptions {
  /** Default the real one. */
  readonly fileSystem?: FileSystem
}

/**
 * Verifies the segment that the path belongs to (a `.log` or either of its indexes), or all segments of a folder.
 *
 * Errors: NOT_A_SEGMENT; those of the file system. What is wrong with the files is in the answer.
 */
export async function verifySegment(path: string, options: SegmentVerifyOptions = {}): Promise<VerifyReport> {
  const fileSystem = options.fileSystem ?? new NodeFileSystem()
  const paths = await segmentPaths(path, fileSystem)
  const single = paths.length === 1 && paths[0]!.path === path
  const folder = single ? dirname(path) : path
  const bases = [...new Set(paths.map((file) => file.baseOffset))]
  const segments: SegmentVerdict[] = []
  const epochStarts = new Map<number, number>()
  for (const baseOffset of bases) {
    const isLast = single ? await hasNoLater(folder, baseOffset, fileSystem) : baseOffset === bases.at(-1)
    segments.push(await new SegmentCheck(fileSystem, folder, baseOffset, isLast, epochStarts).run())
  }
  const problems = segments.flatMap((segment) => segment.problems)
  if (!single) problems.push(...holes(segments), ...(await checkEpochFile(fileSystem, folder, segments, epochStarts)))
  return { sound: problems.length === 0, segments, problems }
}

async function hasNoLater(folder: string, baseOffset: number, fileSystem: FileSystem): Promise<boolean> {
  const siblings = await segmentPaths(folder, fileSystem)
  return siblings.every((file) => file.baseOffset <= baseOffset)
}

function holes(segments: readonly SegmentVerdict[]): SegmentProblem[] {
  const problems: SegmentProblem[] = []
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1]
    if (next === undefined || next.baseOffset === segment.endOffset) continue
    const reason = `ends at offset ${segment.endOffset}, the next segment begins at ${next.baseOffset}`
    problems.push({ path: segment.path, position: segment.sizeBytes, reason })
  }
  return problems
}

async function checkEpochFile(
  fileSystem: FileSystem,
  folder: string,
  segments: readonly SegmentVerdict[],
  epochStarts: ReadonlyMap<number, number>,
): Promise<SegmentProblem[]> {
  const path = join(folder, LEADER_EPOCH_CHECKPOINT_FILE)
  const bytes = await readIfThere(fileSystem, path)
  if (bytes === null) return []
  const entries = decodeEpochCheckpoint(bytes)
  if (entries === null) return [{ path, position: 0, reason: 'not an epoch checkpoint' }]
  const [first, last] = [segments[0]!, segments.at(-1)!]
  const problems: SegmentProblem[] = []
  for (const { epoch, startOffset } of entries) {
    if (startOffset < first.baseOffset || startOffset >= last.endOffset) continue
    const found = epochStarts.get(startOffset)
    const isFirst = startOffset === first.baseOffset
    if (found === epoch || (isFirst && found !== undefined && found >= epoch)) continue
    problems.push({ path, position: 0, reason: `epoch ${epoch} does not begin at offset ${startOffset}` })
  }
  return problems
}

/** One segment's log, then its indexes against what the log was found to hold. */
class SegmentCheck {
  readonly #fileSystem: FileSystem
  readonly #folder: string
  readonly #baseOffset: number
  readonly #isLast: boolean
  readonly #epochStarts: Map<number, number>
  readonly #path: string
  readonly #problems: SegmentProblem[] = []
  /** Index entries that the log has still to confirm, by the batch's position and by its lastOffset. */
  readonly #wantedPositions = new Map<number, number>()
  readonly #wantedTimestamps = new Map<number, number>()
  #endOffset: number
  #epoch = 0
  #batchCount = 0
  #recordCount = 0

  constructor(
    fileSystem: FileSystem,
    folder: string,
    baseOffset: number,
    isLast: boolean,
    epochStarts: Map<number, number>,
  ) {
    this.#fileSystem = fileSystem
    this.#folder = folder
    this.#baseOffset = baseOffset
    this.#isLast = isLast
    this.#epochStarts = epochStarts
    this.#path = segmentFilePath(folder, baseOffset, 'log')
    this.#endOffset = baseOffset
    this.#epoch = Math.max(0, ...epochStarts.values())
  }

  async run(): Promise<SegmentVerdict> {
    // Indexes first: beside a running broker the log only grows meanwhile.
    await this.#loadOffsetIndex()
    await this.#loadTimeIndex()
    const file = await this.#fileSystem.open(this.#path, { readonly: true })
    try {
      const sizeBytes = await file.size()
      const end = await this.#checkLog(file, sizeBytes)
      this.#reportUnconfirmed()
      return {
        path: this.#path,
        baseOffset: this.#baseOffset,
        endOffset: this.#endOffset,
        sizeBytes,
        batchCount: this.#batchCount,
        recordCount: this.#recordCount,
        incompleteBytes: sizeBytes - end,
        problems: this.#problems,
      }
    } finally {
      await file.close()
    }
  }

  /** Returns the position behind the last sound batch. */
  async #checkLog(file: Parameters<typeof scanChunks>[0], sizeBytes: number): Promise<number> {
    const chunks = scanChunks(file, 0, sizeBytes)
    for (;;) {
      const { done, value } = await chunks.next()
      if (done) {
        if (value.reason !== null && !this.#isLast) this.#problem(this.#path, value.position, value.reason)
        return value.position
      }
      for (const [index, at] of value.starts.entries()) {
        const batchBytes = (value.starts[index + 1] ?? value.wholeBytes) - at
        const fault = batchFault(value.buffer, at, batchBytes, this.#endOffset, this.#epoch)
        if (fault !== null) {
          // Behind a batch that is whole but wrong nothing can be told; that is never a write under way.
          this.#problem(this.#path, value.position + at, fault)
          return value.position + at
        }
        this.#take(value.buffer, at, value.position + at)
      }
    }
  }

  #take(buffer: Buffer, at: number, position: number): void {
    const lastOffset = lastOffsetOf(buffer, at)
    const epoch = leaderEpochOf(buffer, at)
    if (epoch > this.#epoch || this.#epochStarts.size === 0) this.#epochStarts.set(this.#endOffset, epoch)
    this.#epoch = epoch
    if (this.#wantedPositions.get(position) === lastOffset) this.#wantedPositions.delete(position)
    if (this.#wantedTimestamps.get(lastOffset) === maxTimestampOf(buffer, at)) this.#wantedTimestamps.delete(lastOffset)
    this.#endOffset = lastOffset + 1
    this.#batchCount++
    this.#recordCount += recordCountOf(buffer, at)
  }

  async #loadOffsetIndex(): Promise<void> {
    const path = segmentFilePath(this.#folder, this.#baseOffset, 'index')
    const bytes = await this.#loadIndex(path, OFFSET_INDEX_ENTRY_BYTES)
    let previous = -1
    for (let at = 0; at < bytes.length; at += OFFSET_INDEX_ENTRY_BYTES) {
      const { lastOffset, position } = readOffsetIndexEntry(bytes, at, this.#baseOffset)
      if (lastOffset <= previous) this.#problem(path, at, `offset ${lastOffset} follows ${previous}`)
      previous = lastOffset
      this.#wantedPositions.set(position, lastOffset)
    }
  }

  async #loadTimeIndex(): Promise<void> {
    const path = segmentFilePath(this.#folder, this.#baseOffset, 'timeindex')
    const bytes = await this.#loadIndex(path, TIME_INDEX_ENTRY_BYTES)
    let previous = -1
    for (let at = 0; at < bytes.length; at += TIME_INDEX_ENTRY_BYTES) {
      const { timestamp, lastOffset } = readTimeIndexEntry(bytes, at, this.#baseOffset)
      if (timestamp <= previous) this.#problem(path, at, `timestamp ${timestamp} follows ${previous}`)
      previous = timestamp
      this.#wantedTimestamps.set(lastOffset, timestamp)
    }
  }

  async #loadIndex(path: string, entryBytes: number): Promise<Buffer> {
    const bytes = await readIfThere(this.#fileSystem, path)
    if (bytes === null) return Buffer.alloc(0)
    const cutBytes = bytes.length % entryBytes
    if (cutBytes > 0 && !this.#isLast) this.#problem(path, bytes.length - cutBytes, 'the last entry is cut')
    return bytes.subarray(0, bytes.length - cutBytes)
  }

  #reportUnconfirmed(): void {
    const name = basename(this.#path)
    for (const [position, lastOffset] of this.#wantedPositions) {
      const reason = `no batch at byte ${position} of ${name} ends at offset ${lastOffset}`
      this.#problem(segmentFilePath(this.#folder, this.#baseOffset, 'index'), 0, reason)
    }
    for (const [lastOffset, timestamp] of this.#wantedTimestamps) {
      const reason = `no batch of ${name} ends at offset ${lastOffset} with timestamp ${timestamp}`
      this.#problem(segmentFilePath(this.#folder, this.#baseOffset, 'timeindex'), 0, reason)
    }
  }

  #problem(path: string, position: number, reason: string): void {
    this.#problems.push({ path, position, reason })
  }
}

async function readIfThere(fileSystem: FileSystem, path: string): Promise<Buffer | null> {
  try {
    return await fileSystem.readFile(path)
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT') return null
    throw error
  }
}
