/**
 * Reading a log for nobody: the batches below the flushed end are read from the files and checked, a piece at a time, so
 * that damage is found while other copies are sound.
 *
 * Checked is what a read checks: that batches follow one another without a gap, their epochs, their CRCs; and that a segment
 * ends where the next one begins. Indexes are derived from the log and not looked at.
 *
 * Runs beside the writer loop and readers. Invariant: a flaw counts only if it is met twice, below what was flushed before
 * it was read, and if the log was neither cut nor trimmed there meanwhile. A log that is being cut is not read.
 * Memory: the caller's buffer, whatever the size of a batch; it must hold a batch header.
 */
import { toOffset } from '@stratalog/proto'
import {
  ATTRIBUTES_POSITION,
  crc32c,
  lastOffsetOf,
  leaderEpochOf,
  RECORD_BATCH_OVERHEAD_BYTES,
  readBatchHeader,
  sizeOf,
} from '@stratalog/proto/records'
import { type FileHandle, fileErrorCode } from '../storage/file-system.ts'
import { batchFault, placeFault, reasonOf } from './batch-scan.ts'
import type { LogCore } from './log-core.ts'
import { LogSegmentCorruptError } from './log-errors.ts'
import type { Segment } from './segment.ts'

/** Where to go on: a batch boundary. */
export interface ScrubCursor {
  readonly segmentBaseOffset: number
  /** Of the next batch. */
  readonly offset: number
  /** Of that batch in the segment's file, bytes. */
  readonly position: number
  /** As of {@link LogCore.truncationCount}: after a cut the segment is read again. */
  readonly truncationCount: number
  /** Of the segment's file, which compaction replaces: then it is read again, too. */
  readonly revision: number
}

/** What one step read. */
export interface ScrubStep {
  readonly readBytes: number
  /** Null when the log was read to its flushed end. */
  readonly next: ScrubCursor | null
}

const MET_COUNT = 2
/** Nothing is left to check. */
export const SCRUB_ENDED: ScrubStep = { readBytes: 0, next: null }

/**
 * Reads and checks what fits into `buffer`, from `from` on, or from the log's start.
 *
 * Errors: LOG_SEGMENT_CORRUPT, of which the log's owner was told as by a read; LOG_CLOSED; those of the file system.
 */
export async function scrubLog(core: LogCore, from: ScrubCursor | null, buffer: Buffer): Promise<ScrubStep> {
  // While a log is cut its last segment is forgotten and learned again: it is not what its files are.
  if (core.truncatingTo !== null) await core.steps.run(async () => undefined)
  if (isClosed(core)) throw core.stateError()!
  const cursor = from === null ? startOf(core, core.segments[0]!) : placeOf(core, from)
  if (cursor === null) return SCRUB_ENDED
  let flaw: LogSegmentCorruptError | null = null
  for (let count = 0; count < MET_COUNT; count++) {
    const outcome = await attempt(core, cursor, buffer)
    if (!(outcome instanceof LogSegmentCorruptError)) return outcome
    if (core.replacing !== null) await core.indexWork.run(async () => undefined)
    // Cut, trimmed, compacted or closed meanwhile: there is nothing any more that the flaw could be in.
    if (placeOf(core, cursor) !== cursor || isClosed(core)) return { readBytes: 0, next: cursor }
    flaw = outcome
  }
  core.options.listener?.onDamage?.(flaw!)
  throw flaw!
}

function isClosed({ state }: LogCore): boolean {
  return state.kind === 'closed'
}

/** The cursor itself while it still names a place in the log; else where to go on, null at the end. */
function placeOf(core: LogCore, cursor: ScrubCursor): ScrubCursor | null {
  const segment = core.segments.find((each) => each.baseOffset >= cursor.segmentBaseOffset)
  if (segment === undefined) return null
  const isSame = segment.baseOffset === cursor.segmentBaseOffset && segment.revision === cursor.revision
  return isSame && core.truncationCount === cursor.truncationCount ? cursor : startOf(core, segment)
}

function startOf({ truncationCount }: LogCore, { baseOffset, revision }: Segment): ScrubCursor {
  return { segmentBaseOffset: baseOffset, offset: baseOffset, position: 0, truncationCount, revision }
}

async function attempt(
  core: LogCore,
  cursor: ScrubCursor,
  buffer: Buffer,
): Promise<ScrubStep | LogSegmentCorruptError> {
  const segment = core.segments.find((each) => each.baseOffset === cursor.segmentBaseOffset)
  if (segment === undefined || cursor.offset >= core.flushedEndOffset) return SCRUB_ENDED
  const check = new SegmentScrub(core, segment, cursor, buffer)
  try {
    return await core.openFiles.using(segment.logPath, (file) => check.run(file))
  } catch (error) {
    if (error instanceof LogSegmentCorruptError) return error
    if (fileErrorCode(error) !== 'ENOENT') throw error
    return new LogSegmentCorruptError(segment.logPath, cursor.offset, cursor.position, 'the file is missing')
  }
}

/** One piece of one segment, up to what was flushed when it began. */
class SegmentScrub {
  readonly #core: LogCore
  readonly #segment: Segment
  readonly #buffer: Buffer
  readonly #truncationCount: number
  /** Bytes of whole batches, and their end. */
  readonly #limit: number
  readonly #end: number
  readonly #flushedEnd: number
  #offset: number
  #position: number
  #readBytes = 0

  constructor(core: LogCore, segment: Segment, cursor: ScrubCursor, buffer: Buffer) {
    this.#core = core
    this.#segment = segment
    this.#buffer = buffer
    this.#truncationCount = cursor.truncationCount
    this.#limit = segment.sizeBytes
    this.#end = segment.endOffset
    this.#flushedEnd = core.flushedEndOffset
    this.#offset = cursor.offset
    this.#position = cursor.position
  }

  async run(file: FileHandle): Promise<ScrubStep> {
    const filled = await this.#fill(file)
    let at = 0
    while (at < filled && this.#offset < this.#flushedEnd) {
      if (filled - at < RECORD_BATCH_OVERHEAD_BYTES) break
      const sizeBytes = this.#sizeAt(at)
      if (sizeBytes > filled - at) break
      const fault = batchFault(this.#buffer, at, sizeBytes, this.#offset, this.#epoch())
      if (fault !== null) throw this.#flaw(fault)
      this.#pass(at, sizeBytes)
      at += sizeBytes
    }
    const isStuck = at === 0 && filled > 0 && this.#offset < this.#flushedEnd
    if (isStuck) await this.#checkLarge(file, filled)
    return { readBytes: this.#readBytes, next: this.#next() }
  }

  async #fill(file: FileHandle): Promise<number> {
    const wanted = Math.min(this.#buffer.length, this.#limit - this.#position)
    if (wanted <= 0) throw this.#flaw(`the segment ends before offset ${this.#end}`)
    const readBytes = await file.read(this.#buffer.subarray(0, wanted), this.#position)
    this.#readBytes += readBytes
    if (readBytes < wanted) throw this.#flaw(`the file ends at byte ${this.#position + readBytes}`)
    return wanted
  }

  /** A batch larger than the buffer, whose beginning is in it: its CRC is made up piece by piece. */
  async #checkLarge(file: FileHandle, filled: number): Promise<void> {
    if (filled < RECORD_BATCH_OVERHEAD_BYTES) throw this.#flaw(`${filled} bytes are no batch header`)
    const buffer = this.#buffer
    const sizeBytes = this.#sizeAt(0)
    const place = placeFault(buffer, 0, this.#offset, this.#epoch())
    if (place !== null) throw this.#flaw(place)
    const header = Buffer.from(buffer.subarray(0, RECORD_BATCH_OVERHEAD_BYTES))
    let crc = crc32c(buffer, ATTRIBUTES_POSITION, filled)
    for (let done = filled; done < sizeBytes; ) {
      const piece = buffer.subarray(0, Math.min(buffer.length, sizeBytes - done))
      const readBytes = await file.read(piece, this.#position + done)
      if (readBytes < piece.length) throw this.#flaw('the file ends early')
      crc = crc32c(piece, 0, piece.length, crc)
      done += readBytes
      this.#readBytes += readBytes
    }
    if (crc !== readBatchHeader(header, 0).crc) throw this.#flaw('CRC-32C does not match')
    header.copy(buffer)
    this.#pass(0, sizeBytes)
  }

  /** Size of the batch there, which must be one that fits the segment. */
  #sizeAt(at: number): number {
    const restBytes = this.#limit - this.#position
    try {
      readBatchHeader(this.#buffer, at)
    } catch (error) {
      throw this.#flaw(reasonOf(error))
    }
    const sizeBytes = sizeOf(this.#buffer, at)
    if (sizeBytes > restBytes)
      throw this.#flaw(`a batch of ${sizeBytes} bytes runs past the end, ${restBytes} are there`)
    return sizeBytes
  }

  /** Takes a sound batch; its epoch must be the one that the log has for it. */
  #pass(at: number, sizeBytes: number): void {
    const epoch = leaderEpochOf(this.#buffer, at)
    if (epoch !== this.#epoch()) throw this.#flaw(`leader epoch is ${epoch}, not ${this.#epoch()}`)
    this.#offset = lastOffsetOf(this.#buffer, at) + 1
    this.#position += sizeBytes
  }

  #epoch(): number {
    return this.#core.epochs.epochAt(this.#offset)
  }

  #next(): ScrubCursor | null {
    if (this.#offset >= this.#flushedEnd) return null
    const { baseOffset, sealedAtMs, revision } = this.#segment
    const isRead = this.#position >= this.#limit
    if (isRead && this.#offset !== this.#end) throw this.#flaw(`the segment ends before offset ${this.#end}`)
    const truncationCount = this.#truncationCount
    // The next segment begins where this one ends; one that is still written goes on there, too.
    if (isRead && sealedAtMs !== null) {
      return { segmentBaseOffset: this.#offset, offset: this.#offset, position: 0, truncationCount, revision: 0 }
    }
    return { segmentBaseOffset: baseOffset, offset: this.#offset, position: this.#position, truncationCount, revision }
  }

  #flaw(reason: string): LogSegmentCorruptError {
    return new LogSegmentCorruptError(this.#segment.logPath, toOffset(this.#offset), this.#position, reason)
  }
}
