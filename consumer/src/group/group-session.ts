/**
 * The life of a member: does what the membership core says with the partitions, and tells it when that is done.
 *
 * Invariant: no record of a partition is handed out before `onAssigned` is over, nor after the partition is to be given up.
 * Invariant: a partition is given up after its records in hand are done with, what is processed is committed, and
 *   `onRevoked` is over; in that order.
 * Owner: the roster of the member's partitions, the heartbeats, the commits.
 */
import { randomUUID } from 'node:crypto'
import { type Client, isStratalogError } from '@stratalog/client'
import { StratalogError, type TopicPartition } from '@stratalog/proto'
import type { ConsumerBatch } from '../consumer-batch.ts'
import type { ConsumerRecord } from '../consumer-record.ts'
import type { Fetcher } from '../fetcher.ts'
import type { OutOfRangePolicy } from '../options.ts'
import type { PartitionState } from '../partition-state.ts'
import { Signal } from '../signal.ts'
import type { EmitEvent } from '../subscription-events.ts'
import type { SubscriptionState } from '../subscription-state.ts'
import { behind } from './committable.ts'
import type { GroupSubscriptionEvents } from './group-events.ts'
import { GroupPartition } from './group-partition.ts'
import { HookChain } from './hook-chain.ts'
import { type MemberEffect, type MemberPartition, partitionKey } from './member-effects.ts'
import type { MemberIdentity } from './member-identity.ts'
import { MemberShell } from './member-shell.ts'
import { type CommitOutcome, OffsetCommitter, type PartitionCommit } from './offset-committer.ts'
import type { HandedOut, OffsetTracker } from './offset-tracker.ts'
import { ProcessingWatch } from './processing-watch.ts'
import { type LocatedPartition, StartOffsets } from './start-offsets.ts'
import type { PositionControl, ResolvedSubscribeOptions } from './subscribe-options.ts'

/** For a commit that nobody waits for: the next one comes anyway. */
const INTERVAL_COMMIT_TIMEOUT_MS = 5_000
/** For the commit before a partition goes; the membership core has the last word. */
const HAND_OVER_COMMIT_TIMEOUT_MS = 30_000
/** Of the session timeout: a process that has stood still for so long asks whether its session is over. */
const STANDSTILL_SHARE = 0.5
/** Handed out and not committable, of one partition: beyond it nothing more is handed out until it is half of it. */
const UNFINISHED_MAX = 10_000

/** What a session is made of. */
export interface GroupSessionOptions {
  readonly client: Client
  readonly options: ResolvedSubscribeOptions
  readonly onOutOfRange: OutOfRangePolicy
  readonly core: SubscriptionState
  readonly fetcher: Fetcher
  readonly tell: EmitEvent<GroupSubscriptionEvents>
  /** For `onAssigned`. */
  readonly control: PositionControl
  /** The core has no such partition any more. */
  readonly onRemoved: (state: PartitionState) => void
  /** The session is over with an error. */
  readonly onFailed: (error: StratalogError) => void
}

/** See the file's header. */
export class GroupSession<K, V> {
  readonly memberId: string = randomUUID()
  /** Notified when a partition was added. */
  readonly assigned: Signal = new Signal()
  readonly watch: ProcessingWatch
  readonly #options: GroupSessionOptions
  readonly #roster = new Map<string, GroupPartition>()
  readonly #byState = new Map<PartitionState, GroupPartition>()
  readonly #member: MemberShell
  readonly #identity: MemberIdentity
  readonly #committer: OffsetCommitter
  readonly #starts: StartOffsets
  readonly #hooks = new HookChain()
  readonly #ending = new AbortController()
  readonly #leavingListeners = new Set<(partition: GroupPartition) => void>()
  /** Lost partitions whose records are in hand for too long. */
  readonly #stuck = new Set<OffsetTracker>()
  #finished: MemberPartition[] = []
  /** Wakes those that wait for the end of a hold; null while nothing is held. */
  #held: { readonly over: Promise<void>; readonly end: () => void } | null = null
  #commitTimer: NodeJS.Timeout | null = null
  #isCommitting = false
  #onJoined: () => void = () => {}
  #onOver: () => void = () => {}
  /** Resolves when the group has taken the member in for the first time. */
  readonly joined: Promise<void>
  /** Resolves when the member has left, or has failed. */
  readonly over: Promise<void>

  constructor(options: GroupSessionOptions) {
    this.#options = options
    const { client, options: subscribe, onOutOfRange } = options
    this.joined = new Promise((resolve) => {
      this.#onJoined = resolve
    })
    this.over = new Promise((resolve) => {
      this.#onOver = resolve
    })
    this.watch = new ProcessingWatch({
      maxProcessingTimeMs: subscribe.maxProcessingTimeMs,
      partitions: () => this.#roster.values(),
      onStalled: (stalled) => this.#onStalled(stalled),
      standstillMs: subscribe.sessionTimeoutMs * STANDSTILL_SHARE,
      onStoodStill: () => this.#member.dispatch((membership, nowMs) => membership.stoodStill(nowMs)),
    })
    this.#member = new MemberShell({
      client,
      memberId: this.memberId,
      options: subscribe,
      onEffect: (effect) => this.#onEffect(effect),
      stalls: () => this.watch.stalls(),
    })
    const { membership } = this.#member
    this.#identity = {
      client,
      group: subscribe.group,
      memberId: this.memberId,
      memberEpoch: () => membership.memberEpoch,
      isOwned: (place) => membership.isOwned(place),
      hurry: () => this.#member.dispatch((core, nowMs) => core.hurry(nowMs)),
    }
    this.#committer = new OffsetCommitter(this.#identity)
    this.#starts = new StartOffsets(this.#identity, subscribe.from, onOutOfRange)
  }

  /** Of the last heartbeat; 0 while it is no member. */
  get memberEpoch(): number {
    return this.#member.membership.memberEpoch
  }

  /** Why the last heartbeat failed; null after an answer. */
  get lastError(): StratalogError | null {
    return this.#member.lastError
  }

  /** Set while nothing may be begun, because the group may have gone on without this member: resolves when that is known. */
  get held(): Promise<void> | null {
    return this.#held?.over ?? null
  }

  /** The member's partitions. */
  get partitions(): Iterable<GroupPartition> {
    return this.#roster.values()
  }

  /** The partition of that name; null when it is not the member's. */
  find({ topic, partition }: TopicPartition): GroupPartition | null {
    let found: GroupPartition | null = null
    // Of a topic that was created anew, the old one may be on its way out.
    for (const each of this.#roster.values()) {
      if (each.place.topic === topic && each.place.partition === partition) found = each
    }
    return found
  }

  /** The partition that is read with this state. */
  of(state: PartitionState): GroupPartition | null {
    return this.#byState.get(state) ?? null
  }

  /** Begins to join. Errors: CANCELLED; network errors that last for `timeoutMs`. */
  async begin(timeoutMs: number): Promise<void> {
    await this.#starts.begin(timeoutMs, this.#ending.signal)
    if (this.#ending.signal.aborted) return
    const { options } = this.#options
    this.watch.start()
    if (options.autoCommit) {
      this.#commitTimer = setInterval(() => this.commitSoon(), options.autoCommitIntervalMs)
    }
    this.#member.dispatch((membership, nowMs) => membership.start(nowMs))
  }

  /** Takes account of a record or batch that is handed out. @param sinceMs see HandedOut. */
  handOut(
    state: PartitionState,
    item: ConsumerRecord<K, V> | ConsumerBatch<K, V>,
    sinceMs: number | null,
  ): HandedOut | null {
    const partition = this.#byState.get(state)
    const tracker = partition?.tracker
    if (!partition || !tracker) return null
    const { offset, nextOffset } = behind(item)
    // The out-of-range policy has gone back.
    if (offset < tracker.endOffset) tracker.rewind({ offset, leaderEpoch: -1 })
    // Behind a batch may lie control batches of a later leader.
    const isPlain = nextOffset === offset + 1
    const leaderEpoch = isPlain ? item.leaderEpoch : Math.max(item.leaderEpoch, state.lastEpoch)
    const entry = tracker.handOut(offset, nextOffset, leaderEpoch, sinceMs)
    if (tracker.unfinishedCount >= UNFINISHED_MAX && !partition.isWindowFull) {
      partition.isWindowFull = true
      this.#options.core.halt(state)
    }
    return entry
  }

  /** A seek has moved the partition. */
  moved(state: PartitionState, offset: number): void {
    const partition = this.#byState.get(state)
    if (partition === undefined) return
    const start = { offset, leaderEpoch: -1 }
    if (partition.tracker === null) partition.begin(state, start, () => this.#onSettled(partition))
    else partition.tracker.rewind(start)
  }

  /** The application goes on: what it has left behind counts as processed. */
  finishAbandoned(): void {
    for (const { tracker } of this.#roster.values()) tracker?.finishAbandoned()
  }

  /** Reads again what was handed out and is neither processed nor in hand. */
  readAgain(): void {
    const { core, fetcher } = this.#options
    for (const { state, tracker, leaving } of this.#roster.values()) {
      if (state === null || tracker === null || leaving.aborted) continue
      if (tracker.unfinishedCount === 0 || tracker.inHand.size > 0) continue
      const frontier = tracker.frontier(state)
      core.beginSeek(state)
      core.endSeek(state, frontier.offset)
      tracker.rewind(frontier)
      fetcher.restarted(state)
    }
  }

  /** Calls `listener` with each partition that is to be given up or lost. Returns a function that stops it. */
  onLeaving(listener: (partition: GroupPartition) => void): () => void {
    this.#leavingListeners.add(listener)
    return () => this.#leavingListeners.delete(listener)
  }

  /** Commits what is processed, unless that is under way. Tells of failures by event. */
  commitSoon(): void {
    if (this.#isCommitting || this.#ending.signal.aborted) return
    if (![...this.#roster.values()].some((partition) => partition.commitable() !== null)) return
    this.#isCommitting = true
    void this.commitProcessed([...this.#roster.values()], INTERVAL_COMMIT_TIMEOUT_MS).finally(() => {
      this.#isCommitting = false
    })
  }

  /** Commits what is processed of these partitions. Never rejects: outcomes tell. */
  commitProcessed(partitions: readonly GroupPartition[], timeoutMs: number): Promise<CommitOutcome[]> {
    return this.commit(
      () =>
        partitions.flatMap((partition) => {
          const frontier = partition.commitable()
          const { place, name } = partition
          return frontier === null ? [] : [{ ...name, topicId: place.topicId, ...frontier, place }]
        }),
      timeoutMs,
    )
  }

  /** Commits what `gather` gives when its turn has come. Never rejects: outcomes tell. */
  async commit(gather: () => readonly PartitionCommit[], timeoutMs: number): Promise<CommitOutcome[]> {
    const outcomes = await this.#committer.commit(gather, timeoutMs)
    const { tell } = this.#options
    const committed: (TopicPartition & { offset: number })[] = []
    for (const { commit, offset, error } of outcomes) {
      const { topic, partition, leaderEpoch = -1 } = commit
      if (error !== null) {
        tell('commitFailed', { topic, partition, offset: commit.offset, error })
        continue
      }
      const owner = this.#roster.get(partitionKey(commit.place))
      if (owner !== undefined) owner.committed = { offset, leaderEpoch }
      committed.push({ topic, partition, offset })
    }
    if (committed.length > 0) tell('committed', committed)
    return outcomes
  }

  /** A heartbeat will tell whether the partition is still the member's. */
  hurry(): void {
    this.#identity.hurry()
  }

  /** Gives everything up in order and leaves. Resolves when the member has left; the time for it is bounded. */
  async close(): Promise<void> {
    if (!this.#ending.signal.aborted) this.#member.close(this.#options.options.closeTimeoutMs)
    await this.over
  }

  /** Ends at once, without a word to the coordinator. */
  stop(): void {
    if (this.#ending.signal.aborted) return
    this.#ending.abort()
    this.#endHold()
    this.watch.stop()
    this.#member.stop()
    if (this.#commitTimer !== null) clearInterval(this.#commitTimer)
    this.#onOver()
  }

  #onEffect(effect: Exclude<MemberEffect, { readonly kind: 'send' }>): void {
    switch (effect.kind) {
      case 'joined':
        this.#onJoined()
        return
      case 'assign':
        this.#assign(effect.partitions)
        return
      case 'revoke':
        for (const partition of this.#present(effect.partitions)) void this.#finish(partition)
        return
      case 'commit':
        void this.#commitBeforeMove(effect.partitions)
        return
      case 'release':
        void this.#release(this.#present(effect.partitions))
        return
      case 'lose':
        this.#lose(this.#present(effect.partitions), effect.reason)
        return
      case 'hold':
        this.#hold()
        return
      case 'proceed':
        this.#endHold()
        for (const partition of this.#roster.values()) this.#proceed(partition)
        return
      case 'fail':
        this.stop()
        this.#options.onFailed(effect.error)
        return
      case 'left':
        this.stop()
    }
  }

  #present(places: readonly MemberPartition[]): GroupPartition[] {
    return places.flatMap((place) => this.#roster.get(partitionKey(place)) ?? [])
  }

  #hold(): void {
    let end = (): void => {}
    const over = new Promise<void>((resolve) => {
      end = resolve
    })
    this.#held = { over, end }
    for (const { state } of this.#roster.values()) if (state !== null) this.#options.core.halt(state)
  }

  #endHold(): void {
    this.#held?.end()
    this.#held = null
  }

  /** Hands out, unless there is a reason not to. */
  #proceed({ state, isReady, isWindowFull, leaving }: GroupPartition): void {
    if (state === null || !isReady || isWindowFull || leaving.aborted || this.#held !== null) return
    this.#options.core.proceed(state)
  }

  #assign(places: readonly MemberPartition[]): void {
    const partitions = places.map((place) => new GroupPartition(place))
    for (const partition of partitions) this.#roster.set(partition.key, partition)
    const starting = this.#starts.locate(partitions, (located) => this.#start(located), this.#ending.signal)
    starting.catch((error: unknown) => {
      if (!isStratalogError(error)) throw error
      if (!this.#ending.signal.aborted) this.#options.onFailed(error)
    })
  }

  /** Fetching begins; handing out begins when the application has been told. */
  #start(located: readonly LocatedPartition[]): void {
    const { core, fetcher, tell } = this.#options
    const started: GroupPartition[] = []
    for (const { partition, start, committed, planned, error } of located) {
      if (partition.leaving.aborted || this.#ending.signal.aborted) continue
      const { offset, leaderEpoch } = start
      const bounds = planned?.bounds ?? { logStartOffset: 0, highWatermark: offset, visibleEnd: offset }
      const state = core.add({ ...partition.place, offset, endOffset: null, bounds, lastEpoch: leaderEpoch })
      core.halt(state)
      this.#byState.set(state, partition)
      partition.committed = committed
      if (error === null) {
        partition.begin(state, start, () => this.#onSettled(partition))
      } else {
        // Nothing is known to commit, until a seek.
        partition.state = state
        core.fail(state, error)
      }
      if (planned !== null && planned.reset !== null) {
        tell('reset', { ...partition.name, from: planned.reset.from, to: offset, error: planned.reset.error })
      }
      started.push(partition)
    }
    if (started.length === 0) return
    fetcher.kick()
    void this.#announce(started)
  }

  async #announce(started: readonly GroupPartition[]): Promise<void> {
    const { options, tell, onFailed } = this.#options
    try {
      await this.#hooks.run(async () => {
        const partitions = started.filter(({ leaving }) => !leaving.aborted)
        if (partitions.length === 0) return
        for (const partition of partitions) partition.announced = true
        const names = partitions.map(({ name }) => name)
        await options.hooks.onAssigned?.(names, this.#options.control)
        for (const partition of partitions) {
          partition.isReady = true
          this.#proceed(partition)
        }
        tell('assigned', names)
      })
      // Where it begins is committed at once: the next owner must not begin at another end.
      if (options.autoCommit && started.some(({ committed }) => committed === null)) this.commitSoon()
    } catch (cause) {
      onFailed(hookFailed('onAssigned', cause))
    } finally {
      for (const partition of started) partition.markStarted()
      this.assigned.notify()
    }
  }

  /** Hands out no more; tells the core when what is in hand is done with. */
  async #finish(partition: GroupPartition): Promise<void> {
    this.#leave(partition)
    if (partition.state !== null) {
      await partition.started
      await partition.whenIdle()
    }
    // Those of one turn together: their offsets go in one commit.
    if (this.#finished.push(partition.place) > 1) return
    queueMicrotask(() => {
      const places = this.#finished
      this.#finished = []
      this.#member.dispatch((membership, nowMs) => membership.finished(places, nowMs))
    })
  }

  #leave(partition: GroupPartition): void {
    if (partition.state !== null) this.#options.core.halt(partition.state)
    partition.leave()
    for (const listener of this.#leavingListeners) listener(partition)
  }

  async #commitBeforeMove(places: readonly MemberPartition[]): Promise<void> {
    if (this.#options.options.autoCommit) {
      await this.commitProcessed(this.#present(places), HAND_OVER_COMMIT_TIMEOUT_MS)
    }
    this.#member.dispatch((membership, nowMs) => membership.committed(places, nowMs))
  }

  async #release(partitions: readonly GroupPartition[]): Promise<void> {
    const { options, tell } = this.#options
    const names = partitions.filter(({ announced }) => announced).map(({ name }) => name)
    if (names.length > 0) {
      await this.#hooks
        .run(async () => options.hooks.onRevoked?.(names))
        .catch((cause: unknown) => this.#warn('onRevoked', cause))
    }
    // What was lost while the hook ran is not in the roster any more.
    const released = partitions.filter((partition) => this.#roster.get(partition.key) === partition)
    for (const partition of released) this.#remove(partition)
    if (names.length > 0) tell('revoked', names)
    const places = released.map(({ place }) => place)
    this.#member.dispatch((membership, nowMs) => membership.givenUp(places, nowMs))
  }

  #lose(partitions: readonly GroupPartition[], reason: StratalogError): void {
    const { client, options, tell } = this.#options
    for (const partition of partitions) {
      partition.lose()
      this.#leave(partition)
      this.#remove(partition)
    }
    const names = partitions.map(({ name }) => name)
    client.options.logger.warn({ group: options.group, memberId: this.memberId, partitions: names }, reason.message)
    const announced = partitions.filter((partition) => partition.announced).map(({ name }) => name)
    if (announced.length === 0) return
    void this.#hooks
      .run(async () => options.hooks.onLost?.(announced, reason))
      .catch((cause: unknown) => this.#warn('onLost', cause))
      .then(() => tell('lost', { partitions: announced, reason }))
  }

  #remove(partition: GroupPartition): void {
    const { core, fetcher, onRemoved } = this.#options
    this.#roster.delete(partition.key)
    const { state } = partition
    if (state === null) return
    this.#byState.delete(state)
    core.remove(state)
    fetcher.forget(state)
    onRemoved(state)
  }

  #onSettled(partition: GroupPartition): void {
    const { tracker } = partition
    if (tracker === null) return
    if (partition.isWindowFull && tracker.unfinishedCount <= UNFINISHED_MAX / 2) {
      partition.isWindowFull = false
      this.#proceed(partition)
    }
    if (tracker.inHand.size > 0 || !this.#stuck.delete(tracker) || this.#stuck.size > 0) return
    this.#member.dispatch((membership, nowMs) => membership.comeBack(nowMs))
  }

  #onStalled(stalled: readonly (readonly [GroupPartition, HandedOut])[]): void {
    const { client, options, tell } = this.#options
    for (const [{ name }, entry] of stalled) {
      const event = { ...name, offset: entry.offset, forMs: Math.round(this.watch.ageMs(entry)) }
      client.options.logger.warn({ group: options.group, memberId: this.memberId, ...event }, 'a handler hangs')
      tell('handlerStalled', event)
    }
    if (options.onStalled === 'leave') void this.#stepAside(stalled)
  }

  /** Leaves the group until what hangs is done with; what was processed before it is committed first. */
  async #stepAside(stalled: readonly (readonly [GroupPartition, HandedOut])[]): Promise<void> {
    const { autoCommit, maxProcessingTimeMs } = this.#options.options
    const suspects = [...new Set(stalled.map(([partition]) => partition))]
    if (autoCommit) await this.commitProcessed(suspects, INTERVAL_COMMIT_TIMEOUT_MS)
    const hanging = stalled.filter(([{ tracker, gone }, entry]) => tracker?.inHand.has(entry) && !gone.aborted)
    const [first] = hanging
    if (first === undefined || this.#ending.signal.aborted) return
    const partitions = [...new Set(hanging.map(([partition]) => partition))]
    for (const { tracker } of partitions) if (tracker !== null) this.#stuck.add(tracker)
    const [{ name }, { offset }] = first
    const text = `a handler has been at offset ${offset} of ${name.topic}-${name.partition} for ${maxProcessingTimeMs} ms`
    const hint = 'Find out what the handler waits for, or raise maxProcessingTimeMs.'
    const reason = new StratalogError('STALLED', text, { ...name, hint })
    const places = partitions.map(({ place }) => place)
    this.#member.dispatch((membership, nowMs) => membership.stepAside(places, reason, nowMs))
  }

  #warn(hook: string, cause: unknown): void {
    const { client, options } = this.#options
    client.options.logger.error({ group: options.group, memberId: this.memberId, err: cause }, `${hook} failed`)
  }
}

function hookFailed(hook: string, cause: unknown): StratalogError {
  const text = `${hook} failed: ${cause instanceof Error ? cause.message : String(cause)}`
  return new StratalogError('HANDLER_FAILED', text, { cause })
}
