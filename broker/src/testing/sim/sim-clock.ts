/** The clock of a simulated host: it may run fast or slow, and be set forward or back. */
import type { Clock } from '../../replication/tick-loop.ts'
import type { SimProcess } from './sim-process.ts'
import type { World } from './world.ts'

/** The time of all clocks when a simulation begins. */
export const START_MS = 1_700_000_000_000

/** See the file's header. It outlives the host's processes. */
export class HostClock {
  readonly #world: World
  #rate = 1
  #offsetMs = 0
  /** How far it was set forward. */
  #setMs = 0
  #sinceMs = 0

  constructor(world: World) {
    this.#world = world
  }

  nowMs(): number {
    return START_MS + Math.floor(this.#setMs + this.monotonicMs())
  }

  /** What has passed since the beginning, by this clock. */
  monotonicMs(): number {
    return this.#offsetMs + (this.#world.now - this.#sinceMs) * this.#rate
  }

  /** From now on it shows `rate` ms for each that passes. */
  run(rate: number): void {
    this.#offsetMs += (this.#world.now - this.#sinceMs) * this.#rate
    this.#sinceMs = this.#world.now
    this.#rate = rate
  }

  /** Sets it forward, or back. Timers are not touched, as they go by another clock. */
  set(byMs: number): void {
    this.#offsetMs += byMs
  }

  /** The clock as a process sees it; its timers end with the process. */
  for(process: SimProcess): Clock {
    const delayOf = (ms: number): number => Math.max(1, Math.round(ms / this.#rate))
    return {
      nowMs: () => this.nowMs(),
      monotonicMs: () => this.monotonicMs(),
      schedule: (delayMs, task) => process.after(delayOf(delayMs), task),
      every: (intervalMs, task) => {
        let cancel = (): void => undefined
        const plan = (): void => {
          cancel = process.after(delayOf(intervalMs), () => {
            plan()
            task()
          })
        }
        plan()
        return () => cancel()
      },
    }
  }
}
