/**
 * The membership core with a clock and a network: heartbeats on their own timer, whatever the application does, and
 * effects handed on in order.
 *
 * A heartbeat that is superseded is cancelled at the coordinator too, which may be keeping it for news.
 */
import { type Client, isStratalogError, type StratalogError } from '@stratalog/client'
import { fromErrorDetail, GroupsService, type stratalog } from '@stratalog/proto'
import type { Heartbeat, HeartbeatAnswer, MemberEffect, MemberPartition } from './member-effects.ts'
import { Membership } from './membership.ts'
import type { ResolvedSubscribeOptions } from './subscribe-options.ts'

/** For a leave to be answered: whatever becomes of it, the session ends by itself. */
const LEAVE_TIMEOUT_MS = 1_000
/** For a heartbeat, at the least. */
const HEARTBEAT_TIMEOUT_MIN_MS = 10_000
/** Of that, how long the coordinator may keep it for news; the rest is for finding a coordinator, and the way. */
const HOLD_SHARE = 0.5

/** What a member's shell is made of. */
export interface MemberShellOptions {
  readonly client: Client
  readonly memberId: string
  readonly options: ResolvedSubscribeOptions
  /** Everything but `send`, which the shell does. */
  readonly onEffect: (effect: Exclude<MemberEffect, { readonly kind: 'send' }>) => void
  /** What the member is at, for DescribeGroup. */
  readonly stalls: () => stratalog.v1.MemberStall.$Properties[]
}

/** See the file's header. */
export class MemberShell {
  readonly membership: Membership
  readonly #options: MemberShellOptions
  readonly #queue: MemberEffect[] = []
  #isDraining = false
  #isStopped = false
  #timer: NodeJS.Timeout | null = null
  #underWay: AbortController | null = null
  /** Why the last heartbeat failed; null after an answer. */
  lastError: StratalogError | null = null

  constructor(options: MemberShellOptions) {
    this.#options = options
    const { instanceId, sessionTimeoutMs, rebalanceTimeoutMs } = options.options
    this.membership = new Membership({
      isStatic: instanceId !== '',
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      random: Math.random,
    })
  }

  get memberId(): string {
    return this.#options.memberId
  }

  /** Feeds an event to the core, with the time, and does what follows. */
  dispatch(event: (membership: Membership, nowMs: number) => MemberEffect[]): void {
    if (this.#isStopped) return
    this.#queue.push(...event(this.membership, performance.now()))
    if (this.#isDraining) return
    this.#isDraining = true
    try {
      for (let effect = this.#queue.shift(); effect !== undefined; effect = this.#queue.shift()) {
        if (effect.kind === 'send') this.#send(effect.heartbeat)
        else this.#options.onEffect(effect)
      }
    } finally {
      this.#isDraining = false
    }
    if (!this.#isStopped) this.#schedule()
  }

  /** Gives everything up and leaves. */
  close(withinMs: number): void {
    const joining = this.membership.isMember ? null : this.#underWay
    this.dispatch((membership, nowMs) => membership.close(nowMs, withinMs))
    // A join that nobody answers does not hold a close up.
    if (joining !== null && !this.membership.isDone) setTimeout(() => joining.abort(), LEAVE_TIMEOUT_MS).unref()
  }

  /** Ends at once, without a word to the coordinator. */
  stop(): void {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#underWay?.abort()
  }

  #schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const deadlineMs = this.membership.nextDeadlineMs
    if (deadlineMs === Number.POSITIVE_INFINITY || this.membership.isDone) return
    const waitMs = Math.max(0, Math.ceil(deadlineMs - performance.now()))
    this.#timer = setTimeout(() => this.dispatch((membership, nowMs) => membership.tick(nowMs)), waitMs)
  }

  #send(heartbeat: Heartbeat): void {
    this.#underWay?.abort()
    const underWay = new AbortController()
    this.#underWay = underWay
    void this.#call(heartbeat, underWay.signal).then(
      (answer) => {
        this.lastError = null
        this.dispatch((membership, nowMs) => membership.answered(heartbeat.id, answer, nowMs))
      },
      (error: unknown) => {
        if (!isStratalogError(error)) throw error
        if (!underWay.signal.aborted) this.#note(heartbeat, error)
        this.dispatch((membership, nowMs) => membership.failed(heartbeat.id, error, nowMs))
      },
    )
  }

  async #call(heartbeat: Heartbeat, signal: AbortSignal): Promise<HeartbeatAnswer> {
    const { client, memberId, options, stalls } = this.#options
    const { group, sessionTimeoutMs } = options
    const isLeave = heartbeat.memberEpoch < 0
    const timeoutMs = isLeave ? LEAVE_TIMEOUT_MS : Math.max(HEARTBEAT_TIMEOUT_MIN_MS, sessionTimeoutMs)
    const request: stratalog.v1.GroupHeartbeatRequest.$Properties = {
      groupId: group,
      memberId,
      memberEpoch: heartbeat.memberEpoch,
      instanceId: options.instanceId,
      ...(heartbeat.isFull ? { subscription: subscriptionOf(options, client.options.clientId) } : {}),
      ...(heartbeat.owned === null ? {} : { owned: { partitions: byTopic(heartbeat.owned) } }),
      stalls: isLeave ? [] : stalls(),
      maxWaitMs: isLeave ? 0 : Math.floor(timeoutMs * HOLD_SHARE),
    }
    const response = await client.groups.call(group, GroupsService.heartbeat, request, {
      signal,
      timeoutMs,
      errorOf: ({ error }) => (error ? fromErrorDetail(error) : null),
    })
    return {
      memberEpoch: response.memberEpoch,
      heartbeatIntervalMs: response.heartbeatIntervalMs,
      assignment: response.assignment ? fromTopics(response.assignment.partitions ?? []) : null,
    }
  }

  #note(heartbeat: Heartbeat, error: StratalogError): void {
    const { client, memberId, options } = this.#options
    const particulars = { group: options.group, memberId, memberEpoch: heartbeat.memberEpoch, code: error.code }
    const isNews = this.lastError?.code !== error.code
    this.lastError = error
    client.options.logger[isNews ? 'warn' : 'debug'](particulars, `heartbeat failed: ${error.message}`)
  }
}

/** Partitions as messages name them. */
export function byTopic(partitions: readonly MemberPartition[]): stratalog.v1.TopicPartitions.$Properties[] {
  const topics = new Map<string, { topic: string; topicId: Uint8Array; partitions: number[] }>()
  for (const { topic, topicId, partition } of partitions) {
    const id = Buffer.from(topicId).toString('hex')
    const entry = topics.get(id) ?? { topic, topicId, partitions: [] }
    entry.partitions.push(partition)
    topics.set(id, entry)
  }
  return [...topics.values()]
}

function fromTopics(topics: readonly stratalog.v1.TopicPartitions.$Properties[]): MemberPartition[] {
  return topics.flatMap(({ topic, topicId, partitions }) =>
    (partitions ?? []).map((partition) => ({ topic: topic ?? '', topicId: Buffer.from(topicId ?? []), partition })),
  )
}

function subscriptionOf(
  options: ResolvedSubscribeOptions,
  clientId: string,
): stratalog.v1.GroupSubscription.$Properties {
  const { topics, topicPattern, rack, rebalanceTimeoutMs, sessionTimeoutMs, assignor } = options
  return { topics: [...topics], topicPattern, rack, clientId, rebalanceTimeoutMs, sessionTimeoutMs, assignor }
}
