/**
 * A bound on bytes held for clients, shared by those who take from it.
 *
 * Taking never fails: who finds the budget over its limit stops reading or sending and waits. Waiters are woken when
 * the budget is down to half, all at once, so that a waiter with nothing to do cannot keep others asleep; each may
 * then bring one message more. The bound in memory is thus the limit and one message per waiter.
 */
import { invariant } from '@stratalog/proto'

/** Counts bytes against a limit. */
export class ByteBudget {
  readonly limitBytes: number
  #usedBytes = 0
  #waiters: Array<() => void> = []

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Whether no more should be taken now. */
  get isOver(): boolean {
    return this.#usedBytes >= this.limitBytes
  }

  take(bytes: number): void {
    this.#usedBytes += bytes
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes
    invariant(this.#usedBytes >= 0, () => `${-this.#usedBytes} bytes were given back twice`)
    if (this.#usedBytes <= this.limitBytes / 2 && this.#waiters.length > 0) {
      const woken = this.#waiters
      this.#waiters = []
      for (const wake of woken) wake()
    }
  }

  /** Calls `wake` once, when the budget is down to half of its limit. Only while it is over. */
  whenHalf(wake: () => void): void {
    invariant(this.isOver, 'waiting for a budget that has room')
    this.#waiters.push(wake)
  }
}
