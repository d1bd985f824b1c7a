/**
 * One partition while it is this member's: from its assignment until it is given up or lost.
 *
 * ```
 *   starting --(offset known, onAssigned done)--> reading --(revoke)--> leaving --> gone
 *      '----------------------------------(revoke, lose)-------------------'---------^
 * ```
 * Owner: the group subscription. A partition that comes back is another object.
 */
import type { TopicPartition } from '@stratalog/proto'
import type { PartitionState } from '../partition-state.ts'
import { type MemberPartition, partitionKey } from './member-effects.ts'
import { type Frontier, OffsetTracker } from './offset-tracker.ts'

/** See the file's header. */
export class GroupPartition {
  readonly place: MemberPartition
  readonly key: string
  /** null until its first offset is known. */
  state: PartitionState | null = null
  tracker: OffsetTracker | null = null
  /** What the coordinator has acknowledged; null = nothing. */
  committed: Frontier | null = null
  /** Whether it waits until less of it is unfinished. */
  isWindowFull = false
  /** Whether the application has been told of it. */
  announced = false
  /** Whether `onAssigned` is over: records may be handed out. */
  isReady = false
  /** Resolves when `onAssigned` is over, or will not be called. */
  readonly started: Promise<void>
  readonly markStarted: () => void
  readonly #leaving = new AbortController()
  readonly #gone = new AbortController()
  readonly #idleWaiters: (() => void)[] = []

  constructor(place: MemberPartition) {
    this.place = place
    this.key = partitionKey(place)
    let markStarted = (): void => {}
    this.started = new Promise((resolve) => {
      markStarted = resolve
    })
    this.markStarted = markStarted
  }

  /** Its name for the application. */
  get name(): TopicPartition {
    const { topic, partition } = this.place
    return { topic, partition }
  }

  /** Aborted when it is to be given up, or is lost. */
  get leaving(): AbortSignal {
    return this.#leaving.signal
  }

  /** Aborted when it is lost: what is done for it is in vain. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** Reading begins. @param onSettled something of it is no longer in hand. */
  begin(state: PartitionState, start: Frontier, onSettled: () => void): void {
    this.state = state
    this.tracker = new OffsetTracker(start, () => {
      if (this.tracker?.inHand.size === 0) for (const wake of this.#idleWaiters.splice(0)) wake()
      onSettled()
    })
  }

  /** Resolves when nothing of it is in hand. */
  async whenIdle(): Promise<void> {
    if (this.tracker === null || this.tracker.inHand.size === 0) return
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
  }

  /** It is to be given up. */
  leave(): void {
    this.#leaving.abort()
  }

  /** It is another member's. */
  lose(): void {
    this.#leaving.abort()
    this.#gone.abort()
  }

  /** What can be committed now, or null when that is committed already. */
  commitable(): Frontier | null {
    const { state, tracker, committed } = this
    if (state === null || tracker === null) return null
    const frontier = tracker.frontier(state)
    if (committed === null) return frontier
    if (frontier.offset > committed.offset) return frontier
    // The log was cut back, and the out-of-range policy went on in what was written anew.
    return frontier.offset < committed.offset && frontier.leaderEpoch > committed.leaderEpoch ? frontier : null
  }
}
