/**
 * The newest batches in memory: those that wait to be written, and those written a moment ago, from which followers
 * and consumers at the end of the log are served without reading a file.
 *
 * ```
 *  batches   [ evicted ... | written, cached ... | pending ... ]
 *                           ^ head                ^ written up to here
 * ```
 * Written batches of all partitions share one budget in bytes ({@link TailBudget}); beyond it the oldest go first,
 * whosever they are. Pending ones are never evicted: the caller's flow control bounds them. Owner: one PartitionTail
 * per log.
 */
import type { Offset } from '@stratalog/proto'
import { baseOffsetOf, lastOffsetOf } from '@stratalog/proto/records'

/** Freed slots at the front of a tail's array before it is moved down. */
const COMPACT_SLOT_COUNT = 1024
/** Pending batches that one trim passes over at most. */
const PENDING_SEEN_MAX = 64

/** Bytes of batches that all partitions together keep in memory. Owner: the broker; one per process. */
export class TailBudget {
  readonly #bytesMax: number
  #sizeBytes = 0
  /** One entry per batch kept, oldest first, naming whose it is. */
  #owners: PartitionTail[] = []
  #head = 0

  /** @param bytesMax default 32 MiB; pending batches count but are never evicted. */
  constructor(bytesMax: number = 32 * 1024 * 1024) {
    this.#bytesMax = bytesMax
  }

  /** Bytes kept now. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Counts a batch that `owner` keeps. */
  add(owner: PartitionTail, sizeBytes: number): void {
    this.#owners.push(owner)
    this.#sizeBytes += sizeBytes
  }

  /** Uncounts bytes that an owner dropped by itself. */
  subtract(sizeBytes: number): void {
    this.#sizeBytes -= sizeBytes
  }

  /** Evicts the oldest until the budget holds; a log whose oldest batch is still pending goes to the back. */
  trim(): void {
    let pendingSeen = 0
    while (this.#sizeBytes > this.#bytesMax && this.#head < this.#owners.length && pendingSeen < PENDING_SEEN_MAX) {
      const owner = this.#owners[this.#head++]!
      const evictedBytes = owner.evictOldest()
      if (evictedBytes === null) {
        // Otherwise one log on a full disk would keep everybody's batches in memory.
        this.#owners.push(owner)
        pendingSeen++
      } else this.#sizeBytes -= evictedBytes
    }
    if (this.#head >= COMPACT_SLOT_COUNT && this.#head * 2 > this.#owners.length) {
      this.#owners = this.#owners.slice(this.#head)
      this.#head = 0
    }
  }
}

/** One partition's tail. Batches are contiguous; each Buffer is one whole batch. */
export class PartitionTail {
  readonly #budget: TailBudget
  #batches: Buffer[] = []
  #head = 0
  #writtenEnd = 0
  #pendingBytes = 0

  constructor(budget: TailBudget) {
    this.#budget = budget
  }

  /** Bytes that wait to be written. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /** Batches that wait to be written. */
  get pendingCount(): number {
    return this.#batches.length - this.#writtenEnd
  }

  /** Adds a batch at the end, as pending. */
  push(batch: Buffer): void {
    this.#batches.push(batch)
    this.#pendingBytes += batch.length
    this.#budget.add(this, batch.length)
  }

  /** The pending batch number `index`, or undefined. */
  pendingAt(index: number): Buffer | undefined {
    return this.#batches[this.#writtenEnd + index]
  }

  /** The first `count` pending batches were written. */
  markWritten(count: number): void {
    for (let index = 0; index < count; index++) this.#pendingBytes -= this.#batches[this.#writtenEnd + index]!.length
    this.#writtenEnd += count
    this.#budget.trim()
  }

  /** Drops the oldest written batch and says how many bytes it had; 0 when none is left, null when it is pending. */
  evictOldest(): number | null {
    if (this.#head === this.#batches.length) return 0
    if (this.#head === this.#writtenEnd) return null
    const sizeBytes = this.#batches[this.#head]!.length
    this.#batches[this.#head] = EMPTY
    this.#head++
    if (this.#head >= COMPACT_SLOT_COUNT && this.#head * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head)
      this.#writtenEnd -= this.#head
      this.#head = 0
    }
    return sizeBytes
  }

  /** Drops the batches at or beyond `endOffset`, a batch boundary. Returns how many of them were pending. */
  truncateTo(endOffset: Offset): number {
    let droppedPending = 0
    while (this.#batches.length > this.#head && baseOffsetOf(this.#batches.at(-1)!, 0) >= endOffset) {
      const pending = this.#batches.length > this.#writtenEnd
      const batch = this.#batches.pop()!
      this.#budget.subtract(batch.length)
      if (pending) {
        this.#pendingBytes -= batch.length
        droppedPending++
      } else this.#writtenEnd--
    }
    return droppedPending
  }

  /** Drops everything. */
  clear(): void {
    for (let index = this.#head; index < this.#batches.length; index++) {
      this.#budget.subtract(this.#batches[index]!.length)
    }
    this.#batches = []
    this.#head = 0
    this.#writtenEnd = 0
    this.#pendingBytes = 0
  }

  /**
   * The batches from the one that holds `from`, whole, in order, below `endOffset`.
   *
   * @returns null when `from` lies before the first batch kept (it is to be read from a file).
   */
  read(from: Offset, endOffset: Offset, maxBytes: number, minOneBatch: boolean): Buffer[] | null {
    let index = this.#find(from)
    if (index === null) return null
    const chunks: Buffer[] = []
    let sizeBytes = 0
    for (; index < this.#batches.length; index++) {
      const batch = this.#batches[index]!
      if (lastOffsetOf(batch, 0) >= endOffset) break
      if (sizeBytes + batch.length > maxBytes && !(minOneBatch && chunks.length === 0)) break
      chunks.push(batch)
      sizeBytes += batch.length
    }
    return chunks
  }

  #find(offset: number): number | null {
    let low = this.#head
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (baseOffsetOf(this.#batches[middle]!, 0) <= offset) low = middle + 1
      else high = middle
    }
    return low === this.#head ? null : low - 1
  }
}

const EMPTY = Buffer.alloc(0)
