/**
 * Calls that a person or a script makes: topics, configuration, offsets, the cluster, a few plain records.
 *
 * Each is one request with one answer and a deadline. Changes are durable when answered. A call whose outcome is
 * unknown (the connection broke after it was sent) is repeated only if it changes nothing.
 */
import {
  AdminService,
  FetchService,
  fromErrorDetail,
  MetadataService,
  ProduceService,
  StratalogError,
  stratalog,
} from '@stratalog/proto'
import { fromEndpoint } from './address.ts'
import type {
  BrokerDescription,
  CallOptions,
  ClusterDescription,
  ConfigEntry,
  NewTopic,
  OffsetAnswer,
  OffsetPosition,
  OffsetQuery,
  PlainAck,
  PlainProduce,
  TopicConfigChange,
} from './admin-types.ts'
import type { Client } from './client.ts'
import { durabilityName } from './durability.ts'
import { leaderCall } from './leader-call.ts'
import { expectTopic, type TopicMetadata, toTopicMetadata } from './topic-metadata.ts'

const { OffsetAnchor, Acks, BrokerState, ConfigSource } = stratalog.v1

/** See the head of this file. */
export class AdminClient {
  readonly #client: Client

  constructor(client: Client) {
    this.#client = client
  }

  /** Creates a topic. Errors: TOPIC_ALREADY_EXISTS, INVALID_TOPIC, INVALID_PARTITIONS, INVALID_CONFIG, ... */
  async createTopic(topic: NewTopic, options: CallOptions = {}): Promise<TopicMetadata> {
    const { name, partitionCount = 0, replicationFactor = 0, configs = {}, validateOnly = false } = topic
    const response = await this.#client.call(
      AdminService.createTopic,
      { name, partitionCount, replicationFactor, configs, validateOnly },
      options,
    )
    return expectTopic(response.topic)
  }

  /** Deletes a topic and its records. Errors: UNKNOWN_TOPIC_OR_PARTITION. */
  async deleteTopic(name: string, options: CallOptions = {}): Promise<void> {
    await this.#client.call(AdminService.deleteTopic, { name }, options)
  }

  /** All topics, sorted by name; internal ones only when asked for. */
  async listTopics(options: CallOptions & { readonly includeInternal?: boolean } = {}): Promise<TopicMetadata[]> {
    const { includeInternal = false } = options
    const response = await this.#client.call(MetadataService.describeTopics, { includeInternal }, options)
    const described = response.topics.map(toTopicMetadata)
    const topics = described.filter((topic): topic is TopicMetadata => !(topic instanceof StratalogError))
    return topics.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** These topics, in this order. Errors: the first topic's that cannot be described. */
  async describeTopics(names: readonly string[], options: CallOptions = {}): Promise<TopicMetadata[]> {
    if (names.length === 0) return []
    const response = await this.#client.call(MetadataService.describeTopics, { topics: [...names] }, options)
    return names.map((name) => expectTopic(response.topics.find((topic) => topic.name === name)))
  }

  /** Changes a topic's configuration. Errors: INVALID_CONFIG naming key, value and what is allowed. */
  async alterTopicConfig(name: string, change: TopicConfigChange, options: CallOptions = {}): Promise<TopicMetadata> {
    const { set = {}, unset = [], validateOnly = false } = change
    const request = { name, set, unset: [...unset], validateOnly }
    return expectTopic((await this.#client.call(AdminService.alterTopicConfig, request, options)).topic)
  }

  /** Raises the number of partitions to `partitionCount` (a total). Keys may then go to other partitions. */
  async addPartitions(name: string, partitionCount: number, options: CallOptions = {}): Promise<TopicMetadata> {
    const response = await this.#client.call(AdminService.addPartitions, { name, partitionCount }, options)
    return expectTopic(response.topic)
  }

  /** Every setting in force for a topic, with its source. */
  async describeTopicConfig(name: string, options: CallOptions = {}): Promise<ConfigEntry[]> {
    const response = await this.#client.call(AdminService.describeTopicConfig, { name }, options)
    return response.entries.map((entry) => ({
      key: entry.key ?? '',
      value: entry.value ?? '',
      source: configSource(entry.source),
      documentation: entry.documentation ?? '',
    }))
  }

  /** Offsets by position or time, one answer per query in order; each asked of the partition's leader. */
  async listOffsets(queries: readonly OffsetQuery[], options: CallOptions = {}): Promise<OffsetAnswer[]> {
    const answers = await leaderCall(this.#client, queries, options, async (broker, group, callOptions) => {
      const request = { queries: group.map(toQuery) }
      const response = await this.#client.call(FetchService.listOffsets, request, { ...callOptions, broker })
      return response.answers.map(toOffsetAnswer)
    })
    return answers.map((answer, index) => (answer instanceof StratalogError ? failed(queries[index]!, answer) : answer))
  }

  /** The cluster, its brokers, and what is wrong with it. */
  async describeCluster(options: CallOptions = {}): Promise<ClusterDescription> {
    const cluster = await this.#client.call(MetadataService.describeCluster, {}, options)
    return {
      clusterId: cluster.clusterId,
      controllerId: cluster.controllerId < 0 ? null : cluster.controllerId,
      brokerId: cluster.brokerId,
      version: cluster.version,
      brokers: cluster.brokers.map(toBroker),
      problems: [...cluster.problems],
      metadataOffset: cluster.metadataOffset,
    }
  }

  /** Sends a few records in one call, which the broker batches; see {@link PlainProduce}. */
  async produceRecords(request: PlainProduce, options: CallOptions = {}): Promise<PlainAck[]> {
    const { topic, partition, records, acks = 'all' } = request
    const message = {
      topic,
      ...(partition === undefined ? {} : { partition }),
      acks: acks === 'leader' ? Acks.ACKS_LEADER : Acks.ACKS_ALL,
      records: records.map((record) => ({
        ...optionalBytes('key', record.key),
        ...optionalBytes('value', record.value),
        headers: (record.headers ?? []).map(({ key, value }) => ({ key, ...optionalBytes('value', value) })),
        timestampMs: record.timestamp ?? 0,
      })),
    }
    const response = await this.#client.call(ProduceService.produceRecords, message, options)
    return response.acks.map((ack) => ({
      partition: ack.partition ?? 0,
      error: ack.error ? fromErrorDetail(ack.error, { topic }) : null,
      offset: ack.error || (ack.offset ?? -1) < 0 ? null : (ack.offset ?? 0),
      timestamp: ack.timestampMs ?? 0,
      durability: durabilityName(ack.durability),
    }))
  }
}

function optionalBytes<Name extends string>(
  name: Name,
  value: Uint8Array | string | null | undefined,
): { [K in Name]?: Uint8Array } {
  if (value === null || value === undefined) return {}
  return { [name]: typeof value === 'string' ? Buffer.from(value) : value } as { [K in Name]?: Uint8Array }
}

function toQuery({ topic, partition, position }: OffsetQuery): stratalog.v1.OffsetQuery.$Properties {
  if (typeof position === 'object') return { topic, partition, timestampMs: position.timestamp }
  return { topic, partition, anchor: anchorOf(position) }
}

function anchorOf(position: Extract<OffsetPosition, string>): stratalog.v1.OffsetAnchor {
  if (position === 'earliest') return OffsetAnchor.OFFSET_ANCHOR_EARLIEST
  if (position === 'latest') return OffsetAnchor.OFFSET_ANCHOR_LATEST
  return OffsetAnchor.OFFSET_ANCHOR_MAX_TIMESTAMP
}

function toOffsetAnswer(answer: stratalog.v1.OffsetAnswer.$Properties): OffsetAnswer {
  const offset = answer.offset ?? 0
  const timestamp = answer.timestampMs ?? -1
  return {
    topic: answer.topic ?? '',
    partition: answer.partition ?? 0,
    error: answer.error ? fromErrorDetail(answer.error) : null,
    offset: offset < 0 ? null : offset,
    timestamp: timestamp < 0 ? null : timestamp,
    leaderEpoch: answer.leaderEpoch ?? 0,
    logStartOffset: answer.logStartOffset ?? 0,
    visibleEnd: answer.visibleEnd ?? 0,
    highWatermark: answer.highWatermark ?? 0,
  }
}

function failed(query: OffsetQuery, error: StratalogError): OffsetAnswer {
  const nothing = { offset: null, timestamp: null, leaderEpoch: 0, logStartOffset: 0, visibleEnd: 0, highWatermark: 0 }
  return { topic: query.topic, partition: query.partition, error, ...nothing }
}

function configSource(source: stratalog.v1.ConfigSource | null | undefined): ConfigEntry['source'] {
  if (source === ConfigSource.CONFIG_SOURCE_TOPIC) return 'topic'
  return source === ConfigSource.CONFIG_SOURCE_BROKER ? 'broker' : 'default'
}

function toBroker(broker: stratalog.v1.BrokerInfo.$Properties): BrokerDescription {
  return {
    address: fromEndpoint(broker.endpoint),
    brokerId: broker.endpoint?.brokerId ?? 0,
    rack: broker.endpoint?.rack ?? '',
    state: brokerState(broker.state),
    pid: broker.pid ?? 0,
    leaderCount: broker.leaderCount ?? 0,
    replicaCount: broker.replicaCount ?? 0,
    logBytes: broker.logBytes ?? 0,
    startedAtMs: broker.startedAtMs ?? 0,
  }
}

function brokerState(state: stratalog.v1.BrokerState | null | undefined): BrokerDescription['state'] {
  if (state === BrokerState.BROKER_STATE_RUNNING) return 'running'
  if (state === BrokerState.BROKER_STATE_DRAINING) return 'draining'
  return state === BrokerState.BROKER_STATE_UNREACHABLE ? 'unreachable' : 'unknown'
}
