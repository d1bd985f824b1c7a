/**
 * Notices records that are in hand for too long, and tells the coordinator what the member is at.
 *
 * Time is counted in ticks, each worth at most twice the usual: a process that stood still does not take that for a
 * handler that hangs. An entry's `sinceMs` is of this clock, as of the last tick, so that handing out costs no look at one.
 */
import type { stratalog } from '@stratalog/proto'
import type { GroupPartition } from './group-partition.ts'
import type { HandedOut } from './offset-tracker.ts'

/** Records in hand for so long are told to the coordinator, even if they may take longer. */
const TOLD_AFTER_MS = 5_000

/** See the file's header. */
export class ProcessingWatch {
  readonly #maxProcessingTimeMs: number
  readonly #tickMs: number
  readonly #partitions: () => Iterable<GroupPartition>
  readonly #onStalled: (stalled: readonly (readonly [GroupPartition, HandedOut])[]) => void
  #timer: NodeJS.Timeout | null = null
  #lastTickMs = 0
  /** ms that the process has been awake for. */
  nowMs = 0

  /** @param onStalled told once of each entry. */
  constructor(
    maxProcessingTimeMs: number,
    partitions: () => Iterable<GroupPartition>,
    onStalled: (stalled: readonly (readonly [GroupPartition, HandedOut])[]) => void,
  ) {
    this.#maxProcessingTimeMs = maxProcessingTimeMs
    this.#tickMs = Math.max(10, Math.min(500, Math.floor(maxProcessingTimeMs / 8)))
    this.#partitions = partitions
    this.#onStalled = onStalled
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
    const toldAfterMs = Math.min(TOLD_AFTER_MS, this.#maxProcessingTimeMs)
    const stalls: stratalog.v1.MemberStall.$Properties[] = []
    for (const { place, tracker } of this.#partitions()) {
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
    this.nowMs += Math.min(nowMs - this.#lastTickMs, this.#tickMs * 2)
    this.#lastTickMs = nowMs
    const stalled: (readonly [GroupPartition, HandedOut])[] = []
    for (const partition of this.#partitions()) {
      for (const entry of partition.tracker?.inHand ?? []) {
        if (entry.isStalled || this.ageMs(entry) < this.#maxProcessingTimeMs) continue
        entry.isStalled = true
        stalled.push([partition, entry])
      }
    }
    if (stalled.length > 0) this.#onStalled(stalled)
  }
}
