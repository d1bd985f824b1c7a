/**
 * Members by how many partitions they have, while that changes: a heap whose entries are looked at again when they come up.
 *
 * Invariant: a member of the heap has an entry that is not above its load (or not below, for the heap of the most loaded).
 */

interface Entry {
  readonly load: number
  readonly member: number
}

/** Owner: an assignor. Members with equal loads come in their order. */
export class LoadHeap {
  readonly #loads: Int32Array
  /** 1: the least loaded first; -1: the most loaded first. */
  readonly #sign: 1 | -1
  readonly #heap: Entry[] = []

  constructor(loads: Int32Array, members: Iterable<number>, sign: 1 | -1 = 1) {
    this.#loads = loads
    this.#sign = sign
    for (const member of members) this.push(member)
  }

  /** Enters a member, or a member whose load came nearer to the top. */
  push(member: number): void {
    const entry = { load: this.#loads[member]!, member }
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#isBefore(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  /** The first one by its load now, which stays in the heap; null when there is none. */
  peek(): number | null {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.load === this.#loads[top.member]) return top.member
      this.pop()
      this.push(top.member)
    }
    return null
  }

  /** Takes the first entry out. */
  pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && this.#isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!this.#isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }

  #isBefore(left: Entry, right: Entry): boolean {
    return left.load === right.load ? left.member < right.member : (left.load - right.load) * this.#sign < 0
  }
}
