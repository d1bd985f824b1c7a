/**
 * One life of a broker's process: everything that it does is an event of it, and none happens once it is dead.
 *
 * A process that stands still (a long pause) does nothing either, and catches up with everything afterwards.
 */
import type { World } from './world.ts'

/** See the file's header. */
export class SimProcess {
  readonly world: World
  readonly brokerId: number
  readonly #onFailed: (error: Error) => void
  readonly #onDeath = new Set<() => void>()
  #alive = true
  /** What waits for the process to go on; null while it runs. */
  #backlog: (() => void)[] | null = null

  /** @param onFailed an error that the process does not survive. */
  constructor(world: World, brokerId: number, onFailed: (error: Error) => void) {
    this.world = world
    this.brokerId = brokerId
    this.#onFailed = onFailed
  }

  get isAlive(): boolean {
    return this.#alive
  }

  get isStalled(): boolean {
    return this.#backlog !== null
  }

  /** Plans an event of this process. Returns what cancels it. */
  after(delayMs: number, run: () => void): () => void {
    let due = true
    this.world.timeline.after(delayMs, () => {
      if (due) this.enter(run)
    })
    return () => {
      due = false
    }
  }

  /** Resolves after that time; never, if the process does not live that long. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve))
  }

  /** Something happens in this process now, or when it goes on. */
  enter(run: () => void): void {
    if (!this.#alive) return
    if (this.#backlog !== null) {
      this.#backlog.push(run)
      return
    }
    const { world } = this
    world.current = this
    world.hash.add(this.brokerId)
    world.hash.add(world.now)
    run()
  }

  /** Stands still until {@link resume}. */
  stall(): void {
    if (this.#alive) this.#backlog ??= []
  }

  /** Goes on; what came meanwhile happens now, one event after the other. */
  resume(): void {
    const backlog = this.#backlog ?? []
    this.#backlog = null
    for (const run of backlog) this.after(0, run)
  }

  /** Calls back when it dies. Returns how to stop that. */
  onDeath(callback: () => void): () => void {
    this.#onDeath.add(callback)
    return () => this.#onDeath.delete(callback)
  }

  /** Dies of an error. */
  fail(error: Error): void {
    if (this.#alive) this.#onFailed(error)
  }

  /** Dies, without a word. */
  die(): void {
    if (!this.#alive) return
    this.#alive = false
    this.#backlog = null
    for (const callback of this.#onDeath) callback()
  }
}
