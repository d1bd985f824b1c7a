/**
 * WatchTopics: what was asked for, at once and again after every change.
 *
 * Changes of one turn of the event loop make one message. A client that has not taken its last message gets no new
 * one until it has, and then one with all that changed: a slow watcher costs one message of memory.
 */
import type { stratalog } from '@stratalog/proto'
import type { Partition } from '../../partition/partition.ts'
import type { OutboundStream } from '../call.ts'
import type { TopicView } from './topic-view.ts'

type Request = stratalog.v1.DescribeTopicsRequest
type Response = stratalog.v1.DescribeTopicsResponse.$Properties

interface Watch {
  readonly request: Request
  isStale: boolean
}

/** Bytes of a topic without partitions, and of a partition, in a message: near upper bounds. */
const TOPIC_BYTES = 400
const PARTITION_BYTES = 120

/** All watches of a broker. */
export class TopicWatches {
  readonly #view: TopicView
  readonly #answer: (request: Request, stream: OutboundStream<Response>) => Response
  readonly #partitions: () => Iterable<Partition>
  readonly #watches = new Map<OutboundStream<Response>, Watch>()
  #lastLeadership = 0
  #isScheduled = false

  /** @param partitions those that this broker holds. */
  constructor(
    view: TopicView,
    partitions: () => Iterable<Partition>,
    answer: (request: Request, stream: OutboundStream<Response>) => Response,
  ) {
    this.#view = view
    this.#partitions = partitions
    this.#answer = answer
  }

  /** Begins a watch. */
  open(request: Request, stream: OutboundStream<Response>): void {
    this.#watches.set(stream, { request, isStale: true })
    stream.onClose(() => this.#watches.delete(stream))
    stream.onFlush(() => this.#sendIfStale(stream))
    this.#sendIfStale(stream)
  }

  /** Something that topics or partitions tell has changed. */
  onChange(): void {
    for (const watch of this.#watches.values()) watch.isStale = true
    if (this.#isScheduled || this.#watches.size === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      for (const stream of this.#watches.keys()) this.#sendIfStale(stream)
    })
  }

  /**
   * Looks whether a partition has another leader, or serves no more; called every second or so. Partitions tell of
   * these changes with the same call as of every commit, which is no place for work per watch.
   */
  poll(): void {
    if (this.#watches.size === 0) return
    let leadership = 0
    for (const partition of this.#partitions()) {
      const { leaderId, leaderEpoch } = partition.describe()
      const isServing = partition.state().kind === 'serving' ? 1 : 0
      for (const value of [leaderId ?? -1, leaderEpoch, isServing]) leadership = (Math.imul(leadership, 31) + value) | 0
    }
    if (leadership !== this.#lastLeadership) this.onChange()
    this.#lastLeadership = leadership
  }

  /** The watches open now; they may end while they are visited. */
  streams(): OutboundStream<Response>[] {
    return [...this.#watches.keys()]
  }

  #sendIfStale(stream: OutboundStream<Response>): void {
    const watch = this.#watches.get(stream)
    if (watch === undefined || !watch.isStale || stream.unflushedBytes > 0) return
    watch.isStale = false
    stream.write(this.#answer(watch.request, stream), this.#estimateBytes())
  }

  #estimateBytes(): number {
    let bytes = 0
    for (const topic of this.#view.image.topicsByName.values()) {
      bytes += TOPIC_BYTES + PARTITION_BYTES * topic.partitions.length
    }
    return Math.max(bytes, TOPIC_BYTES)
  }
}
