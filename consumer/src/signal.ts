/** Wakes everyone who waits at the moment: nothing is remembered, so waiters look at the state again. */
export class Signal {
  #waiters: (() => void)[] = []

  /** Resolves at the next `notify`. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /** Wakes those who wait now. */
  notify(): void {
    if (this.#waiters.length === 0) return
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}
