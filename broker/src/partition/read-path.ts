/**
 * What readers are given of a partition: whole committed batches of data, never the seams between leaders.
 *
 * Control batches are left out, so an answer is the stretch of data batches up to the next one; `nextOffset` is past
 * control batches on both sides, so that a reader at the visible end gets by them without seeing anything.
 */
import { type Offset, toOffset } from '@stratalog/proto'
import { isControl, lastOffsetOf, sizeOf } from '@stratalog/proto/records'
import type { PartitionLog } from '../log/partition-log.ts'

/** What a read found. */
export class PartitionRead {
  /** Whole data batches in order, one or more in each chunk; none when nothing more is committed. Not to be changed. */
  readonly chunks: readonly Buffer[]
  readonly sizeBytes: number
  /** Where the reader stands after them, control batches and gaps included. */
  readonly nextOffset: number

  constructor(chunks: readonly Buffer[], nextOffset: number) {
    this.chunks = chunks
    this.nextOffset = nextOffset
    this.sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  /** The batches in one buffer, copied unless they are in one chunk; null when there are none. */
  get bytes(): Buffer | null {
    if (this.chunks.length === 0) return null
    return this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks)
  }
}

/**
 * Data batches from the one that holds `from` on, at most `maxBytes` but at least one if there is any below `endOffset`.
 *
 * Errors: those of PartitionLog.read.
 */
export async function readData(
  log: PartitionLog,
  from: Offset,
  endOffset: Offset,
  maxBytes: number,
): Promise<PartitionRead> {
  let next = from
  for (;;) {
    const { chunks, nextOffset } = await log.read(next, endOffset, maxBytes)
    if (chunks.length === 0) return new PartitionRead([], nextOffset)
    const stretch = firstDataStretch(chunks)
    if (stretch.chunks.length > 0) return stretch
    // Nothing but control batches so far.
    next = toOffset(stretch.nextOffset)
  }
}

/** The data batches before, between or after control batches, whichever come first, and where they and what surrounds them end. */
function firstDataStretch(chunks: readonly Buffer[]): PartitionRead {
  const stretch: Buffer[] = []
  let ended = false
  let nextOffset = 0
  for (const chunk of chunks) {
    let dataStart = -1
    for (let at = 0; at < chunk.length; at += sizeOf(chunk, at)) {
      if (isControl(chunk, at)) {
        if (dataStart !== -1) stretch.push(chunk.subarray(dataStart, at))
        dataStart = -1
        ended = stretch.length > 0
      } else {
        if (ended) return new PartitionRead(stretch, nextOffset)
        if (dataStart === -1) dataStart = at
      }
      nextOffset = lastOffsetOf(chunk, at) + 1
    }
    if (dataStart !== -1) stretch.push(dataStart === 0 ? chunk : chunk.subarray(dataStart))
  }
  return new PartitionRead(stretch, nextOffset)
}
