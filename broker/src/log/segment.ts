/**
 * One segment: an append-only `.log` file of record batches and its two sparse indexes.
 *
 * Invariant: baseOffset <= endOffset, and the file holds exactly the batches [baseOffset, endOffset) in `sizeBytes`.
 * Invariant: indexes only name batches below `endOffset`; they may lack any of them.
 * Owner: the log's writer loop is the only writer; readers may run beside it up to `sizeBytes`.
 * Layout: docs/log-format.md "Segment files". Like Kafka LogSegment, without a transaction index.
 */
import { type Offset, toOffset } from '@stratalog/proto'
import { lastOffsetOf, maxTimestampOf, sizeOf } from '@stratalog/proto/records'
import type { CleanedSegment } from './compaction-plan.ts'
import { segmentFilePath } from './file-names.ts'
import type { ScanStart, SealedSegment, SegmentReplacement } from './log-checkpoint.ts'
import { OffsetIndex } from './offset-index.ts'
import type { OpenFileCache } from './open-file-cache.ts'
import { TimeIndex } from './time-index.ts'

/** Where to begin to read for an offset. */
export interface ReadStart {
  readonly position: number
  /** lastOffset that the batch at `position` must have, as the index says; null at the segment's first byte. */
  readonly anchorLastOffset: number | null
}

/** What is known of a segment when it is opened. */
interface SegmentState {
  readonly endOffset: number
  readonly sizeBytes: number
  readonly maxTimestamp: number
  readonly maxTimestampOffset: number
  readonly firstAppendMs: number | null
  readonly sealedAtMs: number | null
  readonly cleaned?: CleanedSegment
  readonly revision?: number
  readonly offsetIndexCount: number | null
  readonly timeIndexCount: number | null
  readonly lastIndexedTimestamp: number
}

/** See the file's header. */
export class Segment {
  readonly baseOffset: Offset
  readonly logPath: string
  readonly offsetIndex: OffsetIndex
  readonly timeIndex: TimeIndex
  /** Exclusive. */
  endOffset: Offset
  /** Bytes that were written whole; the file may have more while a write is under way. */
  sizeBytes: number
  /** Largest timestamp, ms; -1 if none. */
  maxTimestamp: number
  /** lastOffset of the first batch that has it. */
  maxTimestampOffset: number
  /** When it got its first batch by the broker's clock, ms; null while empty. */
  firstAppendMs: number | null
  /** null while it is the active segment. */
  sealedAtMs: number | null
  /** null until compaction has gone through all of it. */
  cleaned: CleanedSegment | null
  /** Set while a compacted file takes the place of this one. */
  replacement: SegmentReplacement | null = null
  /** How often its file was replaced since the start: positions in another file mean nothing. */
  readonly revision: number
  readonly #openFiles: OpenFileCache
  #bytesSinceIndexEntry = 0

  private constructor(directory: string, baseOffset: Offset, openFiles: OpenFileCache, state: SegmentState) {
    this.baseOffset = baseOffset
    this.logPath = segmentFilePath(directory, baseOffset, 'log')
    const indexPath = segmentFilePath(directory, baseOffset, 'index')
    const timeIndexPath = segmentFilePath(directory, baseOffset, 'timeindex')
    this.offsetIndex = new OffsetIndex(indexPath, baseOffset, openFiles, state.offsetIndexCount)
    const { timeIndexCount, lastIndexedTimestamp } = state
    this.timeIndex = new TimeIndex(timeIndexPath, baseOffset, openFiles, timeIndexCount, lastIndexedTimestamp)
    this.endOffset = toOffset(state.endOffset)
    this.sizeBytes = state.sizeBytes
    this.maxTimestamp = state.maxTimestamp
    this.maxTimestampOffset = state.maxTimestampOffset
    this.firstAppendMs = state.firstAppendMs
    this.sealedAtMs = state.sealedAtMs
    this.cleaned = state.cleaned ?? null
    this.revision = state.revision ?? 0
    this.#openFiles = openFiles
  }

  /** An empty segment; its `.log` file is the caller's to create. @param revision of one whose file replaces another's. */
  static empty(directory: string, baseOffset: Offset, openFiles: OpenFileCache, revision = 0): Segment {
    return new Segment(directory, baseOffset, openFiles, {
      revision,
      endOffset: baseOffset,
      sizeBytes: 0,
      maxTimestamp: -1,
      maxTimestampOffset: baseOffset,
      firstAppendMs: null,
      sealedAtMs: null,
      offsetIndexCount: 0,
      timeIndexCount: 0,
      lastIndexedTimestamp: -1,
    })
  }

  /** A sealed segment as a checkpoint describes it; nothing is opened or read. */
  static sealed(directory: string, sealed: SealedSegment, openFiles: OpenFileCache): Segment {
    return new Segment(directory, toOffset(sealed.baseOffset), openFiles, {
      ...sealed,
      maxTimestampOffset: sealed.endOffset - 1,
      firstAppendMs: null,
      offsetIndexCount: null,
      timeIndexCount: null,
      lastIndexedTimestamp: sealed.maxTimestamp,
    })
  }

  /** The segment that a scan goes on with, as far as the checkpoint trusts it. */
  static trusted(directory: string, scan: ScanStart, openFiles: OpenFileCache): Segment {
    return new Segment(directory, toOffset(scan.segmentBaseOffset), openFiles, {
      ...scan,
      endOffset: scan.offset,
      sizeBytes: scan.position,
      sealedAtMs: null,
    })
  }

  /** Index files first: whoever finds a `.log` finds all of it. */
  static paths(directory: string, baseOffset: number): string[] {
    return (['index', 'timeindex', 'log'] as const).map((kind) => segmentFilePath(directory, baseOffset, kind))
  }

  /** Whether a batch of that size and last offset may still be added, apart from the size limit. */
  canHold(lastOffset: number): boolean {
    return OffsetIndex.fits(this.baseOffset, lastOffset, this.sizeBytes)
  }

  /**
   * Notes a batch that was written at the current end: moves the end and adds index entries when they are due.
   *
   * @param buffer holds the batch at `at`.
   */
  noteBatch(buffer: Buffer, at: number, indexIntervalBytes: number, nowMs: number): void {
    const lastOffset = lastOffsetOf(buffer, at)
    const sizeBytes = sizeOf(buffer, at)
    const maxTimestamp = maxTimestampOf(buffer, at)
    if (maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = maxTimestamp
      this.maxTimestampOffset = lastOffset
    }
    if (this.#bytesSinceIndexEntry > indexIntervalBytes) {
      this.offsetIndex.append(lastOffset, this.sizeBytes)
      this.timeIndex.maybeAppend(this.maxTimestamp, this.maxTimestampOffset)
      this.#bytesSinceIndexEntry = 0
    }
    this.#bytesSinceIndexEntry += sizeBytes
    this.sizeBytes += sizeBytes
    this.endOffset = toOffset(lastOffset + 1)
    this.firstAppendMs ??= nowMs
  }

  /** Where to begin to read for `offset`, which must lie in the segment. */
  async locate(offset: Offset): Promise<ReadStart> {
    const entry = await this.offsetIndex.floor(offset)
    if (entry === null || entry.position >= this.sizeBytes || entry.lastOffset >= this.endOffset) return SEGMENT_START
    return { position: entry.position, anchorLastOffset: entry.lastOffset }
  }

  /** Whether it is a sealed segment of some size whose index file is empty or gone. */
  async lacksIndex(): Promise<boolean> {
    if (this.sealedAtMs === null || this.sizeBytes < INDEXED_BYTES_MIN) return false
    return (await this.offsetIndex.file.settle()) === 0 && (await this.offsetIndex.file.last()) === null
  }

  /** Makes the indexes durable as they are. */
  async persistIndexes(): Promise<void> {
    await this.offsetIndex.file.persist()
    await this.timeIndex.file.persist()
  }

  /** Completes the indexes for good; the bytes of the log must be synced. Safe to repeat after an error. */
  async seal(nowMs: number): Promise<void> {
    this.timeIndex.maybeAppend(this.maxTimestamp, this.maxTimestampOffset)
    await this.persistIndexes()
    this.sealedAtMs = nowMs
  }

  /** The checkpoint's line for a sealed segment. */
  describeSealed(): SealedSegment {
    const { baseOffset, endOffset, sizeBytes, maxTimestamp, sealedAtMs, cleaned, replacement } = this
    return {
      baseOffset,
      endOffset,
      sizeBytes,
      maxTimestamp,
      sealedAtMs: sealedAtMs ?? 0,
      ...(cleaned === null ? {} : { cleaned }),
      ...(replacement === null ? {} : { replacement }),
    }
  }

  /** The checkpoint's scan start at this segment's end; its bytes and indexes must be durable. */
  async describeScanStart(): Promise<ScanStart> {
    return {
      segmentBaseOffset: this.baseOffset,
      offset: this.endOffset,
      position: this.sizeBytes,
      offsetIndexCount: await this.offsetIndex.file.settle(),
      timeIndexCount: await this.timeIndex.file.settle(),
      maxTimestamp: this.maxTimestamp,
      maxTimestampOffset: this.maxTimestampOffset,
      lastIndexedTimestamp: (await this.timeIndex.last())?.timestamp ?? -1,
      firstAppendMs: this.firstAppendMs,
    }
  }

  /**
   * Goes back to `endOffset`, a batch boundary at byte `position` that {@link locate} named; the file itself is the
   * caller's to cut, and batches that are kept behind that boundary its to note again.
   */
  async rewindTo(endOffset: Offset, position: number): Promise<void> {
    await this.offsetIndex.file.settle()
    await this.timeIndex.file.settle()
    await this.offsetIndex.truncateTo(endOffset)
    await this.timeIndex.truncateTo(endOffset)
    const newest = await this.timeIndex.last()
    this.endOffset = endOffset
    this.sizeBytes = position
    this.sealedAtMs = null
    this.maxTimestamp = newest?.timestamp ?? -1
    this.maxTimestampOffset = newest?.lastOffset ?? this.baseOffset
    // The batch at an index boundary gets its entry again.
    this.#bytesSinceIndexEntry = position === 0 ? 0 : Number.MAX_SAFE_INTEGER
    if (position === 0) this.firstAppendMs = null
  }

  /** Closes the files, which the caller removes. */
  forget(): void {
    this.#openFiles.forget(this.logPath)
    this.offsetIndex.file.forget()
    this.timeIndex.file.forget()
  }
}

/** Sealed segments from this size on should have index entries. */
const INDEXED_BYTES_MIN = 256 * 1024
const SEGMENT_START: ReadStart = { position: 0, anchorLastOffset: null }
