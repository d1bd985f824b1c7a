/**
 * From an offset to a byte position in a segment: Kafka's `.index` file.
 *
 * Entry, 8 bytes big endian: lastOffset of a batch relative to the segment's base offset (int32), position of that
 * batch's first byte (int32). About one entry per `indexIntervalBytes` of log. Source: Kafka OffsetIndex.
 */
import { invariant } from '@stratalog/proto'
import { IndexFile } from './index-file.ts'
import type { OpenFileCache } from './open-file-cache.ts'

/** Bytes of an `.index` entry. */
export const OFFSET_INDEX_ENTRY_BYTES = 8
const INT32_MAX = 0x7fff_ffff

/** An entry: the batch that ends at `lastOffset` (inclusive) begins at byte `position`. */
export interface OffsetIndexEntry {
  readonly lastOffset: number
  readonly position: number
}

/** Reads the entry at a byte position of an `.index` file. */
export function readOffsetIndexEntry(bytes: Buffer, position: number, baseOffset: number): OffsetIndexEntry {
  return { lastOffset: baseOffset + bytes.readInt32BE(position), position: bytes.readInt32BE(position + 4) }
}

function positionOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 4)
}

/** One segment's offset index. */
export class OffsetIndex {
  readonly file: IndexFile
  readonly #baseOffset: number

  /** @param persistedCount see {@link IndexFile}. */
  constructor(path: string, baseOffset: number, openFiles: OpenFileCache, persistedCount: number | null) {
    this.#baseOffset = baseOffset
    const keyOf = (bytes: Buffer, at: number): number => bytes.readInt32BE(at)
    this.file = new IndexFile(path, OFFSET_INDEX_ENTRY_BYTES, keyOf, openFiles, persistedCount)
  }

  /** Whether an offset or position fits an entry; a segment rolls before it does not. */
  static fits(baseOffset: number, lastOffset: number, position: number): boolean {
    return lastOffset - baseOffset <= INT32_MAX && position <= INT32_MAX
  }

  /** Adds an entry; both values must be greater than the last entry's. */
  append(lastOffset: number, position: number): void {
    invariant(OffsetIndex.fits(this.#baseOffset, lastOffset, position), 'index entry out of range')
    const entry = this.file.push()
    entry.bytes.writeInt32BE(lastOffset - this.#baseOffset, entry.position)
    entry.bytes.writeInt32BE(position, entry.position + 4)
  }

  /** The last entry with lastOffset <= `offset`, or null when `offset` lies before the first. */
  async floor(offset: number): Promise<OffsetIndexEntry | null> {
    const entry = await this.file.floor(offset - this.#baseOffset)
    return entry === null ? null : readOffsetIndexEntry(entry.bytes, entry.position, this.#baseOffset)
  }

  /** The first entry whose batch begins at byte `position` or later, or null. */
  async fromPosition(position: number): Promise<OffsetIndexEntry | null> {
    const entry = await this.file.ceiling(position, positionOf)
    return entry === null ? null : readOffsetIndexEntry(entry.bytes, entry.position, this.#baseOffset)
  }

  /** Drops entries of batches that end at or after `endOffset`. */
  truncateTo(endOffset: number): Promise<void> {
    return this.file.truncateToKey(endOffset - this.#baseOffset)
  }
}
