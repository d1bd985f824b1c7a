/**
 * The read path: by offset and by timestamp.
 *
 * The newest batches are served from memory; older ones from a segment file, found through its offset index. What
 * comes from a file is verified before it is served: batches must follow one another without a gap from a verified
 * anchor, carry the epoch that the epoch cache has for them, and match their CRC. An index entry that the log
 * contradicts costs a slower read and is repaired, for an index is only a hint.
 *
 * Readers run beside the writer loop: a truncation that overtakes a read makes it begin anew, and so does a compacted file
 * that takes the place of a segment's, if the read found both.
 */
import {
  InvariantError,
  isStratalogError,
  type LeaderEpoch,
  type Offset,
  toLeaderEpoch,
  toOffset,
} from '@stratalog/proto'
import {
  type BatchHeader,
  baseOffsetOf,
  CorruptMessageError,
  decodeBatch,
  isControl,
  iterateBatches,
  lastOffsetOf,
  leaderEpochOf,
  maxTimestampOf,
  NO_TIMESTAMP,
  RECORD_BATCH_OVERHEAD_BYTES,
  sizeOf,
} from '@stratalog/proto/records'
import { type FileHandle, fileErrorCode } from '../storage/file-system.ts'
import { batchFault } from './batch-scan.ts'
import { rebuildIndexes } from './index-repair.ts'
import type { LogCore } from './log-core.ts'
import { LogOffsetOutOfRangeError, LogSegmentCorruptError } from './log-errors.ts'
import type { ReadStart, Segment } from './segment.ts'

const REPLAY_READ_BYTES = 1024 * 1024
const TIMESTAMP_READ_BYTES = 256 * 1024

/** Whole batches, in order. */
export class ReadResult {
  /** Each holds one or more whole batches; not to be changed. The first may begin before the offset asked for. */
  readonly chunks: readonly Buffer[]
  readonly sizeBytes: number
  /** Where to read on: one past the last batch, or the offset asked for when there is none. */
  readonly nextOffset: Offset

  constructor(chunks: readonly Buffer[], nextOffset: Offset) {
    this.chunks = chunks
    this.nextOffset = nextOffset
    let sizeBytes = 0
    for (const chunk of chunks) sizeBytes += chunk.length
    this.sizeBytes = sizeBytes
  }

  /** All batches in one buffer; copies unless there is exactly one chunk. */
  get bytes(): Buffer {
    return this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks)
  }
}

/** A record found by its timestamp. */
export interface TimestampHit {
  readonly offset: Offset
  /** Of that record, ms. */
  readonly timestamp: number
  readonly leaderEpoch: LeaderEpoch
}

interface Query {
  readonly from: Offset
  readonly endOffset: Offset
  readonly maxBytes: number
  readonly minOneBatch: boolean
}

/** See the file's header. */
export class LogReader {
  readonly #core: LogCore
  /** Sealed segments whose indexes were rebuilt since the start: once is enough. */
  readonly #repaired = new Set<Segment>()

  constructor(core: LogCore) {
    this.#core = core
  }

  /** See PartitionLog.read. */
  async read(from: Offset, endOffset: Offset, maxBytes: number, minOneBatch: boolean): Promise<ReadResult> {
    const core = this.#core
    for (;;) {
      if (core.state.kind === 'closed') throw core.stateError()!
      if (from < core.logStartOffset || from > core.logEndOffset) {
        throw new LogOffsetOutOfRangeError(from, core.logStartOffset, core.logEndOffset)
      }
      // After a failed sync the page cache may hold what the disk does not.
      const readableEnd = core.state.kind === 'failed' ? core.flushedEndOffset : core.logEndOffset
      const query: Query = { from, endOffset: toOffset(Math.min(endOffset, readableEnd)), maxBytes, minOneBatch }
      if (from >= query.endOffset) return new ReadResult([], from)
      const cached = core.tail.read(from, query.endOffset, maxBytes, minOneBatch)
      if (cached !== null) return resultOf(cached, from)
      const found = await this.#readFiles(query)
      if (found !== null) return found
    }
  }

  /** See PartitionLog.offsetForTimestamp. */
  async offsetForTimestamp(timestampMs: number, endOffset: Offset): Promise<TimestampHit | null> {
    const core = this.#core
    // The active segment grows meanwhile: what was looked at ends where it ended at that moment.
    let searchedEnd = core.logStartOffset
    for (const segment of core.segments) {
      const end = toOffset(Math.min(segment.endOffset, endOffset))
      if (end <= searchedEnd) continue
      searchedEnd = end
      if (segment.maxTimestamp < timestampMs) continue
      const from = await this.#timestampStart(segment, timestampMs, endOffset)
      const hit = await this.#searchTimestamp(from, end, timestampMs)
      if (hit !== null) return hit
    }
    return this.#searchTimestamp(searchedEnd, endOffset, timestampMs)
  }

  /** See PartitionLog.greatestTimestamp. Constant time but for a segment of which the beginning was deleted: that is read. */
  async greatestTimestamp(): Promise<number> {
    const core = this.#core
    let greatest = NO_TIMESTAMP
    for (const segment of core.segments) {
      const isWhole = segment.baseOffset >= core.readableFrom
      const newest = isWhole ? segment.maxTimestamp : await this.#greatestBetween(core.readableFrom, segment.endOffset)
      greatest = Math.max(greatest, newest)
    }
    return greatest
  }

  /** See PartitionLog.batchOffsetAt. */
  async batchOffsetAt(offset: Offset): Promise<Offset> {
    const { logEndOffset } = this.#core
    if (offset >= logEndOffset) return offset
    const { chunks } = await this.read(offset, logEndOffset, 1, true)
    return chunks.length === 0 ? offset : toOffset(baseOffsetOf(chunks[0]!, 0))
  }

  /** Calls `visit` with the header of every batch in [from, endOffset), in order. */
  async replayHeaders(from: Offset, endOffset: Offset, visit: (header: BatchHeader) => void): Promise<void> {
    let next = from
    while (next < endOffset) {
      const { bytes, nextOffset } = await this.read(next, endOffset, REPLAY_READ_BYTES, true)
      for (const { header } of iterateBatches(bytes)) if (header.lastOffset >= from) visit(header)
      next = nextOffset
    }
  }

  /** Reads all batches from the one that holds `from` to the one that holds `last`, for what a read finds of damage. */
  async check(from: Offset, last: Offset): Promise<void> {
    let next = toOffset(Math.max(from, this.#core.logStartOffset))
    while (next <= last && next < this.#core.flushedEndOffset) {
      const { nextOffset } = await this.read(next, this.#core.flushedEndOffset, REPLAY_READ_BYTES, true)
      if (nextOffset === next) return
      next = nextOffset
    }
  }

  /** One attempt on files; null when a truncation, deletion or compaction came between and the read must begin anew. */
  async #readFiles(query: Query): Promise<ReadResult | null> {
    const core = this.#core
    const { truncationCount } = core
    const segment = core.segments[core.segmentIndexAt(query.from)]!
    const overtaken = (): boolean => core.truncationCount !== truncationCount || query.from < core.logStartOffset
    try {
      const bytes = await core.openFiles.using(segment.logPath, (file) => this.#readSegment(file, segment, query))
      if (overtaken()) return null
      return resultOf(bytes === null ? [] : [bytes], query.from)
    } catch (error) {
      if (overtaken() || !(await core.holds(segment))) return null
      throw this.#damage(error, segment, query.from)
    }
  }

  #damage(error: unknown, segment: Segment, offset: Offset): unknown {
    const missing = fileErrorCode(error) === 'ENOENT'
    if (!missing && !(error instanceof LogSegmentCorruptError)) return error
    const damage = missing ? new LogSegmentCorruptError(segment.logPath, offset, 0, 'the file is missing') : error
    this.#core.options.listener?.onDamage?.(damage as LogSegmentCorruptError)
    return damage
  }

  async #readSegment(file: FileHandle, segment: Segment, query: Query): Promise<Buffer | null> {
    if (await segment.lacksIndex()) await this.#repair(segment)
    const start = await segment.locate(query.from)
    const found = await new SegmentRead(this.#core, file, segment, query).run(start)
    if (found !== 'anchor-mismatch') return found
    await this.#repair(segment)
    const again = await new SegmentRead(this.#core, file, segment, query).run({ position: 0, anchorLastOffset: null })
    if (again === 'anchor-mismatch') throw new InvariantError('a read from the segment start has no anchor')
    return again
  }

  async #repair(segment: Segment): Promise<void> {
    if (segment.sealedAtMs === null || this.#repaired.has(segment)) return
    this.#repaired.add(segment)
    const core = this.#core
    await core.indexWork.run(async () => {
      // One that a compacted file has replaced meanwhile has its indexes already.
      if (core.segments.includes(segment)) await rebuildIndexes(segment, core)
    })
  }

  /** An offset at or before the first record with that timestamp in the segment, as late as the time index knows. */
  async #timestampStart(segment: Segment, timestampMs: number, endOffset: Offset): Promise<Offset> {
    const segmentStart = toOffset(Math.max(segment.baseOffset, this.#core.logStartOffset))
    const entry = await segment.timeIndex.floor(timestampMs)
    if (entry === null || entry.lastOffset < segmentStart) return segmentStart
    if (entry.lastOffset >= Math.min(endOffset, segment.endOffset)) return segmentStart
    const from = toOffset(entry.lastOffset)
    const { chunks } = await this.read(from, endOffset, 1, true)
    const batch = chunks[0]
    const agrees =
      batch !== undefined && lastOffsetOf(batch, 0) === entry.lastOffset && maxTimestampOf(batch, 0) === entry.timestamp
    return agrees ? from : segmentStart
  }

  async #searchTimestamp(from: Offset, endOffset: Offset, timestampMs: number): Promise<TimestampHit | null> {
    let next = from
    while (next < endOffset) {
      const { bytes, nextOffset } = await this.read(next, endOffset, TIMESTAMP_READ_BYTES, true)
      if (bytes.length === 0) return null
      for (const { position } of iterateBatches(bytes)) {
        if (maxTimestampOf(bytes, position) < timestampMs || isControl(bytes, position)) continue
        const hit = await this.#firstRecordAt(bytes, position, timestampMs)
        if (hit !== null) return hit
      }
      next = nextOffset
    }
    return null
  }

  async #greatestBetween(from: Offset, endOffset: Offset): Promise<number> {
    let greatest = NO_TIMESTAMP
    for (let next = from; next < endOffset; ) {
      const { bytes, nextOffset } = await this.read(next, endOffset, TIMESTAMP_READ_BYTES, true)
      if (bytes.length === 0) break
      for (const { position, header } of iterateBatches(bytes)) {
        if (!header.control) greatest = Math.max(greatest, await greatestIn(bytes, position, header, from))
      }
      next = nextOffset
    }
    return greatest
  }

  async #firstRecordAt(bytes: Buffer, position: number, timestampMs: number): Promise<TimestampHit | null> {
    const leaderEpoch = toLeaderEpoch(Math.max(0, leaderEpochOf(bytes, position)))
    try {
      for (const record of await decodeBatch(bytes, position)) {
        if (record.timestamp < timestampMs || record.offset < this.#core.readableFrom) continue
        return { offset: toOffset(record.offset), timestamp: record.timestamp, leaderEpoch }
      }
      return null
    } catch (error) {
      if (!isStratalogError(error)) throw error
      // A producer sealed bytes that are no records (the log checks batches, not records): its consumers will see
      // that; here the batch's own timestamp is the best answer.
      const offset = Math.max(baseOffsetOf(bytes, position), this.#core.readableFrom)
      return { offset: toOffset(offset), timestamp: maxTimestampOf(bytes, position), leaderEpoch }
    }
  }
}

/** Reads batches of one segment from a start that an index named. */
class SegmentRead {
  readonly #core: LogCore
  readonly #file: FileHandle
  readonly #segment: Segment
  readonly #query: Query
  /** Bytes of whole batches; what lies behind may be half written. */
  readonly #limit: number
  #expectedBaseOffset: number | null = null

  constructor(core: LogCore, file: FileHandle, segment: Segment, query: Query) {
    this.#core = core
    this.#file = file
    this.#segment = segment
    this.#query = query
    this.#limit = segment.sizeBytes
  }

  /** The wanted batches, null when the query's limits leave none, or that the anchor is not where it should be. */
  async run(start: ReadStart): Promise<Buffer | null | 'anchor-mismatch'> {
    this.#expectedBaseOffset = start.anchorLastOffset === null ? this.#segment.baseOffset : null
    const chunkBytes =
      Math.max(this.#query.maxBytes, RECORD_BATCH_OVERHEAD_BYTES) + this.#core.config.indexIntervalBytes
    let { position } = start
    let wantBytes = chunkBytes
    while (position < this.#limit) {
      const buffer = Buffer.allocUnsafe(Math.min(wantBytes, this.#limit - position))
      const readBytes = await this.#file.read(buffer, position)
      if (readBytes < buffer.length) throw this.#corrupt(position + readBytes, 'the file ends early')
      if (this.#expectedBaseOffset === null) {
        const anchored = buffer.length >= RECORD_BATCH_OVERHEAD_BYTES && anchorOf(buffer) === start.anchorLastOffset
        if (!anchored) return 'anchor-mismatch'
        this.#expectedBaseOffset = baseOffsetOf(buffer, 0)
      }
      const walked = this.#walk(buffer, position)
      if (walked.bytes !== null || walked.done) return walked.bytes
      position += walked.walkedBytes
      wantBytes = Math.max(chunkBytes, walked.nextBytes)
    }
    return null
  }

  #walk(
    buffer: Buffer,
    position: number,
  ): { bytes: Buffer | null; done: boolean; walkedBytes: number; nextBytes: number } {
    const { from, endOffset, maxBytes, minOneBatch } = this.#query
    let at = 0
    let first = -1
    let nextBytes = RECORD_BATCH_OVERHEAD_BYTES
    let done = false
    while (buffer.length - at >= RECORD_BATCH_OVERHEAD_BYTES) {
      const sizeBytes = sizeOf(buffer, at)
      const lastOffset = this.#checkPlace(buffer, at, position, sizeBytes)
      if (lastOffset >= from) {
        const takenBytes = first === -1 ? 0 : at - first
        const tooMuch = takenBytes + sizeBytes > maxBytes && !(minOneBatch && first === -1)
        done = this.#expectedBaseOffset! >= endOffset || tooMuch
        nextBytes = sizeBytes
        if (done || at + sizeBytes > buffer.length) break
        this.#checkContent(buffer, at, position, sizeBytes)
        // Only now: a damaged last offset must not pass for a batch that reaches too far.
        done = lastOffset >= endOffset
        if (done) break
        if (first === -1) first = at
      }
      this.#expectedBaseOffset = lastOffset + 1
      at += sizeBytes
    }
    return { bytes: first === -1 ? null : buffer.subarray(first, at), done, walkedBytes: at, nextBytes }
  }

  /** Checks what tells where the batch and its neighbours lie, and returns its last offset. */
  #checkPlace(buffer: Buffer, at: number, position: number, sizeBytes: number): number {
    const filePosition = position + at
    if (sizeBytes < RECORD_BATCH_OVERHEAD_BYTES || filePosition + sizeBytes > this.#limit) {
      throw this.#corrupt(filePosition, `batch size is ${sizeBytes}`)
    }
    const { baseOffset, lastOffset } = this.#offsetsAt(buffer, at, filePosition)
    if (baseOffset !== this.#expectedBaseOffset || lastOffset < baseOffset) {
      throw this.#corrupt(filePosition, `offsets are ${baseOffset}..${lastOffset}`)
    }
    return lastOffset
  }

  #offsetsAt(buffer: Buffer, at: number, position: number): { baseOffset: number; lastOffset: number } {
    try {
      return { baseOffset: baseOffsetOf(buffer, at), lastOffset: lastOffsetOf(buffer, at) }
    } catch (error) {
      if (error instanceof CorruptMessageError) throw this.#corrupt(position, error.reason)
      throw error
    }
  }

  #checkContent(buffer: Buffer, at: number, position: number, sizeBytes: number): void {
    const baseOffset = this.#expectedBaseOffset!
    const epoch = this.#core.epochs.epochAt(baseOffset)
    const fault = batchFault(buffer, at, sizeBytes, baseOffset, epoch)
    if (fault !== null) throw this.#corrupt(position + at, fault)
    const stampedEpoch = leaderEpochOf(buffer, at)
    if (stampedEpoch !== epoch) throw this.#corrupt(position + at, `leader epoch is ${stampedEpoch}, not ${epoch}`)
  }

  #corrupt(position: number, reason: string): LogSegmentCorruptError {
    const offset = this.#expectedBaseOffset ?? this.#query.from
    return new LogSegmentCorruptError(this.#segment.logPath, offset, position, reason)
  }
}

/** The greatest timestamp of a batch's records from `from` on; the batch's own where they cannot be decoded. */
async function greatestIn(bytes: Buffer, position: number, header: BatchHeader, from: Offset): Promise<number> {
  if (header.baseOffset >= from) return header.maxTimestamp
  try {
    let greatest = NO_TIMESTAMP
    for (const { offset, timestamp } of await decodeBatch(bytes, position)) {
      if (offset >= from) greatest = Math.max(greatest, timestamp)
    }
    return greatest
  } catch (error) {
    if (!isStratalogError(error)) throw error
    return header.maxTimestamp
  }
}

function anchorOf(buffer: Buffer): number | null {
  try {
    return lastOffsetOf(buffer, 0)
  } catch (error) {
    if (error instanceof CorruptMessageError) return null
    throw error
  }
}

function resultOf(chunks: readonly Buffer[], from: Offset): ReadResult {
  const last = chunks.at(-1)
  if (last === undefined) return new ReadResult(chunks, from)
  let end = 0
  for (let at = 0; at < last.length; at += sizeOf(last, at)) end = lastOffsetOf(last, at) + 1
  return new ReadResult(chunks, toOffset(end))
}
