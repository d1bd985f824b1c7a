/** How often each record was processed, and which were written. Two bytes a record, of offsets up to the highest met. */
import { invariant } from '@stratalog/proto'

const OFFSET_MAX = 2 ** 28
const COUNT_MAX = 255
const CAPACITY_MIN = 1024

class PartitionCounts {
  written = new Uint8Array(CAPACITY_MIN)
  processed = new Uint8Array(CAPACITY_MIN)

  reach(offset: number): void {
    invariant(offset >= 0 && offset < OFFSET_MAX, () => `offset ${offset} is beyond what a run writes`)
    if (offset < this.written.length) return
    const capacity = Math.max(offset + 1, this.written.length * 2)
    this.written = grown(this.written, capacity)
    this.processed = grown(this.processed, capacity)
  }
}

/** See the file's header. */
export class RecordCounts {
  readonly #partitions = new Map<number, PartitionCounts>()
  writtenCount = 0
  processedCount = 0
  /** Processings beyond the first of each record. */
  duplicateCount = 0

  written(partition: number, first: number, count: number): void {
    const counts = this.#of(partition)
    counts.reach(first + count - 1)
    counts.written.fill(1, first, first + count)
    this.writtenCount += count
  }

  processed(partition: number, offset: number): void {
    const counts = this.#of(partition)
    counts.reach(offset)
    const before = counts.processed[offset]!
    if (before > 0) this.duplicateCount++
    if (before < COUNT_MAX) counts.processed[offset] = before + 1
    this.processedCount++
  }

  /** Runs of records that were written and never processed. */
  *missing(): Generator<{ readonly partition: number; readonly first: number; readonly count: number }> {
    for (const [partition, { written, processed }] of this.#partitions) {
      let first: number | null = null
      for (let offset = 0; offset <= written.length; offset++) {
        const isMissing = written[offset] === 1 && processed[offset] === 0
        if (isMissing) first ??= offset
        else if (first !== null) {
          yield { partition, first, count: offset - first }
          first = null
        }
      }
    }
  }

  #of(partition: number): PartitionCounts {
    let counts = this.#partitions.get(partition)
    if (counts === undefined) {
      counts = new PartitionCounts()
      this.#partitions.set(partition, counts)
    }
    return counts
  }
}

function grown(bytes: Uint8Array<ArrayBuffer>, capacity: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(capacity)
  larger.set(bytes)
  return larger
}
