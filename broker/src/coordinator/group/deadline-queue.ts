/**
 * When something is due: a heap in which moving a deadline back costs nothing.
 *
 * A heartbeat moves its member's deadline back; that changes a field and not the heap. What is popped is asked for its real
 * deadline and put back when that is later.
 * Invariant: everything that has a deadline has an entry at it or before it.
 */

/** Something with a deadline. */
export interface Timed {
  /** ms; Infinity = never. Asked again whenever its entry comes up. */
  readonly deadlineMs: number
}

interface Entry<Item> {
  readonly atMs: number
  readonly item: Item
}

/** See the file's header. Owner: the shard. */
export class DeadlineQueue<Item extends Timed> {
  /** A binary heap by `atMs`. */
  readonly #heap: Entry<Item>[] = []
  /** Where each item's first entry is. */
  readonly #scheduledMs = new Map<Item, number>()

  /** Makes sure that the item comes up at its deadline. To be called when its deadline may have moved forward. */
  schedule(item: Item): void {
    const atMs = item.deadlineMs
    if (atMs >= (this.#scheduledMs.get(item) ?? Number.POSITIVE_INFINITY)) return
    this.#scheduledMs.set(item, atMs)
    this.#push({ atMs, item })
  }

  /** Forgets the item; what is left of it in the heap is passed over. */
  remove(item: Item): void {
    this.#scheduledMs.delete(item)
  }

  /** No item is due before; null when none ever is. */
  get nextMs(): number | null {
    this.#dropStale()
    return this.#heap[0]?.atMs ?? null
  }

  /** Takes out and returns all that are due. */
  takeDue(nowMs: number): Item[] {
    const due: Item[] = []
    for (let at = this.nextMs; at !== null && at <= nowMs; at = this.nextMs) {
      const { item } = this.#pop()
      this.#scheduledMs.delete(item)
      if (item.deadlineMs <= nowMs) due.push(item)
      else this.schedule(item)
    }
    return due
  }

  #dropStale(): void {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#scheduledMs.get(top.item) === top.atMs) return
      this.#pop()
    }
  }

  #push(entry: Entry<Item>): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.atMs <= entry.atMs) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }

  #pop(): Entry<Item> {
    const heap = this.#heap
    const top = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return top
    let at = 0
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++
      if (heap[child]!.atMs >= last.atMs) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return top
  }
}
