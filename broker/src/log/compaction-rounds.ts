/**
 * The work of a round of compaction on bytes: which record is the last one of its key, and the batches without the others.
 *
 * ```
 *  1. map      every batch of the dirty part: key -> last offset, until the map is full
 *  2. thin     every batch from the log's start to there: a record goes if the map has a later one of its key
 * ```
 * Every batch is checked as a reader checks it before it is looked into, so that damage is met and not written anew. A
 * record without a key stays, and so does a batch whose records cannot be read: neither is replaced by anything.
 * No I/O. Runs in a thread of its own in production (compaction-thread.ts), on the calling one in simulations.
 */
import { isStratalogError } from '@stratalog/proto'
import {
  baseOffsetOf,
  decodeBatchSync,
  isControl,
  lastOffsetOf,
  leaderEpochOf,
  sizeOf,
  thinBatch,
} from '@stratalog/proto/records'
import { batchFault } from './batch-scan.ts'
import { KEY_BYTES, KeyMap } from './compaction-key-map.ts'

/** Whole batches that follow one another. */
export interface CompactionChunk {
  readonly bytes: Buffer
  /** Of the first one. */
  readonly baseOffset: number
  /** Of the batch before, at least; 0 if unknown. */
  readonly leastEpoch: number
}

/** A round begins. */
export interface RoundStart {
  /** Offsets of the part to be mapped, at most as many as its keys. */
  readonly offsetCount: number
  /** For the map; a batch that alone has more keys gets what it needs. */
  readonly mapBytesMax: number
}

/** How far a chunk went into the map. */
export interface MappedChunk {
  /** End (exclusive) of what is in the map. */
  readonly mappedEnd: number
  readonly isFull: boolean
}

/** What to take out of a chunk. */
export interface ThinRequest extends CompactionChunk {
  /** Batches from here on are left alone. */
  readonly end: number
  /** Tombstones below it go, though nothing later has their key; 0 = none. */
  readonly tombstonesEnd: number
}

/** A chunk without what was replaced. */
export interface ThinnedChunk {
  /** Null when nothing was to be taken out. */
  readonly bytes: Buffer | null
  readonly removedCount: number
  /** That stay. */
  readonly tombstoneCount: number
  /** One past the last tombstone that nothing later had replaced and that went; 0 if none did. */
  readonly removedTombstonesEnd: number
}

/** A batch is not what it was when it was written. */
export class ChunkFault extends Error {
  override readonly name = 'ChunkFault'
  readonly offset: number
  /** In the chunk, bytes. */
  readonly at: number
  readonly reason: string

  constructor(offset: number, at: number, reason: string) {
    super(`the batch at offset ${offset} is damaged: ${reason}`)
    this.offset = offset
    this.at = at
    this.reason = reason
  }
}

/** Who does the work of rounds, one after another. Every method rejects with {@link ChunkFault} for damage. */
export interface CompactionEngine {
  begin(start: RoundStart): Promise<void>
  map(chunk: CompactionChunk): Promise<MappedChunk>
  thin(request: ThinRequest): Promise<ThinnedChunk>
  /** Lets go of the map. */
  end(): Promise<void>
}

/** See the file's header. */
export class CompactionRounds {
  #map: KeyMap | null = null

  begin({ offsetCount, mapBytesMax }: RoundStart): void {
    this.#map = new KeyMap(Math.min(offsetCount, Math.floor(mapBytesMax / KEY_BYTES)))
  }

  map(chunk: CompactionChunk): MappedChunk {
    let mappedEnd = chunk.baseOffset
    for (const at of soundBatches(chunk)) {
      const keyed = isControl(chunk.bytes, at) ? [] : keyedRecords(chunk.bytes, at)
      if (!this.#hasRoomFor(keyed.length)) return { mappedEnd, isFull: true }
      for (const { key, offset } of keyed) this.#map!.put(key, offset)
      mappedEnd = lastOffsetOf(chunk.bytes, at) + 1
    }
    return { mappedEnd, isFull: false }
  }

  thin(request: ThinRequest): ThinnedChunk {
    const tally = { removedCount: 0, tombstoneCount: 0, removedTombstonesEnd: 0 }
    const parts: Buffer[] = []
    let keptFrom = 0
    for (const at of soundBatches(request)) {
      const { bytes } = request
      if (baseOffsetOf(bytes, at) >= request.end) break
      const thinned = isControl(bytes, at) ? null : this.#thinBatch(request, at, tally)
      if (thinned === null) continue
      parts.push(bytes.subarray(keptFrom, at), thinned)
      keptFrom = at + sizeOf(bytes, at)
    }
    if (parts.length === 0) return { bytes: null, ...tally }
    parts.push(request.bytes.subarray(keptFrom))
    return { bytes: Buffer.concat(parts), ...tally }
  }

  end(): void {
    this.#map = null
  }

  /** Whether so many keys fit; an empty map is made larger for what alone does not. */
  #hasRoomFor(keyCount: number): boolean {
    const map = this.#map!
    if (map.keyCount + keyCount <= map.keyCountMax) return true
    if (map.keyCount > 0) return false
    this.#map = new KeyMap(keyCount)
    return true
  }

  #thinBatch(
    { bytes, tombstonesEnd }: ThinRequest,
    at: number,
    tally: { removedCount: number; tombstoneCount: number; removedTombstonesEnd: number },
  ): Buffer | null {
    const map = this.#map!
    let removedCount = 0
    let tombstoneCount = 0
    let removedTombstonesEnd = 0
    const thinned = unlessUnreadable(() =>
      thinBatch(
        bytes,
        at,
        (record) => {
          const { key, isTombstone, offset } = record
          const isReplaced = key !== null && map.get(key) > offset
          const isOver = key !== null && isTombstone && offset < tombstonesEnd
          if (!isReplaced && isOver) removedTombstonesEnd = offset + 1
          if (isReplaced || isOver) removedCount++
          else if (key !== null && isTombstone) tombstoneCount++
          return !isReplaced && !isOver
        },
        { hasRemovedTombstones: () => removedTombstonesEnd > 0 },
      ),
    )
    if (thinned === UNREADABLE) return null
    tally.removedCount += removedCount
    tally.tombstoneCount += tombstoneCount
    tally.removedTombstonesEnd = Math.max(tally.removedTombstonesEnd, removedTombstonesEnd)
    return thinned
  }
}

const UNREADABLE = Symbol('a batch whose records cannot be read')

/** Where each batch of the chunk begins, once it was found to be sound. */
function* soundBatches({ bytes, baseOffset, leastEpoch }: CompactionChunk): Generator<number, void, undefined> {
  let expected = baseOffset
  let epoch = leastEpoch
  for (let at = 0; at < bytes.length; at += sizeOf(bytes, at)) {
    const fault = batchFault(bytes, at, sizeOf(bytes, at), expected, epoch)
    if (fault !== null) throw new ChunkFault(expected, at, fault)
    yield at
    expected = lastOffsetOf(bytes, at) + 1
    epoch = leaderEpochOf(bytes, at)
  }
}

/** The records of a batch that have a key; none of a batch that breaks off somewhere, which keeps all that it has. */
function keyedRecords(bytes: Buffer, at: number): readonly { readonly key: Buffer; readonly offset: number }[] {
  const records = unlessUnreadable(() => {
    const found: { key: Buffer; offset: number }[] = []
    decodeBatchSync(bytes, at).forEach(({ key, offset }) => {
      if (key !== null) found.push({ key, offset })
    })
    return found
  })
  return records === UNREADABLE ? [] : records
}

/** The codec's complaints mean that a producer has sealed bytes that are no records; others are no business of ours. */
function unlessUnreadable<T>(decode: () => T): T | typeof UNREADABLE {
  try {
    return decode()
  } catch (error) {
    if (isStratalogError(error)) return UNREADABLE
    throw error
  }
}

/** The engine on the calling thread: for simulations and tests, which must not wait for another. */
export class InlineCompactionEngine implements CompactionEngine {
  readonly #rounds = new CompactionRounds()

  async begin(start: RoundStart): Promise<void> {
    this.#rounds.begin(start)
  }

  async map(chunk: CompactionChunk): Promise<MappedChunk> {
    return this.#rounds.map(chunk)
  }

  async thin(request: ThinRequest): Promise<ThinnedChunk> {
    return this.#rounds.thin(request)
  }

  async end(): Promise<void> {
    this.#rounds.end()
  }
}
