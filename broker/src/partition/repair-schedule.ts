/**
 * When a copy that is out is tried again: after a second, then after twice as long each time, up to a minute, each time a
 * little less at random so that not all copies of a disk come at once. A copy that has worked for long begins anew. Pure.
 */

const FIRST_DELAY_MS = 1000
const DELAY_MS_MAX = 60_000
/** Out again so long after its last turn, it has worked meanwhile, ms. */
const FORGOTTEN_MS = 600_000

interface Turn {
  readonly count: number
  readonly dueMs: number
}

/** See the file's header. Bounded by the number of copies that are or were out. */
export class RepairSchedule {
  readonly #random: () => number
  readonly #turns = new Map<string, Turn>()

  /** @param random draws from [0, 1). */
  constructor(random: () => number) {
    this.#random = random
  }

  /** Whether the copy, which is out, is to be tried now; asking after it is due counts as a try. */
  isDue(copy: string, nowMs: number): boolean {
    const turn = this.#turns.get(copy)
    // One that is further away than any delay was set before the clock was set back.
    const isValid = turn !== undefined && nowMs - turn.dueMs < FORGOTTEN_MS && turn.dueMs - nowMs <= DELAY_MS_MAX
    if (!isValid) {
      this.#set(copy, 0, nowMs)
      return false
    }
    if (nowMs < turn.dueMs) return false
    this.#set(copy, turn.count + 1, nowMs)
    return true
  }

  #set(copy: string, count: number, nowMs: number): void {
    const delayMs = Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** count) * (1 - this.#random() / 2)
    this.#turns.set(copy, { count, dueMs: nowMs + delayMs })
  }

  /** The copy is not this broker's any more. */
  forget(copy: string): void {
    this.#turns.delete(copy)
  }
}
