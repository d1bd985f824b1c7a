/**
 * Virtual time: what is due happens in order of time, and at one time in the order in which it was planned.
 *
 * Time moves only from one event to the next; between events nothing happens. A binary heap on one number per event.
 */

interface Event {
  /** Time in milliseconds times 2^32, plus a sequence number: unique, so that order is total. */
  readonly key: number
  readonly run: () => void
}

const SEQUENCE_RANGE = 0x1_0000_0000

/** A queue of events to come. */
export class Timeline {
  /** Virtual milliseconds since the beginning. */
  now = 0
  /** Events that have happened. */
  eventCount = 0
  #sequence = 0
  #heap: Event[] = []

  /** Plans `run` for `delayMs` (an integer >= 0) from now. */
  after(delayMs: number, run: () => void): void {
    const event = { key: (this.now + delayMs) * SEQUENCE_RANGE + this.#sequence++, run }
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.key < event.key) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  /** Lets the next event happen. Returns false when nothing is planned. */
  step(): boolean {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined) return false
    const last = heap.pop()!
    if (heap.length > 0) this.#sink(last)
    this.now = Math.floor(first.key / SEQUENCE_RANGE)
    this.eventCount++
    first.run()
    return true
  }

  #sink(event: Event): void {
    const heap = this.#heap
    const count = heap.length
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= count) break
      if (child + 1 < count && heap[child + 1]!.key < heap[child]!.key) child++
      if (heap[child]!.key > event.key) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = event
  }
}
