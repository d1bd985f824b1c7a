/**
 * Handing over a large state in pieces: what goes between a snapshot message and the transport.
 *
 * The sender cuts the state into chunks and keeps a few in flight; the receiver puts them together and says where to go on.
 * Chunks may be lost, repeated and reordered; either side may start over. Nothing here knows of Raft but the position and
 * term that name a snapshot.
 *
 * Invariant: a receiver holds at most one state, of at most `bytesMax`, and only the newest it was offered.
 */
import { isPosition, isTerm, type Position, type Term } from './ids.ts'
import { invariant } from './invariant.ts'

/** One piece of one state. */
export interface SnapshotChunk {
  /** Names the snapshot, together with `term`. */
  readonly position: Position
  readonly term: Term
  /** Where `bytes` belong, 0..totalBytes. */
  readonly offset: number
  readonly totalBytes: number
  readonly bytes: Uint8Array
}

/** What a receiver says to a chunk. `nextOffset` is what it has of the state so far: go on from there. */
export type ChunkResult =
  | { readonly kind: 'more'; readonly nextOffset: number }
  | { readonly kind: 'complete'; readonly data: Uint8Array }
  | {
      readonly kind: 'refused'
      readonly reason: 'malformed' | 'too-large' | 'older' | 'gap'
      readonly nextOffset: number
    }

/** Cuts a state into chunks, with a bounded number of them in flight. */
export class SnapshotSender {
  readonly #position: Position
  readonly #term: Term
  readonly #data: Uint8Array
  readonly #chunkBytes: number
  readonly #windowBytes: number
  #sent = 0
  #acknowledged = 0
  #started = false

  /** @param chunkBytes size of a chunk, >= 1. @param window chunks in flight, >= 1. */
  constructor(position: Position, term: Term, data: Uint8Array, chunkBytes: number, window = 4) {
    invariant(chunkBytes >= 1 && window >= 1, () => `chunks of ${chunkBytes} bytes, ${window} in flight`)
    this.#position = position
    this.#term = term
    this.#data = data
    this.#chunkBytes = chunkBytes
    this.#windowBytes = chunkBytes * window
  }

  /** The next chunk to send; null when the window is full or everything was sent. An empty state is one empty chunk. */
  next(): SnapshotChunk | null {
    const offset = this.#sent
    const end = Math.min(offset + this.#chunkBytes, this.#data.length, this.#acknowledged + this.#windowBytes)
    const empty = this.#data.length === 0 && !this.#started
    if (end <= offset && !empty) return null
    this.#started = true
    this.#sent = end
    const bytes = this.#data.subarray(offset, end)
    return { position: this.#position, term: this.#term, offset, totalBytes: this.#data.length, bytes }
  }

  /** The receiver has everything below `nextOffset`, perhaps from an earlier attempt. */
  acknowledge(nextOffset: number): void {
    if (!isPosition(nextOffset) || nextOffset <= this.#acknowledged || nextOffset > this.#data.length) return
    this.#acknowledged = nextOffset
    this.#sent = Math.max(this.#sent, nextOffset)
  }

  /**
   * Something was lost: sends again from where the receiver is. Not to be called for every `gap`: each chunk that has
   * overtaken another is answered with one. Once per `nextOffset` is enough, and again when nothing was heard for a while.
   */
  resumeAt(nextOffset: number): void {
    if (!isPosition(nextOffset) || nextOffset > this.#data.length) return
    this.#acknowledged = nextOffset
    this.#sent = nextOffset
    this.#started = false
  }
}

/** Puts chunks together. When nothing more comes of an unfinished state, make a new receiver: it is kept for ever. */
export class SnapshotReceiver {
  readonly #bytesMax: number
  #position: Position = 0
  #term: Term = 0
  #data: Uint8Array | null = null
  #received = 0

  /** @param bytesMax largest state to make room for. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Takes a chunk. The first one of a newer snapshot puts an unfinished older one aside. */
  accept(chunk: SnapshotChunk): ChunkResult {
    if (!wellFormed(chunk)) return this.#refuse('malformed')
    if (chunk.totalBytes > this.#bytesMax) return this.#refuse('too-large')
    if (this.#isOlder(chunk)) return this.#refuse('older')
    if (this.#data === null || chunk.position !== this.#position || chunk.term !== this.#term) {
      if (chunk.offset !== 0) return { kind: 'refused', reason: 'gap', nextOffset: 0 }
      this.#begin(chunk)
    }
    const data = this.#data
    if (data === null || data.length !== chunk.totalBytes) return this.#refuse('malformed')
    if (chunk.offset > this.#received) return this.#refuse('gap')
    data.set(chunk.bytes, chunk.offset)
    this.#received = Math.max(this.#received, chunk.offset + chunk.bytes.length)
    if (this.#received < data.length) return { kind: 'more', nextOffset: this.#received }
    this.#data = null
    this.#received = 0
    return { kind: 'complete', data }
  }

  #begin(chunk: SnapshotChunk): void {
    this.#position = chunk.position
    this.#term = chunk.term
    this.#data = new Uint8Array(chunk.totalBytes)
    this.#received = 0
  }

  #isOlder(chunk: SnapshotChunk): boolean {
    if (this.#data === null) return false
    return chunk.term < this.#term || (chunk.term === this.#term && chunk.position < this.#position)
  }

  #refuse(reason: Extract<ChunkResult, { kind: 'refused' }>['reason']): ChunkResult {
    return { kind: 'refused', reason, nextOffset: this.#received }
  }
}

function wellFormed(chunk: SnapshotChunk): boolean {
  return (
    isPosition(chunk.position) &&
    isTerm(chunk.term) &&
    isPosition(chunk.offset) &&
    isPosition(chunk.totalBytes) &&
    chunk.bytes instanceof Uint8Array &&
    chunk.offset + chunk.bytes.length <= chunk.totalBytes
  )
}
