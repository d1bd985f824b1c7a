/** Virtual time for simulations: callbacks run in the order of their times, and at one time in the order given. */

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly callback: () => void
}

/** See the head of this file. */
export class VirtualTime {
  #nowMs = 1_000_000
  #order = 0
  #timers: Timer[] = []

  get nowMs(): number {
    return this.#nowMs
  }

  /** Calls back once after `ms`. Returns a function that cancels. */
  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, order: this.#order++, callback }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Runs what is due next, with the promises that follow from it. Returns false when nothing is left. */
  async step(): Promise<boolean> {
    if (this.#timers.length === 0) return false
    const next = this.#timers.reduce((a, b) => (b.atMs < a.atMs || (b.atMs === a.atMs && b.order < a.order) ? b : a))
    this.#timers = this.#timers.filter((other) => other !== next)
    this.#nowMs = Math.max(this.#nowMs, next.atMs)
    next.callback()
    for (let turn = 0; turn < 4; turn++) await Promise.resolve()
    return true
  }
}

/** A generator of numbers in [0, 1) from a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
