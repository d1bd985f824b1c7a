/**
 * One timer for all partitions of a broker: whoever needs time signs up and is ticked until there is nothing to do.
 *
 * An idle partition is not signed up, so 10,000 of them cost nothing; with nobody signed up there is no timer either.
 */

/** Time as the broker's core needs it; injected so that simulations own it. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number
  /** Milliseconds since some moment: goes on evenly, whatever is done to the date. */
  monotonicMs(): number
  /** Runs `task` every `intervalMs` until cancelled; must not keep the process alive. */
  every(intervalMs: number, task: () => void): () => void
  /** Runs `task` once after `delayMs` unless cancelled; must not keep the process alive. */
  schedule(delayMs: number, task: () => void): () => void
}

/** Something that needs time. */
export interface Ticked {
  /** One interval has passed. @returns whether to go on; must not throw. */
  tick(nowMs: number): boolean
}

/** The clock of this process. */
export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  every: (intervalMs, task) => {
    const timer = setInterval(task, intervalMs)
    timer.unref()
    return () => clearInterval(timer)
  },
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** See the file's header. Owner: the broker; one per process. */
export class TickLoop {
  readonly intervalMs: number
  readonly clock: Clock
  readonly #members = new Set<Ticked>()
  #cancel: (() => void) | null = null

  /** @param intervalMs length of a tick, ms > 0. */
  constructor(clock: Clock, intervalMs: number) {
    this.clock = clock
    this.intervalMs = intervalMs
  }

  /** Those who are ticked now. */
  get memberCount(): number {
    return this.#members.size
  }

  /** Ticks `member` from the next interval on, until it says that it is done. Signing up twice is signing up once. */
  add(member: Ticked): void {
    this.#members.add(member)
    this.#cancel ??= this.clock.every(this.intervalMs, () => this.#tick())
  }

  /** Ticks it no more. */
  remove(member: Ticked): void {
    this.#members.delete(member)
  }

  /** Ticks nobody any more. */
  stop(): void {
    this.#members.clear()
    this.#cancel?.()
    this.#cancel = null
  }

  #tick(): void {
    const nowMs = this.clock.nowMs()
    for (const member of this.#members) {
      if (!member.tick(nowMs)) this.#members.delete(member)
    }
    if (this.#members.size === 0) this.stop()
  }
}
