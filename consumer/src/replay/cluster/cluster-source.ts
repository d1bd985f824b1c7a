/**
 * A cluster as the source of a replay. Plans are made with the partitions' leaders, records come from any replica, in
 * the class of reads that brokers serve behind live ones.
 */
import {
  type Client,
  checkedChoice,
  checkedInteger,
  formatAddress,
  type NumberRange,
  type OffsetAnswer,
  type OffsetPosition,
} from '@stratalog/client'
import { invariant, type TopicPartition, topicPartitionKey } from '@stratalog/proto'
import type { ReplayHost, ReplaySplit } from '../manifest.ts'
import type {
  RangeOfPartition,
  ReplaySource,
  ReplaySourceSpec,
  SourceBounds,
  SourceCallOptions,
  SourceChunk,
  SourceRange,
  SourceReadOptions,
  SourceTopic,
} from '../source.ts'
import { type ClusterReadOptions, readCluster } from './cluster-read.ts'

/** Options of `clusterSource`. */
export interface ClusterSourceOptions {
  /** Whom records are read from: any replica that is alive (default), or the leader only. */
  readonly readFrom?: 'leader' | 'any' | undefined
  /** How long attempts in a row to read a partition may fail before that is final; 0..3,600,000 ms, default 120,000. */
  readonly retryTimeoutMs?: number | undefined
  /** Silence of a broker after which another connection is made; 100..3,600,000 ms, default 15,000. */
  readonly stallTimeoutMs?: number | undefined
}

const RETRY_TIMEOUT_MS: NumberRange = { default: 120_000, min: 0, max: 3_600_000 }
const STALL_TIMEOUT_MS: NumberRange = { default: 15_000, min: 100, max: 3_600_000 }

/** A source over a client, which stays the caller's to close. Nothing is asked before it is used. */
export function clusterSource(client: Client, options: ClusterSourceOptions = {}): ReplaySource {
  return new ClusterSource(client, options, false)
}

/** As {@link clusterSource}, with a client that is closed with the source. */
export function owningClusterSource(client: Client, options: ClusterSourceOptions = {}): ReplaySource {
  return new ClusterSource(client, options, true)
}

class ClusterSource implements ReplaySource {
  readonly kind = 'cluster'
  readonly spec: ReplaySourceSpec
  readonly #client: Client
  readonly #how: ClusterReadOptions
  readonly #ownsClient: boolean

  constructor(client: Client, options: ClusterSourceOptions, ownsClient: boolean) {
    const readFrom = checkedChoice('readFrom', options.readFrom, ['any', 'leader'], 'any')
    const retryTimeoutMs = checkedInteger('retryTimeoutMs', options.retryTimeoutMs, RETRY_TIMEOUT_MS)
    const stallTimeoutMs = checkedInteger('stallTimeoutMs', options.stallTimeoutMs, STALL_TIMEOUT_MS)
    const { bootstrap, clientId, connectTimeoutMs, requestTimeoutMs, receiveMessageBytesMax } = client.options
    this.#client = client
    this.#how = { readFrom, retryTimeoutMs, stallTimeoutMs }
    this.#ownsClient = ownsClient
    this.spec = {
      kind: 'cluster',
      bootstrap: bootstrap.map(formatAddress),
      clientId,
      connectTimeoutMs,
      requestTimeoutMs,
      receiveMessageBytesMax,
      readFrom,
      retryTimeoutMs,
      stallTimeoutMs,
    }
  }

  async clusterId(options: SourceCallOptions = {}): Promise<string | null> {
    return (await this.#client.admin.describeCluster(options)).clusterId || null
  }

  async topic(name: string, options: SourceCallOptions = {}): Promise<SourceTopic> {
    const [topic] = await this.#client.admin.describeTopics([name], options)
    invariant(topic !== undefined, 'an answer for every topic')
    const partitions = topic.partitions.map(({ partition }) => partition)
    return { topic: name, topicId: topic.topicId.toString('hex'), partitions }
  }

  async bounds(partitions: readonly TopicPartition[], options: SourceCallOptions = {}): Promise<SourceBounds[]> {
    const answers = await this.#listOffsets(partitions, () => 'latest', options)
    return answers.map(({ logStartOffset, visibleEnd }) => ({ logStartOffset, visibleEnd }))
  }

  async offsetsForTime(
    questions: readonly (TopicPartition & { readonly timestampMs: number })[],
    options: SourceCallOptions = {},
  ): Promise<(number | null)[]> {
    const answers = await this.#listOffsets(questions, ({ timestampMs }) => ({ timestamp: timestampMs }), options)
    return answers.map(({ offset }) => offset)
  }

  async committedOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
    options: SourceCallOptions = {},
  ): Promise<(number | null)[]> {
    const topics = [...new Set(partitions.map(({ topic }) => topic))]
    const selection = topics.map((topic) => ({
      topic,
      partitions: partitions.flatMap((place) => (place.topic === topic ? [place.partition] : [])),
    }))
    const offsets = new Map<string, number | null>()
    for (const committed of await this.#client.admin.fetchOffsets(groupId, selection, options)) {
      if (committed.error !== null) throw committed.error
      offsets.set(topicPartitionKey(committed.topic, committed.partition), committed.offset)
    }
    return partitions.map(({ topic, partition }) => offsets.get(topicPartitionKey(topic, partition)) ?? null)
  }

  async range(range: RangeOfPartition, targetBytes: number, options: SourceCallOptions = {}): Promise<SourceRange> {
    const { startOffset, endOffset } = range
    const hosts = await this.#hosts(range, options)
    if (startOffset >= endOffset) return { points: [], hosts }
    const [answer] = await this.#client.admin.planSplits([{ ...range, targetBytes }], options)
    invariant(answer !== undefined, 'an answer for every query')
    if (answer.error !== null) throw answer.error
    const points = answer.splits.map((split) => ({
      offset: split.startOffset,
      bytes: split.bytes,
      leaderEpoch: split.leaderEpoch,
    }))
    return { points, hosts }
  }

  read(split: ReplaySplit, options: SourceReadOptions): AsyncIterable<SourceChunk> {
    return readCluster(this.#client, split, options, this.#how)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ownsClient) await this.#client.close()
  }

  async #listOffsets<Q extends TopicPartition>(
    questions: readonly Q[],
    positionOf: (question: Q) => OffsetPosition,
    options: SourceCallOptions,
  ): Promise<OffsetAnswer[]> {
    const queries = questions.map((question) => ({
      topic: question.topic,
      partition: question.partition,
      position: positionOf(question),
    }))
    const answers = await this.#client.admin.listOffsets(queries, options)
    for (const { error } of answers) if (error !== null) throw error
    return answers
  }

  async #hosts({ topic, partition }: TopicPartition, options: SourceCallOptions): Promise<ReplayHost[]> {
    const metadata = await this.#client.metadata.topic(topic, options)
    const found = metadata.partitions[partition]
    if (found === undefined) return []
    const ids = [...new Set([...(found.leaderId === null ? [] : [found.leaderId]), ...found.replicas])]
    const brokers = this.#client.metadata.brokers
    return ids.flatMap((brokerId) => {
      const broker = brokers.find((candidate) => candidate.brokerId === brokerId)
      return broker === undefined ? [] : [{ brokerId, host: broker.host, port: broker.port }]
    })
  }
}
