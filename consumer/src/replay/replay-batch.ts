/**
 * A batch of a split: its place at once, its records when they are walked. Decompression happens at the first walk, in
 * the thread that walks.
 *
 * Invariant: records inside the split only, each once, in order of offset; a batch at the edge shows what is inside.
 * A record is a view on the batch's bytes: keeping one keeps the batch.
 */
import type { StratalogError } from '@stratalog/proto'
import {
  type BatchHeader,
  type CompressionName,
  CorruptMessageError,
  decodeBatchSync,
  type LogRecord,
  type RecordReader,
  UnsupportedCompressionError,
} from '@stratalog/proto/records'
import type { ReplaySplit } from './manifest.ts'
import type { ReplayFilter } from './read-options.ts'

/** What a batch is made of. */
export interface ReplayBatchParts {
  readonly split: ReplaySplit
  readonly header: BatchHeader
  /** A buffer that holds all of the batch. */
  readonly bytes: Buffer
  /** Where in it the batch begins. */
  readonly position: number
  /** First offset wanted. */
  readonly fromOffset: number
  readonly filter: ReplayFilter | null
  /** Told once, at the end of the first walk. */
  readonly onCounted: (recordCount: number, filteredCount: number) => void
  /**
   * Damage that the CRC does not show, from `nextOffset` on and behind so many records: the error to be thrown, or null
   * to leave the rest of the batch out. `isFirst` unless it was met in an earlier walk.
   */
  readonly onDamage: (
    cause: StratalogError,
    nextOffset: number,
    walkedCount: number,
    isFirst: boolean,
  ) => StratalogError | null
}

/** See the file's header. */
export class ReplayBatch implements Iterable<LogRecord> {
  readonly topic: string
  readonly partition: number
  /** Term of the leader that wrote it. */
  readonly leaderEpoch: number
  /** Offset of the first place in the batch that is wanted. */
  readonly baseOffset: number
  /** Of the last one (inclusive). */
  readonly lastOffset: number
  /** The whole batch as stored, header included and compressed as it came. */
  readonly sizeBytes: number
  readonly codec: CompressionName
  readonly #parts: ReplayBatchParts
  #isCounted = false

  constructor(parts: ReplayBatchParts) {
    const { split, header, fromOffset } = parts
    this.topic = split.topic
    this.partition = split.partition
    this.leaderEpoch = header.leaderEpoch
    this.baseOffset = Math.max(header.baseOffset, fromOffset)
    this.lastOffset = Math.min(header.lastOffset, split.endOffset - 1)
    this.sizeBytes = header.sizeBytes
    this.codec = header.codec
    this.#parts = parts
  }

  /** The whole batch as it lies in the log, also the part outside of the split. */
  get bytes(): Buffer {
    const { bytes, position, header } = this.#parts
    return bytes.subarray(position, position + header.sizeBytes)
  }

  /** Calls `visit` with every record wanted: the fastest way. Errors: CORRUPT_MESSAGE naming place and file. */
  forEach(visit: (record: LogRecord) => void): void {
    const { header, filter } = this.#parts
    const { baseOffset, lastOffset } = this
    const isAll = filter === null && baseOffset === header.baseOffset && lastOffset === header.lastOffset
    let nextOffset = baseOffset
    let recordCount = 0
    let filteredCount = 0
    try {
      const reader = this.#open()
      for (let record = reader.next(); record !== null; record = reader.next()) {
        if (!isAll && (record.offset < baseOffset || record.offset > lastOffset)) continue
        nextOffset = record.offset
        if (filter === null || isWanted(record, filter)) {
          visit(record)
          recordCount++
        } else filteredCount++
        nextOffset++
      }
    } catch (error) {
      this.#onError(error, nextOffset, recordCount + filteredCount)
    }
    this.#count(recordCount, filteredCount)
  }

  /** A fresh walk over the records wanted. Errors while walking: as of `forEach`. */
  *[Symbol.iterator](): Generator<LogRecord, void, undefined> {
    const { filter } = this.#parts
    const { baseOffset, lastOffset } = this
    let nextOffset = baseOffset
    let recordCount = 0
    let filteredCount = 0
    try {
      const reader = this.#open()
      for (let record = reader.next(); record !== null; record = reader.next()) {
        if (record.offset < baseOffset || record.offset > lastOffset) continue
        nextOffset = record.offset
        if (filter === null || isWanted(record, filter)) {
          yield record
          recordCount++
        } else filteredCount++
        nextOffset++
      }
    } catch (error) {
      this.#onError(error, nextOffset, recordCount + filteredCount)
    }
    this.#count(recordCount, filteredCount)
  }

  #open(): RecordReader {
    return decodeBatchSync(this.#parts.bytes, this.#parts.position)
  }

  #count(recordCount: number, filteredCount: number): void {
    if (this.#isCounted) return
    this.#isCounted = true
    this.#parts.onCounted(recordCount, filteredCount)
  }

  /** Returns when the rest of the batch is to be left out, else throws: damage with its place, the rest as it is. */
  #onError(error: unknown, nextOffset: number, walkedCount: number): void {
    const isDamage = error instanceof CorruptMessageError || error instanceof UnsupportedCompressionError
    const told = isDamage ? this.#parts.onDamage(error, nextOffset, walkedCount, !this.#isCounted) : error
    if (told !== null) throw told
  }
}

/** Whether a record meets all of the filter. */
export function isWanted(record: LogRecord, filter: ReplayFilter): boolean {
  const { fromTimestampMs, toTimestampMs, where } = filter
  if (fromTimestampMs !== undefined && record.timestamp < fromTimestampMs) return false
  if (toTimestampMs !== undefined && record.timestamp >= toTimestampMs) return false
  return where === undefined || where(record)
}
