/**
 * Reads one split: its batches in order, exactly the offsets that were planned, once each.
 *
 * ```
 *  split    start |·······························| end
 *  batches     [ . . . ][ctrl][ . _ . ][      ][ . . . ]      first and last are shown in part,
 *  gaps                 [    ]    ^    [      ]               what has no record is told with its cause
 * ```
 * Invariant: `position` never goes back; the reader is done when it reaches the split's end and not before, whatever is
 * or is not in the log there.
 * Memory: what the source reads ahead (`prefetchBytes`) and the batch in hand.
 */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { type BatchHeader, CorruptMessageError, decodeBatchSync } from '@stratalog/proto/records'
import { batchCorrupt, invalidField, logRewritten } from './errors.ts'
import { GapLog } from './gap-log.ts'
import type { ReplaySplit } from './manifest.ts'
import type { ReadSplitOptions, ReadStats, ReplayFilter } from './read-options.ts'
import { ReplayBatch } from './replay-batch.ts'
import type { ReplaySource, SourceChunk } from './source.ts'

const KIB = 1024
const MIB = 1024 * KIB
const PREFETCH_BYTES = { default: 4 * MIB, min: 64 * KIB, max: 256 * MIB }

/**
 * A reader of a split; nothing happens before it is iterated.
 *
 * Errors: INVALID_REQUEST at once for options out of range; while iterating UNKNOWN_TOPIC_ID when the topic is another
 * one now, UNKNOWN_TOPIC_OR_PARTITION when it is gone, OFFSET_OUT_OF_RANGE with what is left when part of the range was
 * deleted (metadata `reason: deleted`) or the log is not the one planned (`rewritten`), CORRUPT_MESSAGE with offset, file
 * and position. What can be tried again was tried: any error is final for the split, also one that is `retriable`.
 */
export function readSplit(source: ReplaySource, split: ReplaySplit, options: ReadSplitOptions = {}): SplitReader {
  return new SplitReader(source, split, options)
}

/** See the file's header. For one pass. */
export class SplitReader implements AsyncIterable<ReplayBatch> {
  readonly split: ReplaySplit
  readonly #source: ReplaySource
  readonly #options: ReadSplitOptions
  readonly #prefetchBytes: number
  readonly #filter: ReplayFilter | null
  readonly #gaps: GapLog
  readonly #stats: { -readonly [Field in keyof ReadStats]: ReadStats[Field] }
  #isTaken = false

  /** Use {@link readSplit}. */
  constructor(source: ReplaySource, split: ReplaySplit, options: ReadSplitOptions) {
    const { fromOffset = split.startOffset, prefetchBytes = PREFETCH_BYTES.default, filter, onGap = () => {} } = options
    if (!(fromOffset >= split.startOffset && fromOffset <= split.endOffset && Number.isSafeInteger(fromOffset))) {
      throw invalidField(
        'fromOffset',
        `fromOffset is ${fromOffset}; split ${split.id} has ${split.startOffset}..${split.endOffset}`,
      )
    }
    if (!(prefetchBytes >= PREFETCH_BYTES.min && prefetchBytes <= PREFETCH_BYTES.max)) {
      throw invalidField(
        'prefetchBytes',
        `prefetchBytes is ${prefetchBytes}; allowed are ${PREFETCH_BYTES.min}..${PREFETCH_BYTES.max}`,
      )
    }
    this.split = split
    this.#source = source
    this.#options = options
    this.#prefetchBytes = prefetchBytes
    this.#filter = filter ?? null
    this.#gaps = new GapLog(split, onGap)
    this.#stats = { recordCount: 0, filteredCount: 0, batchCount: 0, bytes: 0, missingCount: 0, position: fromOffset }
  }

  /** What was read so far; what it says of records counts batches that were walked to their end. */
  get stats(): ReadStats {
    return { ...this.#stats, missingCount: this.#gaps.missingCount }
  }

  /** The batches with records of the split, in order. */
  [Symbol.asyncIterator](): AsyncGenerator<ReplayBatch, void, undefined> {
    if (this.#isTaken) throw invalidField('split', `split ${this.split.id} is being read by this reader already`)
    this.#isTaken = true
    return this.#run()
  }

  async *#run(): AsyncGenerator<ReplayBatch, void, undefined> {
    const { endOffset } = this.split
    while (this.#stats.position < endOffset) {
      try {
        for await (const chunk of this.#read()) yield* this.#batchesOf(chunk)
        this.#gaps.flush()
        if (this.#stats.position < endOffset) throw this.#endsEarly()
      } catch (error) {
        this.#gaps.flush()
        if (!this.#skipDeleted(error)) throw error
      }
    }
    this.#gaps.flush()
  }

  #read(): AsyncIterable<SourceChunk> {
    const { signal, skipCorrupt = false } = this.#options
    return this.#source.read(this.split, {
      signal,
      skipCorrupt,
      fromOffset: this.#stats.position,
      prefetchBytes: this.#prefetchBytes,
    })
  }

  *#batchesOf(chunk: SourceChunk): Generator<ReplayBatch, void, undefined> {
    const stats = this.#stats
    const { endOffset } = this.split
    if (chunk.corrupt !== null) {
      this.#passOver('corrupt', chunk.nextOffset, chunk.corrupt.error.message)
      return
    }
    for (const { position, header } of chunk.batches) {
      if (header.lastOffset < stats.position) continue
      if (header.baseOffset >= endOffset) break
      // Batches follow one another without gaps in the log: what a broker leaves out is control batches.
      this.#passOver('control', header.baseOffset)
      this.#checkEpoch(header)
      stats.batchCount++
      stats.bytes += header.sizeBytes
      const batch = this.#batch(chunk, position, header)
      if (batch === null) continue
      yield batch
    }
    this.#passOver('control', chunk.nextOffset)
  }

  /** Moves to `offset`; what lies before it and in the split has no records, for this reason. */
  #passOver(cause: 'control' | 'corrupt' | 'deleted', offset: number, detail = ''): void {
    const stats = this.#stats
    const end = Math.min(offset, this.split.endOffset)
    if (end <= stats.position) return
    this.#gaps.add(cause, stats.position, end, end - stats.position, detail)
    stats.position = end
  }

  /** The batch if records of it may be wanted, or null; its offsets are dealt with either way. */
  #batch(chunk: SourceChunk, position: number, header: BatchHeader): ReplayBatch | null {
    const stats = this.#stats
    const fromOffset = stats.position
    const endOffset = Math.min(header.lastOffset + 1, this.split.endOffset)
    if (header.control) {
      this.#passOver('control', endOffset)
      return null
    }
    const spanCount = endOffset - fromOffset
    const presentCount = this.#presentCount(chunk, position, header, fromOffset, endOffset)
    stats.position = endOffset
    this.#gaps.add('compacted', fromOffset, endOffset, spanCount - presentCount)
    if (presentCount === 0) return null
    if (isOutsideTime(header, this.#filter)) {
      stats.filteredCount += presentCount
      return null
    }
    return new ReplayBatch({
      split: this.split,
      header,
      bytes: chunk.bytes,
      position,
      fromOffset,
      filter: this.#filter,
      onCounted: (recordCount, filteredCount) => {
        stats.recordCount += recordCount
        stats.filteredCount += filteredCount
      },
      onDamage: (cause, damagedFrom, walkedCount, isFirst) => {
        const error = this.#damage(chunk, position, cause, damagedFrom)
        if (this.#options.skipCorrupt !== true) return error
        if (isFirst) this.#gaps.add('corrupt', damagedFrom, endOffset, presentCount - walkedCount, error.message)
        return null
      },
    })
  }

  /** Records of the batch in [from, end): from the header, or by a walk where compaction left gaps. */
  #presentCount(chunk: SourceChunk, position: number, header: BatchHeader, from: number, end: number): number {
    const { recordCount, lastOffsetDelta, baseOffset, lastOffset } = header
    if (recordCount === lastOffsetDelta + 1) return end - from
    if (recordCount === 0 || (from === baseOffset && end === lastOffset + 1)) return recordCount
    let count = 0
    try {
      decodeBatchSync(chunk.bytes, position).forEach(({ offset }) => {
        if (offset >= from && offset < end) count++
      })
    } catch (error) {
      // Whoever walks the batch meets the damage again, and it is told then.
      if (!isStratalogError(error)) throw error
      return end - from
    }
    return count
  }

  /** Damage within a batch whose CRC is right: its producer sealed bytes that are no records. */
  #damage(chunk: SourceChunk, position: number, cause: StratalogError, offset: number): StratalogError {
    const reason = cause instanceof CorruptMessageError ? cause.reason : cause.message
    const file = chunk.file === null ? null : { path: chunk.file.path, position: chunk.file.position + position }
    return batchCorrupt(this.split, offset, reason, file, cause)
  }

  #checkEpoch(header: BatchHeader): void {
    const { startOffset, leaderEpoch } = this.split
    if (leaderEpoch === null || header.baseOffset > startOffset || header.lastOffset < startOffset) return
    if (header.leaderEpoch !== leaderEpoch) throw logRewritten(this.split, header.leaderEpoch)
  }

  /** Whether the error says that the next offsets were deleted, and that is to be passed over. */
  #skipDeleted(error: unknown): boolean {
    if (this.#options.onDeleted !== 'skip' || !isStratalogError(error, 'OFFSET_OUT_OF_RANGE')) return false
    const logStartOffset = Number(error.metadata['logStartOffset'])
    if (error.metadata['reason'] !== 'deleted' || !(logStartOffset > this.#stats.position)) return false
    this.#passOver('deleted', logStartOffset, `the log begins at ${logStartOffset}`)
    this.#gaps.flush()
    return true
  }

  #endsEarly(): StratalogError {
    const { topic, partition, id } = this.split
    const text = `the source ended at ${this.#stats.position}, before the end of split ${id}`
    return new StratalogError('UNKNOWN_SERVER_ERROR', text, { topic, partition })
  }
}

/** Whether the header tells that no record of the batch lies in the filter's time. */
function isOutsideTime(header: BatchHeader, filter: ReplayFilter | null): boolean {
  const { fromTimestampMs, toTimestampMs } = filter ?? {}
  if (fromTimestampMs !== undefined && header.maxTimestamp < fromTimestampMs) return true
  // A producer's timestamps may go back within a batch, so the first one bounds nothing; a leader's are all the same.
  const least = header.timestampType === 'append' ? header.maxTimestamp : null
  return toTimestampMs !== undefined && least !== null && least >= toTimestampMs
}
