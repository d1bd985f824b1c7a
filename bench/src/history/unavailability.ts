/**
 * How long nobody could write: the longest time between two acknowledgements by all, for each partition and for all together,
 * by the fault that it is put down to.
 *
 * That is the first fault that began within the gap; of gaps in which none began, the last one before it, as long as
 * its settling time has not passed. Time before the first and after the last acknowledgement of the run does not
 * count. Pure; memory grows with faults.
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
  readonly #lastOkMs = new Map<number, number>()
  #lastOverallMs: number | null = null

  /** @param settleMs how long after a fault's end a gap may begin and still be put down to it */
  constructor(settleMs: number) {
    this.#settleMs = settleMs
  }

  add(event: HistoryEvent): void {
    if (event.kind === 'ok' && event.acks === 'all') this.#acknowledged(event.partition, event.at)
    else if (event.kind === 'fault' && event.phase === 'begin') {
      const { id, fault, detail, at } = event
      this.#faults.push({ id, fault, detail, beginMs: at, endMs: null, overallMs: 0, partitionMs: 0, partition: null })
    } else if (event.kind === 'fault') {
      const window = this.#faults.findLast(({ id }) => id === event.id)
      if (window !== undefined) Object.assign(window, { endMs: event.at, detail: event.detail })
    }
  }

  /** Every fault, in order of begin. */
  faults(): readonly FaultGaps[] {
    return this.#faults
  }

  #acknowledged(partition: number, at: number): void {
    const sinceOverallMs = this.#lastOverallMs ?? at
    const sincePartitionMs = this.#lastOkMs.get(partition) ?? at
    this.#lastOverallMs = at
    this.#lastOkMs.set(partition, at)
    const overall = this.#cause(sinceOverallMs)
    if (overall !== null) overall.overallMs = Math.max(overall.overallMs, at - sinceOverallMs)
    const own = this.#cause(sincePartitionMs)
    if (own !== null && at - sincePartitionMs > own.partitionMs) {
      own.partitionMs = at - sincePartitionMs
      own.partition = partition
    }
  }

  /** What a gap that ends now and began at `sinceMs` is put down to; faults after `sinceMs` have begun within it. */
  #cause(sinceMs: number): Window | null {
    const before = this.#faults.findLastIndex(({ beginMs }) => beginMs <= sinceMs)
    const within = this.#faults[before + 1]
    if (within !== undefined) return within
    const last = this.#faults[before]
    return last !== undefined && (last.endMs === null || sinceMs < last.endMs + this.#settleMs) ? last : null
  }
}
