/**
 * Keeps every partition of a subscription attached to its leader's fetch stream: finds leaders, opens sessions, and
 * after any failure tries again until it works, the error is final, or the subscription is closed.
 *
 * ```
 *   detached --(leader found)--> attached --(stream lost, not leader, ...)--> detached, after a backoff
 *                                   |------(out of range)--> resolving --(policy)--> detached at the new offset
 *                                   '------(final error)---> failed
 * ```
 * Owner of the sessions and of the two timers (retry, watchdog). All decisions about offsets and credit are the core's.
 */
import { type BrokerAddress, type Client, formatAddress, isStratalogError, StratalogError } from '@stratalog/client'
import { fromErrorDetail, type stratalog } from '@stratalog/proto'
import { FetchSession, type SessionHandlers } from './fetch-session.ts'
import type { OutOfRangePolicy } from './options.ts'
import { boundsOf, outOfRangeError } from './out-of-range.ts'
import type { PartitionState } from './partition-state.ts'
import { RetrySchedule } from './retry-schedule.ts'
import type { EmitEvent } from './subscription-events.ts'
import type { SubscriptionState } from './subscription-state.ts'
import { Watchdog } from './watchdog.ts'

/** A session that has heard nothing for so long may be with a broker that leads no more. */
const MUTE_MS = 1_000

/** What a fetcher is made of. */
export interface FetcherOptions {
  readonly client: Client
  readonly core: SubscriptionState
  readonly emit: EmitEvent
  readonly onOutOfRange: OutOfRangePolicy
  readonly stallTimeoutMs: number
  /**
   * Whether somebody else will take the partition away if the error is final, so that it is not told to the application:
   * of a topic that was deleted, or created anew. Default: never.
   */
  readonly isTakenAway?: ((partition: PartitionState, error: StratalogError) => boolean) | undefined
  /** The client was closed under the subscription. */
  readonly onClientClosed: (error: StratalogError) => void
}

/** See the file's header. */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #sessions = new Map<number, FetchSession>()
  readonly #byName = new Map<string, FetchSession>()
  readonly #retries = new RetrySchedule(Math.random)
  readonly #watchdog: Watchdog<FetchSession | PartitionState>
  readonly #closing = new AbortController()
  readonly #sessionHandlers: SessionHandlers
  #nextSessionId = 1
  #watchdogTimer: NodeJS.Timeout | null = null
  #retryTimer: NodeJS.Timeout | null = null
  /** Sessions whose partitions' leaders are being looked up. */
  readonly #doubted = new Set<FetchSession>()
  #isAttaching = false
  #mustAttachAgain = false

  constructor(options: FetcherOptions) {
    this.#options = options
    this.#watchdog = new Watchdog(options.stallTimeoutMs)
    this.#sessionHandlers = {
      drain: (session) => options.core.drain(session.id),
      onData: (session, data) => this.#onData(session, data),
      onEnd: (session, error) => this.#onEnd(session, error),
    }
  }

  /** Begins. */
  start(): void {
    this.#watchdogTimer = setInterval(() => this.#watch(), this.#watchdog.tickMs)
    this.kick()
  }

  /** The core has something to send on a session. */
  onCommands(sessionId: number): void {
    this.#sessions.get(sessionId)?.schedule()
  }

  /** Some partition is detached: attach it now. */
  kick(): void {
    if (this.#closing.signal.aborted) return
    if (this.#isAttaching) this.#mustAttachAgain = true
    else void this.#attachDetached()
  }

  /** Ends everything at once. */
  close(): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    if (this.#watchdogTimer !== null) clearInterval(this.#watchdogTimer)
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer)
    for (const session of this.#sessions.values()) session.close()
    this.#sessions.clear()
    this.#byName.clear()
  }

  /** A seek has moved the partition: whatever failed before does not count. */
  restarted(partition: PartitionState): void {
    this.#retries.succeeded(partition)
    this.kick()
  }

  /** The core has removed the partition. */
  forget(partition: PartitionState): void {
    this.#retries.succeeded(partition)
    this.#watchdog.forget(partition)
  }

  /** One round at a time. Rejects for a broken invariant only, which nobody catches. */
  async #attachDetached(): Promise<void> {
    this.#isAttaching = true
    do {
      this.#mustAttachAgain = false
      const due = this.#due()
      if (due.length > 0) await this.#attachRound(due)
    } while (this.#mustAttachAgain && !this.#closing.signal.aborted)
    this.#isAttaching = false
    this.#scheduleRetry()
  }

  #due(): PartitionState[] {
    const nowMs = performance.now()
    return this.#detached().filter((partition) => this.#retries.waitMs(partition, nowMs) === 0)
  }

  #detached(): PartitionState[] {
    return this.#options.core.partitions.filter((partition) => partition.phase === 'detached')
  }

  #scheduleRetry(): void {
    if (this.#closing.signal.aborted) return
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer)
    this.#retryTimer = null
    const nowMs = performance.now()
    const waits = this.#detached().map((partition) => this.#retries.waitMs(partition, nowMs))
    if (waits.length === 0) return
    this.#retryTimer = setTimeout(() => this.kick(), Math.ceil(Math.min(...waits)))
  }

  async #attachRound(due: readonly PartitionState[]): Promise<void> {
    const { client } = this.#options
    const signal = this.#closing.signal
    const stale = new Set(due.filter((partition) => this.#retries.hasFailed(partition)).map(({ topic }) => topic))
    try {
      if (stale.size > 0) await client.metadata.refresh([...stale], { signal })
    } catch (error) {
      for (const partition of due) this.#onLookupError(partition, error)
      return
    }
    await Promise.all(
      due.map(async (partition) => {
        try {
          const topic = await client.metadata.topic(partition.topic, { signal })
          const leader = await client.metadata.leader(partition.topic, partition.partition, { signal })
          if (partition.phase !== 'detached' || signal.aborted) return
          if (topic.topicId.equals(partition.topicId)) this.#attach(partition, leader)
          else this.#onRecreated(partition, topic.topicId)
        } catch (error) {
          this.#onLookupError(partition, error)
        }
      }),
    )
  }

  #attach(partition: PartitionState, leader: BrokerAddress): void {
    const name = formatAddress(leader)
    let session = this.#byName.get(name)
    if (session === undefined) {
      session = new FetchSession(this.#options.client, this.#nextSessionId++, leader, this.#sessionHandlers)
      this.#sessions.set(session.id, session)
      this.#byName.set(name, session)
    }
    this.#watchdog.watch(session)
    this.#options.core.attach(partition, session.id)
  }

  #onLookupError(partition: PartitionState, error: unknown): void {
    if (!isStratalogError(error)) throw error
    if (this.#closing.signal.aborted || partition.phase !== 'detached') return
    if (error.code === 'CLIENT_CLOSED') this.#options.onClientClosed(error)
    else if (error.retriable) this.#retries.failed(partition, error, performance.now())
    else this.#fail(partition, error)
  }

  /** A detached partition cannot be read. */
  #fail(partition: PartitionState, error: StratalogError): void {
    if (this.#options.isTakenAway?.(partition, error) === true) {
      this.#retries.failed(partition, error, performance.now())
    } else {
      this.#options.core.fail(partition, error)
    }
  }

  #onData(session: FetchSession, data: readonly stratalog.v1.FetchData.$Properties[]): void {
    const { core, emit } = this.#options
    this.#watchdog.heard(session)
    if (!session.heard) {
      session.heard = true
      emit('connected', { broker: session.name })
    }
    let messageBytes = 0
    for (const { recordBatches } of data) messageBytes += recordBatches?.length ?? 0
    for (const entry of data) {
      const received = core.receive(entry, ownBytes(entry.recordBatches ?? null, messageBytes))
      if (received === null) continue
      if (received.error === null) this.#works(received.partition)
      else this.#onHandleError(received.partition, received.error)
    }
  }

  #works(partition: PartitionState): void {
    this.#retries.succeeded(partition)
    this.#watchdog.heard(partition)
  }

  #onHandleError(partition: PartitionState, detail: stratalog.v1.ErrorDetail.$Properties): void {
    const { client } = this.#options
    const { topic, partition: number } = partition
    const error = fromErrorDetail(detail, { topic, partition: number })
    const { leader } = error
    if (leader !== null && leader.host !== null && leader.port !== null) {
      const address = { brokerId: leader.leaderId, host: leader.host, port: leader.port }
      // A later leader than the one known: it is asked at once. Epochs grow, so this cannot go round in circles.
      if (client.metadata.applyLeader(topic, number, { leader: address, leaderEpoch: leader.leaderEpoch })) {
        this.restarted(partition)
        return
      }
    }
    if (error.retriable) this.#prepare([partition])
    if (error.code === 'OFFSET_OUT_OF_RANGE') {
      this.#outOfRange(partition, error)
    } else if (error.retriable || error.code === 'UNKNOWN_TOPIC_OR_PARTITION') {
      // A broker that starts does not know every partition at once: the metadata, asked for anew, decides.
      this.#retries.failed(partition, error, performance.now())
      this.kick()
    } else {
      this.#fail(partition, error)
    }
  }

  #outOfRange(partition: PartitionState, cause: StratalogError): void {
    const { core, emit, onOutOfRange } = this.#options
    const asked = partition.fetchPosition
    const bounds = boundsOf(cause, partition.bounds)
    const error = outOfRangeError(partition, asked, bounds, cause)
    partition.bounds = bounds
    if (onOutOfRange === 'fail') {
      core.fail(partition, error)
      return
    }
    const offset = onOutOfRange === 'earliest' ? bounds.logStartOffset : bounds.visibleEnd
    core.reset(partition, offset)
    emit('reset', { topic: partition.topic, partition: partition.partition, from: asked, to: offset, error })
    this.kick()
  }

  /** The topic of that name is another one now: offsets of the old one mean nothing in it. */
  #onRecreated(partition: PartitionState, topicId: Uint8Array): void {
    const { core, emit, onOutOfRange } = this.#options
    const { topic, partition: number, fetchPosition: from } = partition
    const error = new StratalogError(
      'UNKNOWN_TOPIC_ID',
      `topic ${topic} was deleted and created again; offset ${from} of ${topic}-${number} belonged to the old one`,
      { topic, partition: number, hint: 'Assign the topic again, or choose onOutOfRange to go on in the new one.' },
    )
    if (onOutOfRange === 'fail' || this.#options.isTakenAway?.(partition, error) === true) {
      this.#fail(partition, error)
      return
    }
    // A new topic is read from its beginning under either policy: all of it is later than what was read.
    partition.topicId = topicId
    core.reset(partition, 0)
    this.#retries.succeeded(partition)
    this.#mustAttachAgain = true
    emit('reset', { topic, partition: number, from, to: 0, error })
  }

  #onEnd(session: FetchSession, error: StratalogError | null): void {
    const { emit, onClientClosed } = this.#options
    if (this.#closing.signal.aborted) return
    const lost = this.#drop(session)
    if (error?.code === 'CLIENT_CLOSED') {
      onClientClosed(error)
      return
    }
    this.#prepare(lost)
    for (const partition of lost) {
      if (error === null || error.retriable) this.#retries.failed(partition, error, performance.now())
      else this.#fail(partition, error)
    }
    emit('disconnected', { broker: session.name, error })
    this.kick()
  }

  /** Connects to those that may lead these next, at the first failure, so that this need not be waited for later. */
  #prepare(partitions: readonly PartitionState[]): void {
    const { metadata } = this.#options.client
    const replicas = new Set<number>()
    for (const state of partitions) {
      if (this.#retries.hasFailed(state)) continue
      const { topic, partition } = state
      for (const brokerId of metadata.peek(topic)?.partitions[partition]?.replicas ?? []) replicas.add(brokerId)
    }
    for (const broker of metadata.brokers) {
      if (broker.brokerId !== null && replicas.has(broker.brokerId)) this.#options.client.prepare(broker, 'fetch')
    }
  }

  #drop(session: FetchSession): PartitionState[] {
    this.#sessions.delete(session.id)
    if (this.#byName.get(session.name) === session) this.#byName.delete(session.name)
    this.#watchdog.forget(session)
    return this.#options.core.detachSession(session.id)
  }

  /** The watchdog's tick. Silent sessions are replaced; a partition silent on a session that speaks begins anew. */
  #watch(): void {
    const { core } = this.#options
    this.#watchWhoOwesNews()
    this.#doubtMute()
    const stalled = this.#watchdog.tick(performance.now())
    const told = new Set<PartitionState>()
    for (const item of stalled) {
      if (item instanceof FetchSession) for (const partition of this.#replaceSilent(item)) told.add(partition)
    }
    for (const item of stalled) {
      if (item instanceof FetchSession || told.has(item)) continue
      const session = item.sessionId === null ? undefined : this.#sessions.get(item.sessionId)
      const error = this.#tellStalled(session?.name ?? null, [item], this.#retries.lastError(item))
      if (session === undefined) continue
      core.detach(item)
      this.#retries.failed(item, error, performance.now())
    }
    if (stalled.length > 0) this.kick()
  }

  /** A broker that cannot even be connected to holds up nobody whose partition is led by another one by now. */
  #doubtMute(): void {
    const nowMs = performance.now()
    for (const session of this.#sessions.values()) {
      if (session.heard || nowMs - session.openedMs < MUTE_MS || this.#doubted.has(session)) continue
      this.#doubted.add(session)
      void this.#lookElsewhere(session).finally(() => this.#doubted.delete(session))
    }
  }

  async #lookElsewhere(session: FetchSession): Promise<void> {
    const { client, core } = this.#options
    const waiting = core.partitions.filter(({ sessionId }) => sessionId === session.id)
    try {
      const topics = new Set(waiting.map(({ topic }) => topic))
      await client.metadata.refresh([...topics], { signal: this.#closing.signal })
    } catch {
      return
    }
    for (const partition of waiting) {
      const leader = client.metadata.peekLeader(partition.topic, partition.partition)
      if (partition.sessionId !== session.id || session.heard || leader === null) continue
      if (formatAddress(leader) !== session.name) core.detach(partition)
    }
    this.kick()
  }

  /** Partitions that should be read, however often they were attached in vain, and sessions with handles. */
  #watchWhoOwesNews(): void {
    const active = new Set<number>()
    for (const partition of this.#options.core.partitions) {
      if (partition.sessionId !== null) active.add(partition.sessionId)
      if (partition.phase === 'detached' || partition.phase === 'attached') this.#watchdog.watch(partition)
      else this.#watchdog.forget(partition)
    }
    for (const session of this.#sessions.values()) {
      if (active.has(session.id)) this.#watchdog.watch(session)
      else this.#watchdog.forget(session)
    }
  }

  #replaceSilent(session: FetchSession): PartitionState[] {
    const lost = this.#drop(session)
    session.close({ silent: true })
    const error = this.#tellStalled(session.name, lost, null)
    for (const partition of lost) this.#retries.failed(partition, error, performance.now())
    return lost
  }

  #tellStalled(
    broker: string | null,
    partitions: readonly PartitionState[],
    cause: StratalogError | null,
  ): StratalogError {
    const { emit, stallTimeoutMs } = this.#options
    const who = broker === null ? 'no leader was reached' : `nothing was heard from ${broker}`
    const error = new StratalogError('STALLED', `${who} for ${stallTimeoutMs} ms`, cause === null ? {} : { cause })
    const places = partitions.map(({ topic, partition }) => ({ topic, partition }))
    emit('stalled', { broker, partitions: places, silentMs: stallTimeoutMs, error })
    return error
  }
}

/**
 * The batches as a Buffer. A small part of a big message is copied, so that a partition that nobody reads keeps at
 * most twice its own bytes alive.
 */
function ownBytes(batches: Uint8Array | null, messageBytes: number): Buffer | null {
  if (batches === null || batches.length === 0) return null
  if (batches.length * 2 < messageBytes) return Buffer.from(batches)
  return Buffer.isBuffer(batches) ? batches : Buffer.from(batches.buffer, batches.byteOffset, batches.byteLength)
}
