/**
 * From a timestamp to an offset: Kafka's `.timeindex` file.
 *
 * Entry, 12 bytes big endian: the largest timestamp of the segment so far (int64), and the lastOffset, relative to
 * the segment's base offset, of the first batch that had it (int32). Both grow from entry to entry, so every record
 * before the batch of an entry has a smaller timestamp. The last entry of a sealed segment holds its largest timestamp.
 * Source: Kafka TimeIndex.
 */
import { IndexFile } from './index-file.ts'
import type { OpenFileCache } from './open-file-cache.ts'

/** Bytes of a `.timeindex` entry. */
export const TIME_INDEX_ENTRY_BYTES = 12
const TWO_32 = 0x1_0000_0000

/** An entry: the batch that ends at `lastOffset` is the first whose largest timestamp is `timestamp` (ms). */
export interface TimeIndexEntry {
  readonly timestamp: number
  readonly lastOffset: number
}

/** Reads the entry at a byte position of a `.timeindex` file. */
export function readTimeIndexEntry(bytes: Buffer, position: number, baseOffset: number): TimeIndexEntry {
  return { timestamp: timestampAt(bytes, position), lastOffset: baseOffset + bytes.readInt32BE(position + 8) }
}

// A damaged entry may hold a number beyond 2^53: its rounding does no harm, as entries are checked against the log.
function timestampAt(bytes: Buffer, position: number): number {
  return bytes.readInt32BE(position) * TWO_32 + bytes.readUInt32BE(position + 4)
}

/** One segment's time index. */
export class TimeIndex {
  readonly file: IndexFile
  readonly #baseOffset: number
  /** Timestamp of the last entry; entries below it are refused. */
  #lastTimestamp: number

  /**
   * @param persistedCount see {@link IndexFile}.
   * @param lastTimestamp timestamp of the last persisted entry, -1 for none; it matters to a writer only.
   */
  constructor(
    path: string,
    baseOffset: number,
    openFiles: OpenFileCache,
    persistedCount: number | null,
    lastTimestamp: number,
  ) {
    this.#baseOffset = baseOffset
    this.#lastTimestamp = lastTimestamp
    this.file = new IndexFile(path, TIME_INDEX_ENTRY_BYTES, timestampAt, openFiles, persistedCount)
  }

  /** Adds an entry if `timestamp` is above the last one's. */
  maybeAppend(timestamp: number, lastOffset: number): boolean {
    if (timestamp <= this.#lastTimestamp) return false
    const entry = this.file.push()
    entry.bytes.writeInt32BE(Math.floor(timestamp / TWO_32), entry.position)
    entry.bytes.writeUInt32BE(timestamp % TWO_32, entry.position + 4)
    entry.bytes.writeInt32BE(lastOffset - this.#baseOffset, entry.position + 8)
    this.#lastTimestamp = timestamp
    return true
  }

  /** The last entry with timestamp <= `timestamp`, or null. */
  async floor(timestamp: number): Promise<TimeIndexEntry | null> {
    const entry = await this.file.floor(timestamp)
    return entry === null ? null : readTimeIndexEntry(entry.bytes, entry.position, this.#baseOffset)
  }

  /** The entry with the largest timestamp, or null. */
  last(): Promise<TimeIndexEntry | null> {
    return this.floor(Number.POSITIVE_INFINITY)
  }

  /** Drops the entries of batches that end at or after `endOffset`. */
  async truncateTo(endOffset: number): Promise<void> {
    for (let last = await this.last(); last !== null && last.lastOffset >= endOffset; last = await this.last()) {
      await this.file.truncateToKey(last.timestamp)
    }
    this.#lastTimestamp = (await this.last())?.timestamp ?? -1
  }
}
