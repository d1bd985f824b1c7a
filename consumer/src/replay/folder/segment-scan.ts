/**
 * Reads the batches of one segment file in large chunks, each checked before it is given out: the offsets follow one
 * another, the epoch does not go back and is the one that the checkpoint knows, the CRC matches.
 *
 * The next chunk is read while the last one is worked on. Memory: two chunks, or two batches where those are larger.
 */
import type { FileHandle } from 'node:fs/promises'
import { type BatchHeader, type BatchView, RECORD_BATCH_OVERHEAD_BYTES, verifyBatchCrc } from '@stratalog/proto/records'
import { headerIn } from './header-walk.ts'

/** What a scan gives out, in order. */
export type ScanStep =
  /** Sound, whole batches. */
  | {
      readonly kind: 'batches'
      readonly bytes: Buffer
      readonly batches: readonly BatchView[]
      readonly position: number
      readonly nextOffset: number
      /** Of the last of them. */
      readonly leaderEpoch: number
    }
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
  /** Epochs do not go back: the least that the first batch may have; null = epochs do not matter. */
  readonly leastEpoch: number | null
  /** The epoch that is known for an offset, or null. */
  readonly epochAt: (offset: number) => number | null
}

interface Place {
  position: number
  expectedOffset: number | null
  leastEpoch: number
}

/** Ends at `endOffset`, at the end of the file, or after damage. The file stays open, and no read of it is under way. */
export async function* scanSegment(file: FileHandle, options: ScanOptions): AsyncGenerator<ScanStep, void, undefined> {
  const { endOffset, chunkBytes } = options
  const place: Place = {
    position: options.position,
    expectedOffset: options.expectedOffset,
    leastEpoch: options.leastEpoch ?? 0,
  }
  let reading = readAt(file, place.position, chunkBytes)
  try {
    for (;;) {
      const { buffer, isFileEnd } = await reading
      const start = place.position
      const { batches, wholeBytes, neededBytes, fault } = takeBatches(buffer, isFileEnd, place, options)
      const isOver = fault !== null || neededBytes === 0 || (place.expectedOffset ?? 0) >= endOffset
      if (!isOver) reading = readAt(file, place.position, Math.max(chunkBytes, neededBytes))
      if (wholeBytes > 0) {
        const bytes = buffer.subarray(0, wholeBytes)
        const { leastEpoch: leaderEpoch, expectedOffset } = place
        yield { kind: 'batches', bytes, batches, position: start, nextOffset: expectedOffset!, leaderEpoch }
      }
      if (fault !== null) {
        const offset = place.expectedOffset ?? 0
        yield { kind: 'damage', position: place.position, offset, reason: fault }
      }
      if (isOver) return
    }
  } finally {
    await reading.catch(() => {})
  }
}

/** What was found in a buffer. `neededBytes` is 0 at the file's end, and where the wanted batches end. */
interface Taken {
  readonly batches: readonly BatchView[]
  readonly wholeBytes: number
  readonly neededBytes: number
  readonly fault: string | null
}

/** Moves `place` over the sound batches at the buffer's beginning. */
function takeBatches(buffer: Buffer, isFileEnd: boolean, place: Place, options: ScanOptions): Taken {
  const batches: BatchView[] = []
  let at = 0
  const stop = (neededBytes: number, fault: string | null = null): Taken => ({
    batches,
    wholeBytes: at,
    neededBytes,
    fault,
  })
  while (place.expectedOffset === null || place.expectedOffset < options.endOffset) {
    const restBytes = buffer.length - at
    if (restBytes === 0 && isFileEnd) return stop(0)
    if (restBytes < RECORD_BATCH_OVERHEAD_BYTES) {
      return isFileEnd ? stop(0, `the file ends after ${restBytes} bytes of it`) : stop(RECORD_BATCH_OVERHEAD_BYTES)
    }
    const header = headerIn(buffer, at)
    if (header === null) return stop(0, 'there is no batch header')
    // Before its size is believed, and memory is taken for it.
    const fault = placeFault(header, place, options)
    if (fault !== null) return stop(0, fault)
    const { sizeBytes } = header
    if (sizeBytes > restBytes) {
      return isFileEnd ? stop(0, `the file ends after ${restBytes} of its ${sizeBytes} bytes`) : stop(sizeBytes)
    }
    if (!verifyBatchCrc(buffer, at, sizeBytes)) return stop(0, 'its CRC does not match')
    batches.push({ position: at, header })
    at += sizeBytes
    place.position += sizeBytes
    place.expectedOffset = header.lastOffset + 1
    place.leastEpoch = header.leaderEpoch
  }
  return stop(0)
}

/** Why a batch with this header cannot be the next one, or null. Offset and epoch lie outside of the CRC. */
function placeFault({ baseOffset, leaderEpoch }: BatchHeader, place: Place, options: ScanOptions): string | null {
  const { expectedOffset, leastEpoch } = place
  if (expectedOffset !== null && baseOffset !== expectedOffset) {
    return `its base offset is ${baseOffset}, not ${expectedOffset}`
  }
  if (options.leastEpoch === null) return null
  const known = options.epochAt(baseOffset)
  if (known !== null && leaderEpoch !== known) return `its leader epoch is ${leaderEpoch}, not ${known}`
  return leaderEpoch < leastEpoch ? `its leader epoch is ${leaderEpoch}, after ${leastEpoch}` : null
}

/** A fresh buffer each time: what is read is given away. */
async function readAt(
  file: FileHandle,
  position: number,
  bytes: number,
): Promise<{ readonly buffer: Buffer; readonly isFileEnd: boolean }> {
  const buffer = Buffer.allocUnsafeSlow(bytes)
  let length = 0
  while (length < bytes) {
    const { bytesRead } = await file.read(buffer, length, bytes - length, position + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return { buffer: buffer.subarray(0, length), isFileEnd: length < bytes }
}
