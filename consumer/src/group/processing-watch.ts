/**
 * Notices records that are in hand for too long, and tells the coordinator what the member is at. Notices too when the
 * whole process has stood still.
 *
 * Time is counted in ticks, each worth at most twice the usual: a process that stood still does not take that for a
 * handler that hangs. An entry's `sinceMs` is of this clock, as of the last tick, so that handing out costs no look at one.
 */
import type { stratalog } from '@stratalog/proto'
import type { GroupPartition } from './group-partition.ts'
import type { HandedOut } from './offset-tracker.ts'

/** Records in hand for so long are told to the coordinator, even if they may take longer. */
const TOLD_AFTER_MS = 5_000

/** What a watch is made of. */
export interface ProcessingWatchOptions {
  readonly maxProcessingTimeMs: number
  readonly partitions: () => Iterable<GroupPartition>
  /** Told once of each entry. */
  readonly onStalled: (stalled: readonly (readonly [GroupPartition, HandedOut])[]) => void
  /** A tick that is late by so much is told to `onStoodStill`, ms. */
  readonly standstillMs: number
  /** Called before anything else that the process does after its timers are due again. */
  readonly onStoodStill: () => void
}

/** See the file's header. */
export class ProcessingWatch {
  readonly #tickMs: number
  readonly #options: ProcessingWatchOptions
  #timer: NodeJS.Timeout | null = null
  #lastTickMs = 0
  /** ms that the process has been awake for. */
  nowMs = 0

  constructor(options: ProcessingWatchOptions) {
    this.#options = options
    this.#tickMs = Math.max(10, Math.min(500, Math.floor(options.maxProcessingTimeMs / 8)))
  }

  /** Begins. */
  start(): void {
    this.#lastTickMs = performance.now()
    this.#timer = setInterval(() => this.#tick(), this.#tickMs)
  }

  /** Ends. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** For how long an entry has been in hand, ms. */
  ageMs(entry: HandedOut): number {
    return entry.sinceMs === null ? 0 : this.nowMs - entry.sinceMs
  }

  /** What the member is at, the oldest of each partition. */
  stalls(): stratalog.v1.MemberStall.$Properties[] {
    const toldAfterMs = Math.min(TOLD_AFTER_MS, this.#options.maxProcessingTimeMs)
    const stalls: stratalog.v1.MemberStall.$Properties[] = []
    for (const { place, tracker } of this.#options.partitions()) {
      let oldest: HandedOut | null = null
      for (const entry of tracker?.inHand ?? []) {
        if (oldest === null || this.ageMs(entry) > this.ageMs(oldest)) oldest = entry
      }
      if (oldest === null || this.ageMs(oldest) < toldAfterMs) continue
      stalls.push({ ...place, offset: oldest.offset, forMs: Math.round(this.ageMs(oldest)) })
    }
    return stalls
  }

  #tick(): void {
    const nowMs = performance.now()
    const { maxProcessingTimeMs, standstillMs, onStoodStill, onStalled } = this.#options
    if (nowMs - this.#lastTickMs >= this.#tickMs + standstillMs) onStoodStill()
    this.nowMs += Math.min(nowMs - this.#lastTickMs, this.#tickMs * 2)
    this.#lastTickMs = nowMs
    const stalled: (readonly [GroupPartition, HandedOut])[] = []
    for (const partition of this.#options.partitions()) {
      for (const entry of partition.tracker?.inHand ?? []) {
        if (entry.isStalled || this.ageMs(entry) < maxProcessingTimeMs) continue
        entry.isStalled = true
        stalled.push([partition, entry])
      }
    }
    if (stalled.length > 0) onStalled(stalled)
  }
}
