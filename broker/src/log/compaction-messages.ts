/** What the broker's thread and the compaction's thread tell each other: one request at a time, one answer to each. */
import type { MappedChunk, RoundStart, ThinnedChunk } from './compaction-rounds.ts'

/** A chunk on its way: its memory passes to the receiver. */
export interface SentChunk {
  readonly bytes: Uint8Array
  readonly baseOffset: number
  readonly leastEpoch: number
}

/** What is asked of the thread. */
export type CompactionRequest =
  | { readonly kind: 'begin'; readonly start: RoundStart }
  | { readonly kind: 'map'; readonly chunk: SentChunk }
  | { readonly kind: 'thin'; readonly chunk: SentChunk; readonly end: number; readonly tombstonesEnd: number }
  | { readonly kind: 'end' }

/** What it answers: in the order of the requests. */
export type CompactionReply =
  | { readonly kind: 'done' }
  | { readonly kind: 'mapped'; readonly mapped: MappedChunk }
  | { readonly kind: 'thinned'; readonly thinned: Omit<ThinnedChunk, 'bytes'>; readonly bytes: Uint8Array | null }
  | { readonly kind: 'fault'; readonly offset: number; readonly at: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly message: string }
