/**
 * Those who wait for the log to reach an offset, in the order in which they came.
 *
 * A ring that grows by doubling: one object per waiter and nothing else, as this is on the path of every batch. The
 * head is answered first, always, so that a producer's answers come in the order of its batches.
 *
 * Invariant: every callback is called exactly once. The number of waiters is bounded by the uncommitted bytes that
 * Raft admits; a waiter that ran out of time keeps its place, without its callback, until the offset is reached.
 */
import type { ProduceFailure, ProduceOutcome } from './produce-outcome.ts'

/** Given to a waiter, once. Must not throw. */
export type ProduceCallback = (outcome: ProduceOutcome) => void

interface Waiter {
  /** Exclusive; answered once the log has reached it. Infinite for one that is held. */
  endOffset: number
  readonly deadlineMs: number
  readonly outcome: ProduceOutcome
  /** Null once it has been called. */
  done: ProduceCallback | null
}

const INITIAL_CAPACITY = 16

/** See the file's header. Owner: the partition. */
export class OffsetWaiters {
  #ring: (Waiter | undefined)[] = new Array(INITIAL_CAPACITY)
  #head = 0
  #count = 0
  /** No waiter's deadline is before this. */
  #earliestDeadlineMs = Number.POSITIVE_INFINITY

  get count(): number {
    return this.#count
  }

  /** Whether somebody is still to be called. A place whose callback has been called holds up nobody. */
  get hasUnanswered(): boolean {
    for (let i = 0; i < this.#count; i++) {
      if (this.#ring[(this.#head + i) & (this.#ring.length - 1)]!.done !== null) return true
    }
    return false
  }

  /**
   * Queues `done` to be given `outcome` once what is returned was called and all before it are answered. Those behind it
   * wait as well; `reach` is to be called after it.
   */
  hold(deadlineMs: number, outcome: ProduceOutcome, done: ProduceCallback): () => void {
    this.add(Number.POSITIVE_INFINITY, deadlineMs, outcome, done)
    const waiter = this.#ring[(this.#head + this.#count - 1) & (this.#ring.length - 1)]!
    return () => {
      waiter.endOffset = 0
    }
  }

  /** Queues `done` to be given `outcome` once `endOffset` (exclusive) is reached and all before it are answered. */
  add(endOffset: number, deadlineMs: number, outcome: ProduceOutcome, done: ProduceCallback): void {
    if (this.#count === this.#ring.length) this.#grow()
    this.#ring[(this.#head + this.#count) & (this.#ring.length - 1)] = { endOffset, deadlineMs, outcome, done }
    this.#count++
    if (deadlineMs < this.#earliestDeadlineMs) this.#earliestDeadlineMs = deadlineMs
  }

  /**
   * The log has reached `endOffset`: answers from the head on, up to the first who must wait on.
   *
   * @param flushedEndOffset end of what this broker has synced: no answer beyond it claims to be, whatever was promised
   * (a topic's flush policy may have changed meanwhile).
   */
  reach(endOffset: number, flushedEndOffset: number): void {
    while (this.#count > 0) {
      const waiter = this.#ring[this.#head]!
      if (waiter.endOffset > endOffset) return
      this.#removeHead()
      waiter.done?.(waiter.endOffset > flushedEndOffset ? withoutSync(waiter.outcome) : waiter.outcome)
    }
    this.#earliestDeadlineMs = Number.POSITIVE_INFINITY
  }

  /** Gives `outcome` to everybody and forgets them. */
  failAll(outcome: ProduceOutcome): void {
    while (this.#count > 0) {
      const waiter = this.#ring[this.#head]!
      this.#removeHead()
      waiter.done?.(outcome)
    }
    this.#earliestDeadlineMs = Number.POSITIVE_INFINITY
  }

  /** Gives `outcome` to everybody, who keep their places without being called again. */
  answerAll(outcome: ProduceOutcome): void {
    this.#answerWhere(() => true, outcome)
  }

  /** Gives what `outcome` makes to those whose deadline is at or before `nowMs`. O(1) while there are none. */
  expire(nowMs: number, outcome: () => ProduceFailure): void {
    if (nowMs >= this.#earliestDeadlineMs) this.#answerWhere((waiter) => waiter.deadlineMs <= nowMs, outcome())
  }

  #answerWhere(chosen: (waiter: Waiter) => boolean, outcome: ProduceOutcome): void {
    const callbacks: ProduceCallback[] = []
    this.#earliestDeadlineMs = Number.POSITIVE_INFINITY
    for (let i = 0; i < this.#count; i++) {
      const waiter = this.#ring[(this.#head + i) & (this.#ring.length - 1)]!
      if (waiter.done === null) continue
      if (chosen(waiter)) {
        callbacks.push(waiter.done)
        waiter.done = null
      } else {
        this.#earliestDeadlineMs = Math.min(this.#earliestDeadlineMs, waiter.deadlineMs)
      }
    }
    for (const done of callbacks) done(outcome)
    this.#answerThoseHeldUp()
  }

  /** Answers refusals (endOffset 0) before which nobody is still to be called: they waited for their turn only. */
  #answerThoseHeldUp(): void {
    for (let i = 0; i < this.#count; i++) {
      const waiter = this.#ring[(this.#head + i) & (this.#ring.length - 1)]!
      if (waiter.done === null) continue
      if (waiter.endOffset > 0) return
      const { done } = waiter
      waiter.done = null
      done(waiter.outcome)
    }
  }

  #removeHead(): void {
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#count--
  }

  #grow(): void {
    const grown: (Waiter | undefined)[] = new Array(this.#ring.length * 2)
    for (let i = 0; i < this.#count; i++) grown[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)]
    this.#ring = grown
    this.#head = 0
  }
}

function withoutSync(outcome: ProduceOutcome): ProduceOutcome {
  return outcome.kind === 'ok' && outcome.durability === 'fsynced' ? { ...outcome, durability: 'replicated' } : outcome
}
