/**
 * Which leader epoch (Raft term) wrote which offsets, and its checkpoint in Kafka's text form.
 *
 * An entry says that batches from `startOffset` on carry `epoch`, up to the next entry's start. It answers Raft's
 * previous-term checks and the search for divergence without reading the log. The entry that covers the offset just
 * below the log's start is kept, for a follower that begins there.
 *
 * Invariant: epochs and start offsets grow strictly from entry to entry. Owner: the log's writer loop.
 * Source: Kafka LeaderEpochFileCache, LeaderEpochCheckpointFile.
 */
import { invariant, type LeaderEpoch, type Offset, toLeaderEpoch, toOffset } from '@stratalog/proto'

/** Batches from `startOffset` (inclusive) on were written by the leader of `epoch`. */
export interface EpochEntry {
  readonly epoch: LeaderEpoch
  readonly startOffset: Offset
}

/** See the file's header. Size: one entry per epoch that wrote something and is still in the log. */
export class LeaderEpochCache {
  readonly #entries: EpochEntry[]
  #version = 0

  constructor(entries: readonly EpochEntry[] = []) {
    this.#entries = []
    for (const entry of entries) this.assign(entry.epoch, entry.startOffset)
  }

  /** Oldest first. */
  get entries(): readonly EpochEntry[] {
    return this.#entries
  }

  /** Changes with every change of the entries. */
  get version(): number {
    return this.#version
  }

  /** The newest epoch, 0 when there is none. */
  get latestEpoch(): LeaderEpoch {
    return this.#entries.at(-1)?.epoch ?? toLeaderEpoch(0)
  }

  /** Notes that the batch at `startOffset` carries `epoch`. The epoch must not be older than the latest. */
  assign(epoch: LeaderEpoch, startOffset: Offset): void {
    const last = this.#entries.at(-1)
    if (last !== undefined && epoch === last.epoch) return
    if (last !== undefined) {
      invariant(epoch > last.epoch, () => `epoch ${epoch} at offset ${startOffset} follows epoch ${last.epoch}`)
      invariant(startOffset > last.startOffset, () => `epoch ${epoch} starts at ${startOffset}, before its predecessor`)
    }
    this.#entries.push({ epoch, startOffset })
    this.#version++
  }

  /** The epoch of the batch that holds `offset`; 0 below all entries. For offsets below the log's end. */
  epochAt(offset: number): LeaderEpoch {
    const entry = this.#entries[this.#indexAt(offset)]
    return entry === undefined ? toLeaderEpoch(0) : entry.epoch
  }

  /** Where the epoch that holds `offset` began, or null below all entries. */
  startOffsetAt(offset: number): Offset | null {
    return this.#entries[this.#indexAt(offset)]?.startOffset ?? null
  }

  /**
   * The largest known epoch that is at most `epoch`, and the end (exclusive) of its batches.
   *
   * @param logEndOffset end of the newest epoch.
   * @returns null when every known epoch is newer. Source: Kafka OffsetsForLeaderEpoch.
   */
  endOffsetFor(epoch: number, logEndOffset: Offset): { epoch: LeaderEpoch; endOffset: Offset } | null {
    const after = this.#entries.findIndex((entry) => entry.epoch > epoch)
    const index = (after === -1 ? this.#entries.length : after) - 1
    const entry = this.#entries[index]
    if (entry === undefined) return null
    return { epoch: entry.epoch, endOffset: this.#entries[index + 1]?.startOffset ?? logEndOffset }
  }

  /** Forgets epochs that begin at or after `endOffset`: the log was cut there. */
  truncateTo(endOffset: Offset): void {
    while (this.#entries.length > 0 && this.#entries.at(-1)!.startOffset >= endOffset) {
      this.#entries.pop()
      this.#version++
    }
  }

  /** Forgets epochs that ended before the offset just below `logStartOffset`. */
  dropBelow(logStartOffset: Offset): void {
    const keepFrom = this.#indexAt(logStartOffset - 1)
    if (keepFrom <= 0) return
    this.#entries.splice(0, keepFrom)
    this.#version++
  }

  /** Replaces all entries: the log begins anew after the last offset of `epoch`. */
  reset(entries: readonly EpochEntry[]): void {
    this.#entries.length = 0
    for (const entry of entries) this.assign(entry.epoch, entry.startOffset)
    this.#version++
  }

  /** Index of the entry that covers `offset`, -1 if none. */
  #indexAt(offset: number): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#entries[middle]!.startOffset <= offset) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

/** The text of Kafka's `leader-epoch-checkpoint`: version 0, the count, and a line `epoch startOffset` each. */
export function encodeEpochCheckpoint(entries: readonly EpochEntry[]): Buffer {
  const lines = entries.map((entry) => `${entry.epoch} ${entry.startOffset}`)
  return Buffer.from(`${['0', String(entries.length), ...lines].join('\n')}\n`)
}

/** Parses {@link encodeEpochCheckpoint}'s text; null when it is not well-formed. */
export function decodeEpochCheckpoint(bytes: Buffer): EpochEntry[] | null {
  const [version, count, ...lines] = bytes.toString('latin1').trimEnd().split('\n')
  if (version !== '0' || Number(count) !== lines.length) return null
  const entries: EpochEntry[] = []
  for (const line of lines) {
    const match = /^(\d{1,10}) (\d{1,16})$/.exec(line)
    if (match === null || Number(match[1]) > 0x7fff_ffff || !Number.isSafeInteger(Number(match[2]))) return null
    const entry = { epoch: toLeaderEpoch(Number(match[1])), startOffset: toOffset(Number(match[2])) }
    const last = entries.at(-1)
    if (last !== undefined && (entry.epoch <= last.epoch || entry.startOffset <= last.startOffset)) return null
    entries.push(entry)
  }
  return entries
}
