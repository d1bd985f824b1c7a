/**
 * One member of a consumer group as a state machine, after KIP-848: it says what it owns, the coordinator says what it
 * should own, and it moves there at its own pace. Pure: events come in with the time, effects go out.
 *
 * ```
 *   out --(start)--> joining --(answer)--> in --(nothing owned any more)--> leaving --(answer, failure)--> out, done
 *                       ^-------(fenced)---'
 *   a partition:  held --(revoke)--> finishing --(finished)--> committing --(committed)--> releasing --(givenUp)--> gone
 *                   '--------------------'--------(lose)--------'--------------------------'
 * ```
 * Invariant: a partition is assigned only after it was given up or lost, if it was ever assigned before.
 * Invariant: the coordinator is told that a partition is not owned only after its records in hand were finished, what was
 *   processed is committed and the application has agreed, or the time for that is over and the partition counts as lost.
 * Invariant: at most one heartbeat counts, the last one sent; what an older one brings is ignored, and told again because
 *   the epoch that it brought is never presented.
 */
import { backoffDelayMs, RETRY_BACKOFF } from '@stratalog/client'
import { type ErrorName, invariant, StratalogError } from '@stratalog/proto'
import { type HeartbeatAnswer, type MemberEffect, type MemberPartition, partitionKey } from './member-effects.ts'

/** What a member is made of. */
export interface MembershipSettings {
  /** Whether it has an instance id: it then leaves for a while only, and waits for its predecessor to be released. */
  readonly isStatic: boolean
  /** Silence after which the coordinator removes a member. */
  readonly sessionTimeoutMs: number
  /** Time in which a partition must be given up. */
  readonly rebalanceTimeoutMs: number
  /** Uniform in [0, 1). */
  readonly random: () => number
}

type PartitionPhase = 'held' | 'finishing' | 'committing' | 'releasing'

interface OwnedPartition {
  readonly partition: MemberPartition
  phase: PartitionPhase
  /** By when it must be given up; Infinity while held. */
  deadlineMs: number
}

/** Until the first answer says otherwise. */
const HEARTBEAT_INTERVAL_MS = 3_000
/** However eager the coordinator is. */
const HEARTBEAT_INTERVAL_MIN_MS = 10
/** Of the rebalance timeout: the rest is for the heartbeat that tells of it. */
const REVOCATION_SHARE = 0.8
/** How long after its session's end a static predecessor is waited for. */
const RELEASE_SLACK_MS = 5_000

/** The coordinator does not know this member under this epoch. */
const FENCED: ReadonlySet<ErrorName> = new Set(['FENCED_MEMBER_EPOCH', 'UNKNOWN_MEMBER_ID'] as const)

/** See the file's header. Every event returns what is to be done. */
export class Membership {
  readonly #settings: MembershipSettings
  readonly #owned = new Map<string, OwnedPartition>()
  #target = new Map<string, MemberPartition>()
  #stage: 'out' | 'joining' | 'in' | 'leaving' | 'done' = 'out'
  /** What it is heading for: `aside` = out of the group until `comeBack`. */
  #goal: 'member' | 'aside' | 'end' = 'member'
  #memberEpoch = 0
  #nextId = 1
  #inFlightId: number | null = null
  #isFullDue = true
  /** Whether an answer has shown that the coordinator knows what is owned. */
  #isOwnedTold = true
  /** The heartbeat that says what is owned as it is now. */
  #ownedTellingId: number | null = null
  /** Infinity while one is under way. */
  #heartbeatDueMs = Number.POSITIVE_INFINITY
  #sentMs = 0
  /** There is something to tell that somebody waits for: sent at once, in place of a heartbeat that is under way. */
  #isUrgent = false
  #intervalMs = HEARTBEAT_INTERVAL_MS
  #failureCount = 0
  #fenceCount = 0
  /** Nothing is handed out until the coordinator has answered. */
  #isHeld = false
  #patientUntilMs: number | null = null
  /** Whether the coordinator may have heard of the member since it was out. */
  #mayBeKnown = false
  #effects: MemberEffect[] = []

  constructor(settings: MembershipSettings) {
    this.#settings = settings
  }

  /** Of the last answer; 0 while it is no member. Goes with commits. */
  get memberEpoch(): number {
    return this.#memberEpoch
  }

  /** Whether the group has taken it in. */
  get isMember(): boolean {
    return this.#stage === 'in'
  }

  /** Whether it is over: nothing will be done any more. */
  get isDone(): boolean {
    return this.#stage === 'done'
  }

  /** Everything that it has and may be reading. */
  get owned(): MemberPartition[] {
    return [...this.#owned.values()].map(({ partition }) => partition)
  }

  /** Whether it owns the partition and nobody wants it back. */
  isHeld(partition: Pick<MemberPartition, 'topicId' | 'partition'>): boolean {
    return this.#owned.get(partitionKey(partition))?.phase === 'held'
  }

  /** Whether the partition is the member's: it may commit for it. */
  isOwned(partition: Pick<MemberPartition, 'topicId' | 'partition'>): boolean {
    return this.#owned.has(partitionKey(partition))
  }

  /** When `tick` has something to do; Infinity = when something else has happened. */
  get nextDeadlineMs(): number {
    let deadlineMs = this.#inFlightId === null && this.#isSending ? this.#heartbeatDueMs : Number.POSITIVE_INFINITY
    for (const owned of this.#owned.values()) deadlineMs = Math.min(deadlineMs, owned.deadlineMs)
    return deadlineMs
  }

  /** Begins to join. */
  start(nowMs: number): MemberEffect[] {
    invariant(this.#stage === 'out', () => `start of a member that is ${this.#stage}`)
    this.#join(nowMs)
    return this.#settle(nowMs)
  }

  /** Time has gone on. */
  tick(nowMs: number): MemberEffect[] {
    const late = [...this.#owned.values()].filter(({ deadlineMs }) => deadlineMs <= nowMs)
    if (late.length > 0) {
      const text = 'the partition was not given up in time: records in hand, a commit or a hook took too long'
      this.#lose(late, new StratalogError('REQUEST_TIMED_OUT', text))
      this.#isUrgent = true
    }
    return this.#settle(nowMs)
  }

  /** A heartbeat is wanted now: something suggests that the coordinator thinks otherwise. */
  hurry(nowMs: number): MemberEffect[] {
    this.#isUrgent = true
    return this.#settle(nowMs)
  }

  /**
   * The process has stood still for so long that its session may be over: nothing is handed out until the coordinator has
   * said that it is not, lest records be processed that others have processed and committed meanwhile.
   */
  stoodStill(nowMs: number): MemberEffect[] {
    if (this.#stage !== 'in') return []
    if (!this.#isHeld) this.#effects.push({ kind: 'hold' })
    this.#isHeld = true
    this.#isUrgent = true
    return this.#settle(nowMs)
  }

  /** The coordinator has answered a heartbeat. */
  answered(id: number, answer: HeartbeatAnswer, nowMs: number): MemberEffect[] {
    if (id !== this.#inFlightId) return []
    this.#inFlightId = null
    if (this.#stage === 'leaving') return this.#afterLeaving(nowMs)
    this.#failureCount = 0
    this.#patientUntilMs = null
    this.#isFullDue = false
    if (id === this.#ownedTellingId) this.#isOwnedTold = true
    // What is owned is acknowledged under the epoch that it belongs to.
    if (answer.memberEpoch !== this.#memberEpoch) this.#ownedChanged()
    this.#memberEpoch = answer.memberEpoch
    if (answer.heartbeatIntervalMs > 0) {
      this.#intervalMs = Math.max(HEARTBEAT_INTERVAL_MIN_MS, answer.heartbeatIntervalMs)
    }
    // From one sending to the next: a coordinator may keep a heartbeat for as long, in order to answer with news. After
    // news the next one goes out at once: it says that they came, and waits for what comes after them.
    this.#heartbeatDueMs = answer.assignment === null ? Math.max(nowMs, this.#sentMs + this.#intervalMs) : nowMs
    if (this.#stage === 'joining') {
      this.#stage = 'in'
      this.#effects.push({ kind: 'joined' })
    } else {
      this.#fenceCount = 0
    }
    if (answer.assignment !== null) {
      this.#target = new Map(answer.assignment.map((partition) => [partitionKey(partition), partition]))
      if (this.#goal === 'member') this.#reconcile(nowMs)
    }
    this.#proceed()
    return this.#settle(nowMs)
  }

  /** A heartbeat has failed, or was never answered. */
  failed(id: number, error: StratalogError, nowMs: number): MemberEffect[] {
    if (id !== this.#inFlightId) return []
    this.#inFlightId = null
    if (this.#stage === 'leaving') return this.#afterLeaving(nowMs)
    this.#isFullDue = true
    const { code } = error
    if (this.#stage === 'in' && (FENCED.has(code) || code === 'UNRELEASED_INSTANCE_ID')) {
      this.#fence(error, nowMs)
    } else if (!this.#mayPass(error, nowMs)) {
      this.#lose([...this.#owned.values()], error)
      this.#stage = 'done'
      this.#memberEpoch = 0
      this.#effects.push({ kind: 'fail', error })
    } else {
      this.#failureCount++
      this.#heartbeatDueMs = nowMs + backoffDelayMs(this.#failureCount, RETRY_BACKOFF, this.#settings.random)
    }
    return this.#settle(nowMs)
  }

  /** The records in hand of these partitions are done with. */
  finished(partitions: readonly MemberPartition[], nowMs: number): MemberEffect[] {
    this.#advance(partitions, 'finishing', 'committing')
    return this.#settle(nowMs)
  }

  /** What was processed of these partitions is committed, or cannot be. */
  committed(partitions: readonly MemberPartition[], nowMs: number): MemberEffect[] {
    this.#advance(partitions, 'committing', 'releasing')
    return this.#settle(nowMs)
  }

  /** The application has agreed that these partitions go. */
  givenUp(partitions: readonly MemberPartition[], nowMs: number): MemberEffect[] {
    const again: MemberPartition[] = []
    for (const partition of partitions) {
      const key = partitionKey(partition)
      if (this.#owned.get(key)?.phase !== 'releasing') continue
      this.#owned.delete(key)
      if (this.#goal === 'member' && this.#target.has(key)) {
        // It was given back meanwhile; the coordinator was never told that it was gone.
        this.#own(partition)
        again.push(partition)
      } else {
        this.#ownedChanged()
        this.#isUrgent = true
      }
    }
    if (again.length > 0) this.#effects.push({ kind: 'assign', partitions: again })
    return this.#settle(nowMs)
  }

  /**
   * Leaves the group until `comeBack`, so that others get what this one cannot process.
   *
   * @param stuck partitions that cannot be finished: lost at once. The others are given up in order.
   */
  stepAside(stuck: readonly MemberPartition[], reason: StratalogError, nowMs: number): MemberEffect[] {
    if (this.#goal !== 'member') return []
    this.#goal = 'aside'
    const owned = stuck.map((partition) => this.#owned.get(partitionKey(partition)))
    this.#lose(
      owned.filter((entry) => entry !== undefined),
      reason,
    )
    this.#revoke([...this.#owned.values()], nowMs + this.#settings.rebalanceTimeoutMs * REVOCATION_SHARE)
    return this.#settle(nowMs)
  }

  /** Joins again after `stepAside`. */
  comeBack(nowMs: number): MemberEffect[] {
    if (this.#goal !== 'aside') return []
    this.#goal = 'member'
    if (this.#stage === 'out') this.#join(nowMs)
    else if (this.#stage === 'in') this.#reconcile(nowMs)
    return this.#settle(nowMs)
  }

  /** Gives everything up in order and leaves for good. @param withinMs after it, what is left counts as lost. */
  close(nowMs: number, withinMs: number): MemberEffect[] {
    if (this.#goal === 'end') return []
    this.#goal = 'end'
    this.#revoke([...this.#owned.values()], nowMs + withinMs)
    return this.#settle(nowMs)
  }

  get #isSending(): boolean {
    return this.#stage === 'joining' || this.#stage === 'in'
  }

  #join(nowMs: number): void {
    invariant(this.#owned.size === 0, 'a member joins with partitions')
    this.#proceed()
    this.#stage = 'joining'
    this.#memberEpoch = 0
    this.#target = new Map()
    this.#isFullDue = true
    this.#heartbeatDueMs = nowMs
  }

  #proceed(): void {
    if (this.#isHeld) this.#effects.push({ kind: 'proceed' })
    this.#isHeld = false
  }

  #reconcile(nowMs: number): void {
    const unwanted = [...this.#owned].filter(([key]) => !this.#target.has(key)).map(([, owned]) => owned)
    this.#revoke(unwanted, nowMs + this.#settings.rebalanceTimeoutMs * REVOCATION_SHARE)
    const wanted = [...this.#target].filter(([key]) => !this.#owned.has(key)).map(([, partition]) => partition)
    if (wanted.length === 0) return
    for (const partition of wanted) this.#own(partition)
    // Told with the next heartbeat, which follows anyway.
    this.#ownedChanged()
    this.#effects.push({ kind: 'assign', partitions: wanted })
  }

  #ownedChanged(): void {
    this.#isOwnedTold = false
    this.#ownedTellingId = null
  }

  #own(partition: MemberPartition): void {
    const key = partitionKey(partition)
    invariant(!this.#owned.has(key), () => `${partition.topic}-${partition.partition} is assigned twice`)
    this.#owned.set(key, { partition, phase: 'held', deadlineMs: Number.POSITIVE_INFINITY })
  }

  #revoke(owned: readonly OwnedPartition[], deadlineMs: number): void {
    const partitions: MemberPartition[] = []
    for (const entry of owned) {
      entry.deadlineMs = Math.min(entry.deadlineMs, deadlineMs)
      if (entry.phase !== 'held') continue
      entry.phase = 'finishing'
      partitions.push(entry.partition)
    }
    if (partitions.length > 0) this.#effects.push({ kind: 'revoke', partitions })
  }

  #advance(partitions: readonly MemberPartition[], from: PartitionPhase, to: 'committing' | 'releasing'): void {
    const advanced = partitions.filter((partition) => {
      const owned = this.#owned.get(partitionKey(partition))
      if (owned?.phase !== from) return false
      owned.phase = to
      return true
    })
    if (advanced.length === 0) return
    this.#effects.push({ kind: to === 'committing' ? 'commit' : 'release', partitions: advanced })
  }

  #lose(owned: readonly OwnedPartition[], reason: StratalogError): void {
    if (owned.length === 0) return
    const partitions = owned.map(({ partition }) => partition)
    for (const partition of partitions) this.#owned.delete(partitionKey(partition))
    this.#ownedChanged()
    this.#effects.push({ kind: 'lose', partitions, reason })
  }

  #fence(error: StratalogError, nowMs: number): void {
    this.#lose([...this.#owned.values()], error)
    this.#mayBeKnown = false
    this.#join(nowMs)
    this.#heartbeatDueMs = nowMs + backoffDelayMs(this.#fenceCount, RETRY_BACKOFF, this.#settings.random)
    this.#fenceCount++
  }

  /** Whether the same heartbeat may succeed later. */
  #mayPass(error: StratalogError, nowMs: number): boolean {
    if (error.code === 'CLIENT_CLOSED') return false
    if (error.code === 'UNRELEASED_INSTANCE_ID') {
      // The member before it is still in the group, until it leaves or its session ends.
      this.#patientUntilMs ??= nowMs + this.#settings.sessionTimeoutMs + RELEASE_SLACK_MS
      return nowMs < this.#patientUntilMs
    }
    // CANCELLED: the shell has given up waiting for an answer.
    return (
      error.retriable || FENCED.has(error.code) || error.code === 'UNKNOWN_SERVER_ERROR' || error.code === 'CANCELLED'
    )
  }

  #afterLeaving(nowMs: number): MemberEffect[] {
    this.#stage = 'out'
    this.#memberEpoch = 0
    this.#mayBeKnown = false
    if (this.#goal === 'member') this.#join(nowMs)
    return this.#settle(nowMs)
  }

  /** Sends what is due, and hands over the effects. */
  #settle(nowMs: number): MemberEffect[] {
    if (this.#goal !== 'member' && this.#owned.size === 0 && this.#isSending) this.#leave()
    if (this.#goal === 'end' && this.#stage === 'out') {
      this.#stage = 'done'
      this.#effects.push({ kind: 'left' })
    }
    const isUrgent = this.#isUrgent && this.#stage === 'in'
    if (isUrgent || (this.#isSending && this.#inFlightId === null && nowMs >= this.#heartbeatDueMs)) this.#send(nowMs)
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /** Supersedes a heartbeat that is under way; but a join is waited for, lest it arrive after the leave. */
  #leave(): void {
    if (this.#stage === 'joining' && this.#inFlightId !== null) return
    this.#memberEpoch = 0
    if (!this.#mayBeKnown) {
      this.#stage = 'out'
      return
    }
    this.#stage = 'leaving'
    const memberEpoch = this.#goal === 'end' && this.#settings.isStatic ? -2 : -1
    this.#inFlightId = this.#nextId++
    const heartbeat = { id: this.#inFlightId, memberEpoch, isFull: false, owned: null }
    this.#effects.push({ kind: 'send', heartbeat })
  }

  #send(nowMs: number): void {
    const isFull = this.#isFullDue || this.#stage === 'joining'
    const owned = isFull || !this.#isOwnedTold ? this.owned : null
    const memberEpoch = this.#stage === 'joining' ? 0 : this.#memberEpoch
    this.#inFlightId = this.#nextId++
    this.#sentMs = nowMs
    this.#isUrgent = false
    if (owned !== null) this.#ownedTellingId = this.#inFlightId
    this.#mayBeKnown = true
    this.#heartbeatDueMs = Number.POSITIVE_INFINITY
    this.#effects.push({ kind: 'send', heartbeat: { id: this.#inFlightId, memberEpoch, isFull, owned } })
  }
}
