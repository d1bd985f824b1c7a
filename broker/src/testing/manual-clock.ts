/** A clock that stands still until a test moves it. */
import type { Clock } from '../replication/tick-loop.ts'

interface Alarm {
  dueMs: number
  readonly intervalMs: number | null
  readonly task: () => void
}

/** See the file's header. Deterministic: alarms go off in the order in which they are due. */
export class ManualClock implements Clock {
  #nowMs: number
  readonly #alarms = new Set<Alarm>()

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  /** Alarms that are set. */
  get alarmCount(): number {
    return this.#alarms.size
  }

  every(intervalMs: number, task: () => void): () => void {
    return this.#set({ dueMs: this.#nowMs + intervalMs, intervalMs, task })
  }

  schedule(delayMs: number, task: () => void): () => void {
    return this.#set({ dueMs: this.#nowMs + delayMs, intervalMs: null, task })
  }

  /** Moves time on, alarm by alarm, and lets promises settle after each. @param settle by default {@link settled}. */
  async advance(byMs: number, settle: () => Promise<void> = settled): Promise<void> {
    const endMs = this.#nowMs + byMs
    for (let next = this.#next(endMs); next !== null; next = this.#next(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs)
      if (next.intervalMs === null) this.#alarms.delete(next)
      else next.dueMs += next.intervalMs
      next.task()
      await settle()
    }
    this.#nowMs = endMs
  }

  /** Time goes on and nothing happens in it, as for a process that is stopped: what was due is due now, and once only. */
  standStill(forMs: number): void {
    this.#nowMs += forMs
    for (const alarm of this.#alarms) alarm.dueMs = Math.max(alarm.dueMs, this.#nowMs)
  }

  #next(endMs: number): Alarm | null {
    let earliest: Alarm | null = null
    for (const alarm of this.#alarms) {
      if (alarm.dueMs <= endMs && (earliest === null || alarm.dueMs < earliest.dueMs)) earliest = alarm
    }
    return earliest
  }

  #set(alarm: Alarm): () => void {
    this.#alarms.add(alarm)
    return () => this.#alarms.delete(alarm)
  }
}

/** Resolves when the promises that can settle without outside help have had ample turns to. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** Lets every promise settle that needs nothing from outside: enough where all I/O is fake. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
