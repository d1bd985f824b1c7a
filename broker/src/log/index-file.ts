/**
 * A sparse index: fixed-size entries in a file, the newest ones in memory only.
 *
 * ```
 *  file   [ entry 0 | entry 1 | ... | entry persisted-1 ]      read through the IndexCache
 *  memory                                                 [ tail entries ]
 * ```
 * Entries reach the file at checkpoints and when the segment is sealed, so an append costs no I/O, memory holds at
 * most one checkpoint interval's entries, and a file never has a preallocated tail of zeros. Entries in the file past
 * the persisted count are not trusted: they are cut at the next persist.
 *
 * Invariant: keys grow from entry to entry. Owner: the log's writer loop appends; readers may look up beside it.
 */
import { invariant } from '@stratalog/proto'
import type { OpenFileCache } from './open-file-cache.ts'

const TAIL_ENTRIES_MIN = 16

/** Reads an entry's key, by which entries are ordered. */
export type EntryKey = (bytes: Buffer, position: number) => number

/** Where an entry lies: valid until the next change of the index. */
export interface EntryView {
  readonly bytes: Buffer
  readonly position: number
}

/** The store below {@link OffsetIndex} and {@link TimeIndex}. */
export class IndexFile {
  readonly path: string
  readonly #entryBytes: number
  readonly #keyOf: EntryKey
  readonly #openFiles: OpenFileCache
  /** Trusted entries in the file; null while unknown: then all that are there. */
  #persistedCount: number | null
  #tail: Buffer
  #tailCount = 0

  /** @param persistedCount trusted entries in the file, or null to trust the whole file (a sealed segment). */
  constructor(
    path: string,
    entryBytes: number,
    keyOf: EntryKey,
    openFiles: OpenFileCache,
    persistedCount: number | null,
  ) {
    this.path = path
    this.#entryBytes = entryBytes
    this.#keyOf = keyOf
    this.#openFiles = openFiles
    this.#persistedCount = persistedCount
    this.#tail = Buffer.alloc(0)
  }

  /** Entries that {@link persist} has made durable; null for a sealed segment's until {@link settle}. */
  get persistedCount(): number | null {
    return this.#persistedCount
  }

  /** Bytes of the file that are trusted; null while {@link persistedCount} is. */
  get persistedBytes(): number | null {
    return this.#persistedCount === null ? null : this.#persistedCount * this.#entryBytes
  }

  /** Room for one more entry at the end; the caller fills it before anything else happens. */
  push(): EntryView {
    const position = this.#tailCount * this.#entryBytes
    if (position === this.#tail.length) {
      const larger = Buffer.alloc(Math.max(TAIL_ENTRIES_MIN * this.#entryBytes, this.#tail.length * 2))
      this.#tail.copy(larger)
      this.#tail = larger
    }
    this.#tailCount++
    return { bytes: this.#tail, position }
  }

  /** The last entry whose key is at most `target`, or null. */
  async floor(target: number): Promise<EntryView | null> {
    if (this.#tailCount > 0 && this.#keyOf(this.#tail, 0) <= target) {
      return this.#search(this.#tail, this.#tailCount, target)
    }
    const bytes = await this.#persistedBytes()
    return this.#search(bytes, bytes.length / this.#entryBytes, target)
  }

  /**
   * The first entry whose value is at least `target`, or null.
   *
   * @param fieldOf another field of the entries, which grows with them as the key does.
   */
  async ceiling(target: number, fieldOf: EntryKey): Promise<EntryView | null> {
    const persisted = await this.#persistedBytes()
    return (
      firstFrom(persisted, persisted.length / this.#entryBytes, this.#entryBytes, target, fieldOf) ??
      firstFrom(this.#tail, this.#tailCount, this.#entryBytes, target, fieldOf)
    )
  }

  /** The last entry, or null. */
  last(): Promise<EntryView | null> {
    return this.floor(Number.POSITIVE_INFINITY)
  }

  /** All entries, as a copy. */
  async allBytes(): Promise<Buffer> {
    const tail = Buffer.from(this.#tail.subarray(0, this.#tailCount * this.#entryBytes))
    return Buffer.concat([await this.#persistedBytes(), tail])
  }

  /** Writes the tail to the file, cuts what lies behind it, and syncs. Safe to repeat after an error. */
  async persist(): Promise<void> {
    const persistedBytes = (await this.settle()) * this.#entryBytes
    const tailBytes = this.#tailCount * this.#entryBytes
    const lease = await this.#openFiles.acquire(this.path, { create: true })
    try {
      if (tailBytes > 0) await lease.file.write([this.#tail.subarray(0, tailBytes)], persistedBytes)
      await lease.file.truncate(persistedBytes + tailBytes)
      await lease.file.datasync()
    } finally {
      lease.release()
    }
    this.#persistedCount = (persistedBytes + tailBytes) / this.#entryBytes
    this.#tail = Buffer.alloc(0)
    this.#tailCount = 0
    this.#openFiles.indexes.forget(this.path)
  }

  /** Drops the entries whose key is `end` or more. In the file they stay until the next {@link persist}. */
  async truncateToKey(end: number): Promise<void> {
    let tailCount = this.#tailCount
    while (tailCount > 0 && this.#keyOf(this.#tail, (tailCount - 1) * this.#entryBytes) >= end) tailCount--
    if (tailCount === 0) {
      const bytes = await this.#persistedBytes()
      let count = bytes.length / this.#entryBytes
      while (count > 0 && this.#keyOf(bytes, (count - 1) * this.#entryBytes) >= end) count--
      this.#persistedCount = count
    }
    this.#tailCount = tailCount
  }

  /** Learns how many entries the file holds, where that was not known, and returns the count. */
  async settle(): Promise<number> {
    this.#persistedCount ??= (await this.#persistedBytes()).length / this.#entryBytes
    return this.#persistedCount
  }

  /** Closes and forgets the files, which the caller removes. */
  forget(): void {
    this.#openFiles.forget(this.path)
    this.#openFiles.indexes.forget(this.path)
  }

  /** Replaces the whole file by entries that were computed from the log. */
  async replace(entries: Buffer): Promise<void> {
    invariant(entries.length % this.#entryBytes === 0, 'index entries are cut')
    const lease = await this.#openFiles.acquire(this.path, { create: true })
    try {
      await lease.file.write([entries], 0)
      await lease.file.truncate(entries.length)
      await lease.file.datasync()
    } finally {
      lease.release()
    }
    this.#persistedCount = entries.length / this.#entryBytes
    this.#tailCount = 0
    this.#openFiles.indexes.forget(this.path)
  }

  async #persistedBytes(): Promise<Buffer> {
    if (this.#persistedCount === 0) return Buffer.alloc(0)
    const wanted = this.#persistedCount === null ? null : this.#persistedCount * this.#entryBytes
    let bytes = await this.#openFiles.indexes.load(this.path)
    if (wanted !== null && bytes.length < wanted) {
      // Loaded before the last persist: look again.
      this.#openFiles.indexes.forget(this.path)
      bytes = await this.#openFiles.indexes.load(this.path)
    }
    const whole = bytes.length - (bytes.length % this.#entryBytes)
    return bytes.subarray(0, wanted === null ? whole : Math.min(whole, wanted))
  }

  #search(bytes: Buffer, count: number, target: number): EntryView | null {
    let low = 0
    let high = count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#keyOf(bytes, middle * this.#entryBytes) <= target) low = middle + 1
      else high = middle
    }
    return low === 0 ? null : { bytes, position: (low - 1) * this.#entryBytes }
  }
}

/** The first of `count` entries whose value is at least `target`, or null. */
function firstFrom(
  bytes: Buffer,
  count: number,
  entryBytes: number,
  target: number,
  fieldOf: EntryKey,
): EntryView | null {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (fieldOf(bytes, middle * entryBytes) < target) low = middle + 1
    else high = middle
  }
  return low === count ? null : { bytes, position: low * entryBytes }
}
