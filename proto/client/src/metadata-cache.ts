/**
 * Topics and leaders as last heard, shared by all producers and consumers of one client.
 *
 * Invariant: at most one describe call is under way. Who asks while it runs joins the next one, since the answer under
 * way may be older than what made them ask; so any number of askers cost two calls.
 * Invariant: after failures in a row the next call waits by a capped, jittered backoff (USERS.md 1, row 14).
 * Invariant: a leader that is known at an epoch is never replaced by one of a lower epoch, unless the topic is another
 * (its id changed).
 */
import { StratalogError } from '@stratalog/proto'
import { delay, throwIfAborted, withAbort } from './abort.ts'
import type { BrokerAddress } from './address.ts'
import { backoffDelayMs, RETRY_BACKOFF } from './backoff.ts'
import type { PartitionMetadata, TopicMetadata } from './topic-metadata.ts'

/** One describe call's result: each topic asked for, or why it cannot be described. */
export interface MetadataAnswer {
  readonly topics: ReadonlyMap<string, TopicMetadata | StratalogError>
  readonly brokers: readonly BrokerAddress[]
}

/** Asks a broker; rejects with StratalogError. */
export type DescribeTopics = (topics: readonly string[], signal: AbortSignal) => Promise<MetadataAnswer>

/** A describe call that runs or will run, and what it is to ask for. */
interface Flight {
  readonly topics: Set<string>
  readonly done: Promise<void>
}

/** Who leads a partition, as told by an error of the broker that does not. */
export interface LeaderNews {
  readonly leader: BrokerAddress
  readonly leaderEpoch: number
}

/** See the head of this file. */
export class MetadataCache {
  readonly #describe: DescribeTopics
  readonly #random: () => number
  readonly #closing = new AbortController()
  readonly #topics = new Map<string, TopicMetadata>()
  readonly #errors = new Map<string, StratalogError>()
  readonly #listeners = new Set<(topic: string) => void>()
  #brokers: readonly BrokerAddress[] = []
  #running: Flight | null = null
  #next: Flight | null = null
  #failureCount = 0

  constructor(describe: DescribeTopics, random: () => number = Math.random) {
    this.#describe = describe
    this.#random = random
  }

  /** Brokers of the cluster as last heard; empty before the first answer. */
  get brokers(): readonly BrokerAddress[] {
    return this.#brokers
  }

  /** What is known of a topic without asking. */
  peek(topic: string): TopicMetadata | undefined {
    return this.#topics.get(topic)
  }

  /** Why a topic could not be described when last asked for; `null` when it could, or was never asked for. */
  peekError(topic: string): StratalogError | null {
    return this.#errors.get(topic) ?? null
  }

  /** What is known of a partition's leader without asking; `null` when unknown. */
  peekLeader(topic: string, partition: number): BrokerAddress | null {
    return this.#topics.get(topic)?.partitions[partition]?.leader ?? null
  }

  /** A topic, asked for when not known. Errors: the broker's, such as UNKNOWN_TOPIC_OR_PARTITION; network errors. */
  async topic(name: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<TopicMetadata> {
    throwIfAborted(options.signal)
    const cached = this.#topics.get(name)
    if (cached !== undefined) return cached
    await this.refresh([name], options)
    const fresh = this.#topics.get(name)
    if (fresh !== undefined) return fresh
    throw this.#errors.get(name) ?? new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', undefined, { topic: name })
  }

  /**
   * Where a partition's leader is reached; asks when that is not known.
   * Errors: UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE, network errors.
   */
  async leader(
    topic: string,
    partition: number,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<BrokerAddress> {
    const known = (await this.topic(topic, options)).partitions[partition]
    if (known?.leader) return known.leader
    await this.refresh([topic], options)
    const metadata = await this.topic(topic, options)
    const entry = metadata.partitions[partition]
    if (entry === undefined) {
      const count = metadata.partitions.length
      throw new StratalogError(
        'UNKNOWN_TOPIC_OR_PARTITION',
        `topic ${topic} has ${count} partitions, 0..${count - 1}; there is no partition ${partition}`,
        { topic, partition },
      )
    }
    if (entry.leader === null) {
      throw entry.error ?? new StratalogError('LEADER_NOT_AVAILABLE', undefined, { topic, partition })
    }
    return entry.leader
  }

  /**
   * Asks again for these topics; what could not be described is forgotten. Resolves when an answer is in that was
   * asked for after this call. Errors: network errors.
   */
  refresh(topics: readonly string[], options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.reject(new StratalogError('CLIENT_CLOSED'))
    this.#next ??= this.#enqueue()
    for (const topic of topics) this.#next.topics.add(topic)
    return withAbort(this.#next.done, options.signal)
  }

  /** Takes note of a leader that an error named. Returns false when that is not newer than what is known. */
  applyLeader(topic: string, partition: number, news: LeaderNews): boolean {
    const known = this.#topics.get(topic)
    const entry = known?.partitions[partition]
    if (known === undefined || entry === undefined || entry.leaderEpoch > news.leaderEpoch) return false
    if (entry.leaderEpoch === news.leaderEpoch && entry.leader !== null) return false
    const updated: PartitionMetadata = {
      ...entry,
      leader: news.leader,
      leaderId: news.leader.brokerId,
      leaderEpoch: news.leaderEpoch,
    }
    this.#topics.set(topic, { ...known, partitions: known.partitions.with(partition, updated) })
    this.#notify(topic)
    return true
  }

  /** Calls `listener` with a topic's name whenever what is known of it changed. Returns a function that stops it. */
  onChange(listener: (topic: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Ends what is under way with CLIENT_CLOSED. */
  close(): void {
    this.#closing.abort(new StratalogError('CLIENT_CLOSED'))
    this.#listeners.clear()
  }

  #enqueue(): Flight {
    const topics = new Set<string>()
    const previous = this.#running?.done ?? Promise.resolve()
    const done = previous.then(
      () => this.#fly(topics),
      () => this.#fly(topics),
    )
    done.catch(() => {})
    return { topics, done }
  }

  async #fly(topics: Set<string>): Promise<void> {
    const signal = this.#closing.signal
    throwIfAborted(signal)
    if (this.#failureCount > 0) await delay(backoffDelayMs(this.#failureCount, RETRY_BACKOFF, this.#random), signal)
    this.#running = this.#next
    this.#next = null
    try {
      this.#apply(topics, await this.#describe([...topics], signal))
      this.#failureCount = 0
    } catch (error) {
      this.#failureCount++
      throw error
    } finally {
      this.#running = null
    }
  }

  #apply(asked: ReadonlySet<string>, answer: MetadataAnswer): void {
    if (answer.brokers.length > 0) this.#brokers = answer.brokers
    for (const name of asked) {
      const topic = answer.topics.get(name)
      if (topic === undefined || topic instanceof StratalogError) {
        this.#topics.delete(name)
        this.#errors.set(name, topic ?? new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', undefined, { topic: name }))
      } else {
        this.#errors.delete(name)
        this.#topics.set(name, newerLeaders(this.#topics.get(name), topic))
      }
      this.#notify(name)
    }
  }

  #notify(topic: string): void {
    for (const listener of this.#listeners) listener(topic)
  }
}

/** The fresh answer, with the leaders of what was known where those are of a higher epoch. */
function newerLeaders(known: TopicMetadata | undefined, fresh: TopicMetadata): TopicMetadata {
  if (known === undefined || !known.topicId.equals(fresh.topicId)) return fresh
  const partitions = fresh.partitions.map((entry) => {
    const old = known.partitions[entry.partition]
    if (old === undefined || old.leaderEpoch <= entry.leaderEpoch) return entry
    return { ...entry, leader: old.leader, leaderId: old.leaderId, leaderEpoch: old.leaderEpoch }
  })
  return { ...fresh, partitions }
}
