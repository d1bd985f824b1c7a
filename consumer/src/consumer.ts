/**
 * Entry to reading: a client, options, and at most one open subscription, so that `prefetchBytesMax` bounds the whole.
 */
import {
  backoffDelayMs,
  Client,
  type ClientOptions,
  createClient,
  delay,
  isStratalogError,
  RETRY_BACKOFF,
  StratalogError,
  throwIfAborted,
} from '@stratalog/client'
import { GroupSubscription } from './group/group-subscription.ts'
import { resolveSubscribeOptions, type SubscribeOptions } from './group/subscribe-options.ts'
import { type ConsumerOptions, type ResolvedConsumerOptions, resolveConsumerOptions } from './options.ts'
import { type AssignOptions, endOf, invalid, type PartitionAssignment, startOf } from './positions.ts'
import { type ListOffsets, type PartitionRequest, planStart } from './start-plan.ts'
import { Subscription, type SubscriptionPartition } from './subscription.ts'

/** Options of one call. */
export interface AssignCallOptions {
  /** Ends the call, and later the subscription: its iterations then throw CANCELLED. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Creates a consumer; connects when first used.
 *
 * @param client a client to be shared with other producers and consumers, which stays open when the consumer is
 *   closed; or options of a client of its own.
 * Errors: INVALID_CONFIG naming the option.
 */
export function createConsumer<K = Buffer, V = Buffer>(
  client: Client | ClientOptions = {},
  options: ConsumerOptions<K, V> = {},
): Consumer<K, V> {
  const resolved = resolveConsumerOptions(options)
  return client instanceof Client
    ? new Consumer(client, resolved, false)
    : new Consumer(createClient(client), resolved, true)
}

/** See the file's header. */
export class Consumer<K = Buffer, V = Buffer> implements AsyncDisposable {
  readonly client: Client
  readonly #options: ResolvedConsumerOptions<K, V>
  readonly #ownsClient: boolean
  #isOpening = false
  #subscription: Subscription<K, V> | GroupSubscription<K, V> | null = null
  #closed = false

  /** Use {@link createConsumer}. */
  constructor(client: Client, options: ResolvedConsumerOptions<K, V>, ownsClient: boolean) {
    this.client = client
    this.#options = options
    this.#ownsClient = ownsClient
  }

  /** The open subscription, or null. */
  get subscription(): Subscription<K, V> | GroupSubscription<K, V> | null {
    return this.#subscription
  }

  /**
   * Reads partitions of the application's choice, without a group.
   *
   * Asks the leaders for the bounds first, so the lag is known and a start that does not exist is found out at once.
   * Failures that waiting mends are retried for the client's `requestTimeoutMs`.
   *
   * Errors: INVALID_REQUEST naming what is wrong, or when a subscription is open; UNKNOWN_TOPIC_OR_PARTITION;
   * OFFSET_OUT_OF_RANGE under `onOutOfRange: 'fail'`; CANCELLED; CLIENT_CLOSED; network errors.
   */
  async assign(what: AssignOptions, call: AssignCallOptions = {}): Promise<Subscription<K, V>> {
    const { signal } = call
    return await this.#opening(signal, async () => {
      const partitions = await this.#retrying(signal, () => this.#plan(what, signal))
      throwIfAborted(signal)
      if (this.#closed) throw new StratalogError('CLIENT_CLOSED', 'the consumer was closed')
      const onClosed = (): void => {
        this.#subscription = null
      }
      const { client } = this
      const subscription = new Subscription({ client, options: this.#options, partitions, signal, onClosed })
      this.#subscription = subscription
      return subscription
    })
  }

  /**
   * Joins a group and reads the partitions that it gives to this member, from where the group stands.
   *
   * Resolves when the group has taken the member in; partitions come in the next moments. Failures that waiting mends are
   * retried for the client's `requestTimeoutMs`.
   *
   * Errors: INVALID_REQUEST naming what is wrong, or when a subscription is open; INVALID_CONFIG; INVALID_GROUP_ID,
   * INVALID_REGULAR_EXPRESSION, UNSUPPORTED_ASSIGNOR, GROUP_MAX_SIZE_REACHED; UNRELEASED_INSTANCE_ID when a member with
   * this instance id is in the group for the whole time; CANCELLED; CLIENT_CLOSED; network errors.
   */
  async subscribe(what: SubscribeOptions, call: AssignCallOptions = {}): Promise<GroupSubscription<K, V>> {
    const { signal } = call
    const subscribe = resolveSubscribeOptions(what)
    return await this.#opening(signal, async () => {
      const onClosed = (): void => {
        this.#subscription = null
      }
      const { client } = this
      const subscription = new GroupSubscription({ client, options: this.#options, subscribe, signal, onClosed })
      this.#subscription = subscription
      await subscription.join(client.options.requestTimeoutMs)
      return subscription
    })
  }

  /**
   * Ends the subscription, and the client if it is the consumer's own. Takes no longer than a turn of the event loop by
   * hand; in a group, as long as GroupSubscription.close does.
   */
  async close(): Promise<void> {
    this.#closed = true
    await this.#subscription?.close()
    if (this.#ownsClient) await this.client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** One subscription at a time, so that the budget of bytes holds for the whole consumer. */
  async #opening<T>(signal: AbortSignal | undefined, open: () => Promise<T>): Promise<T> {
    throwIfAborted(signal)
    if (this.#closed) throw new StratalogError('CLIENT_CLOSED', 'the consumer is closed')
    if (this.#isOpening || this.#subscription !== null) {
      throw invalid('this consumer has an open subscription: close it first, or create another consumer')
    }
    this.#isOpening = true
    try {
      return await open()
    } finally {
      this.#isOpening = false
    }
  }

  async #plan(what: AssignOptions, signal: AbortSignal | undefined): Promise<SubscriptionPartition[]> {
    const { metadata, admin } = this.client
    const topics = new Set([...(what.topics ?? []), ...(what.partitions ?? []).map(({ topic }) => topic)])
    if (topics.size === 0) throw invalid('neither topics nor partitions are given: say what to read')
    const given = byPlace(what.partitions ?? [])
    // Asked for anew: a topic that was created again since has another id.
    await metadata.refresh([...topics], { signal })
    for (const name of what.topics ?? []) {
      for (const { partition } of (await metadata.topic(name, { signal })).partitions) {
        const assignment = { topic: name, partition }
        const place = placeOf(assignment)
        if (!given.has(place)) given.set(place, assignment)
      }
    }
    const requests = toRequests([...given.values()], what)
    const listOffsets: ListOffsets = (queries, call) => admin.listOffsets(queries, call)
    const planned = await planStart(listOffsets, requests, this.#options.onOutOfRange, signal)
    return Promise.all(
      planned.map(async (plan) => ({ ...plan, topicId: (await metadata.topic(plan.topic, { signal })).topicId })),
    )
  }

  async #retrying<T>(signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
    const deadlineMs = performance.now() + this.client.options.requestTimeoutMs
    for (let failureCount = 1; ; failureCount++) {
      try {
        return await attempt()
      } catch (error) {
        const waitMs = backoffDelayMs(failureCount, RETRY_BACKOFF, Math.random)
        const isWorthIt = isStratalogError(error) && error.retriable && performance.now() + waitMs < deadlineMs
        if (!isWorthIt || this.#closed) throw error
        await delay(waitMs, signal)
      }
    }
  }
}

function toRequests(assignments: readonly PartitionAssignment[], what: AssignOptions): PartitionRequest[] {
  return assignments.map((assignment) => ({
    topic: assignment.topic,
    partition: assignment.partition,
    start: startOf(assignment, what.from),
    end: endOf(assignment, what.until),
  }))
}

function byPlace(assignments: readonly PartitionAssignment[]): Map<string, PartitionAssignment> {
  const given = new Map<string, PartitionAssignment>()
  for (const assignment of assignments) {
    const place = placeOf(assignment)
    if (given.has(place)) throw invalid(`partition ${assignment.partition} of ${assignment.topic} is given twice`)
    given.set(place, assignment)
  }
  return given
}

/** Checks a partition's name and number. Errors: INVALID_REQUEST. */
function placeOf({ topic, partition }: PartitionAssignment): string {
  if (typeof topic !== 'string' || topic === '') throw invalid(`topic is ${JSON.stringify(topic)}; it must be a name`)
  if (!Number.isInteger(partition) || partition < 0) {
    throw invalid(`partition of ${topic} is ${String(partition)}; it must be an integer of 0 or more`)
  }
  return `${topic}/${partition}`
}
