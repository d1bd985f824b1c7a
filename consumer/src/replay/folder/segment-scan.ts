/**
 * Reads the batches of one segment file in large chunks, each checked before it is given out: the offsets follow one
 * another, the epoch does not go back and is the one that the checkpoint knows, the CRC matches.
 *
 * The next chunk is read while the last one is worked on. Memory: two chunks, or two batches where those are larger.
 */
import type { FileHandle } from 'node:fs/promises'
import { RECORD_BATCH_OVERHEAD_BYTES, verifyBatchCrc } from '@stratalog/proto/records'
import { headerIn } from './header-walk.ts'

/** What a scan gives out, in order. */
export type ScanStep =
  /** Sound, whole batches. */
  | { readonly kind: 'batches'; readonly bytes: Buffer; readonly position: number; readonly nextOffset: number }
  /** What is at `position` is not the batch of `offset`. The scan goes on only from where it is told to. */
  | { readonly kind: 'damage'; readonly position: number; readonly offset: number; readonly reason: string }

/** Where a scan begins and what it expects. */
export interface ScanOptions {
  readonly position: number
  /** Of the batch at `position`; null when the first header says it. */
  readonly expectedOffset: number | null
  /** Batches that begin here or later are not wanted. */
  readonly endOffset: number
  readonly chunkBytes: number
  /** The epoch that is known for an offset, or null. */
  readonly epochAt: (offset: number) => number | null
}

interface Place {
  position: number
  expectedOffset: number | null
  leastEpoch: number
}

/** Ends at `endOffset`, at the end of the file, or after damage. The file stays open. */
export async function* scanSegment(file: FileHandle, options: ScanOptions): AsyncGenerator<ScanStep, void, undefined> {
  const { endOffset, chunkBytes } = options
  const place: Place = { position: options.position, expectedOffset: options.expectedOffset, leastEpoch: 0 }
  let reading = readAt(file, place.position, chunkBytes)
  try {
    for (;;) {
      const buffer = await reading
      const isLast = buffer.length < RECORD_BATCH_OVERHEAD_BYTES
      if (isLast && buffer.length === 0) return
      const base = place.position
      const found = takeBatches(buffer, place, options)
      const isDone = found.fault !== null || (place.expectedOffset ?? 0) >= endOffset
      // A batch that is larger than what was read is read again alone.
      const wanted = found.neededBytes > buffer.length ? found.neededBytes : chunkBytes
      const isCutShort = found.wholeBytes === 0 && wanted <= buffer.length
      if (!isDone && !isCutShort) reading = readAt(file, place.position, wanted)
      if (found.wholeBytes > 0) {
        const bytes = buffer.subarray(0, found.wholeBytes)
        yield { kind: 'batches', bytes, position: base, nextOffset: place.expectedOffset! }
      }
      if (found.fault !== null) yield damageAt(place, options, found.fault)
      if (isDone) return
    }
  } finally {
    // The handle is closed by its owner, who must not do that under a read.
    await reading.catch(() => {})
  }
}
