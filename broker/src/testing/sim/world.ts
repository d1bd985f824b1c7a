/**
 * Virtual time for code that waits for promises: one event after the other, and between two of them everything settles.
 *
 * Each event is a turn of the real event loop (setImmediate), so that all microtasks that it set off have run before the
 * next one happens; nothing in the simulated brokers waits for anything but events and microtasks. The order of
 * microtasks is fixed by the language, the order of events by time and by the order in which they were planned: one seed,
 * one run. What nobody catches, in a callback or a promise, ends the process whose event it was, or is a violation.
 */
import { InvariantError } from '@stratalog/proto'
import { RaftInvariantError } from 'raft-ts'
import { Random, Timeline, TraceHash } from 'raft-ts/testing'
import type { SimProcess } from './sim-process.ts'
import { type InvariantName, InvariantViolation } from './violation.ts'

/** Receives one line for each thing that happens. */
export type SimTrace = (timeMs: number, who: number | null, text: string) => void

/** See the file's header. */
export class World {
  readonly seed: number
  readonly timeline: Timeline = new Timeline()
  readonly hash: TraceHash = new TraceHash()
  readonly trace: SimTrace | null
  /** What was found; nothing happens any more after that. */
  violation: InvariantViolation | null = null
  /** Whose event this is. */
  current: SimProcess | null = null
  /** Called after each event, once everything has settled. */
  settled: () => void = () => undefined

  constructor(seed: number, trace: SimTrace | null) {
    this.seed = seed
    this.trace = trace
  }

  /** Virtual milliseconds since the beginning. */
  get now(): number {
    return this.timeline.now
  }

  /** A stream of chance of its own for each label. */
  random(label: number): Random {
    return new Random(this.seed, label)
  }

  /** Tells of something, if anybody listens. */
  note(who: number | null, text: () => string): void {
    this.trace?.(this.timeline.now, who, text())
  }

  /** Plans something that belongs to nobody's process. */
  after(delayMs: number, run: () => void): void {
    this.timeline.after(delayMs, run)
  }

  /** An invariant is violated: the run ends. Only the first violation counts. */
  violate(invariant: InvariantName, detail: string, cause?: unknown): void {
    this.#end(new InvariantViolation(invariant, detail, cause === undefined ? {} : { cause }))
  }

  /** Lets events happen until it is `done`, a violation is found, or nothing is planned any more. */
  async run(done: () => boolean): Promise<void> {
    const onUncaught = (error: unknown): void => this.#uncaught(error)
    process.on('unhandledRejection', onUncaught)
    process.on('uncaughtException', onUncaught)
    try {
      await new Promise<void>((resolve) => {
        const turn = (): void => {
          this.#guard(() => this.settled())
          this.current = null
          if (this.violation !== null || done() || !this.#step()) resolve()
          else setImmediate(turn)
        }
        turn()
      })
    } finally {
      process.off('unhandledRejection', onUncaught)
      process.off('uncaughtException', onUncaught)
    }
  }

  #step(): boolean {
    let happened = true
    this.#guard(() => {
      happened = this.timeline.step()
    })
    return happened
  }

  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#uncaught(error)
    }
  }

  #uncaught(error: unknown): void {
    if (error instanceof InvariantViolation) this.#end(error)
    else if (isBroken(error) || this.current === null) {
      const detail = error instanceof Error ? `${error.message}\n${error.stack}` : String(error)
      this.violate('core-invariant', detail, error)
    } else this.current.fail(error as Error)
  }

  #end(violation: InvariantViolation): void {
    if (this.violation !== null) return
    this.violation = violation
    this.note(null, () => `**** ${violation.message}`)
  }
}

/** Errors that no disk, network or client can be the cause of. */
export function isBroken(error: unknown): boolean {
  return (
    error instanceof InvariantError ||
    error instanceof RaftInvariantError ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    error instanceof ReferenceError
  )
}
