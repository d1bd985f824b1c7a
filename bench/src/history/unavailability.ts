/**
 * How long nobody could write: the longest time between two acknowledgements, for each partition and for all together,
 * in each fault's window.
 *
 * A window runs from the fault's begin to its end plus a settling time. A gap counts for a window when the two overlap;
 * time before the first and after the last acknowledgement of the run does not count. Pure; memory grows with faults.
 */
import type { HistoryEvent } from './history-event.ts'

/** A fault and the longest gaps that it overlaps. */
export interface FaultGaps {
  readonly id: number
  readonly fault: string
  readonly detail: string
  readonly beginMs: number
  readonly endMs: number | null
  /** Longest time without an acknowledgement on any partition, ms. */
  readonly overallMs: number
  /** Longest on one partition, ms, and which. */
  readonly partitionMs: number
  readonly partition: number | null
}

type Window = { -readonly [Field in keyof FaultGaps]: FaultGaps[Field] }

/** Fed with events in order of time. */
export class Unavailability {
  readonly #settleMs: number
  readonly #faults: Window[] = []
  /** Those whose window may still be touched by a gap that has begun. */
  #open: Window[] = []
  readonly #lastOkMs = new Map<number, number>()
  #lastOverallMs: number | null = null

  /** @param settleMs how long after a fault's end a gap still counts for it */
  constructor(settleMs: number) {
    this.#settleMs = settleMs
  }

  add(event: HistoryEvent): void {
    if (event.kind === 'ok') this.#acknowledged(event.partition, event.at)
    else if (event.kind === 'fault' && event.phase === 'begin') {
      const { id, fault, detail, at } = event
      const window = { id, fault, detail, beginMs: at, endMs: null, overallMs: 0, partitionMs: 0, partition: null }
      this.#faults.push(window)
      this.#open.push(window)
    } else if (event.kind === 'fault') {
      const window = this.#open.find(({ id }) => id === event.id)
      if (window !== undefined) window.endMs = event.at
    }
  }

  /** Every fault, in order of begin. */
  faults(): readonly FaultGaps[] {
    return this.#faults
  }

  #acknowledged(partition: number, at: number): void {
    const sinceOverall = this.#lastOverallMs ?? at
    const sincePartition = this.#lastOkMs.get(partition) ?? at
    this.#lastOverallMs = at
    this.#lastOkMs.set(partition, at)
    if (this.#open.length === 0) return
    const leastMs = Math.min(...this.#lastOkMs.values())
    this.#open = this.#open.filter((window) => {
      const endMs = window.endMs === null ? Number.POSITIVE_INFINITY : window.endMs + this.#settleMs
      if (sinceOverall < endMs) window.overallMs = Math.max(window.overallMs, at - sinceOverall)
      if (sincePartition < endMs && at - sincePartition > window.partitionMs) {
        window.partitionMs = at - sincePartition
        window.partition = partition
      }
      return leastMs < endMs
    })
  }
}
