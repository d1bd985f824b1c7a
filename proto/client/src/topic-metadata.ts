/** What a client knows of topics, as plain values; made from the API's messages in this file only. */
import { fromErrorDetail, StratalogError, type stratalog } from '@stratalog/proto'
import { type BrokerAddress, fromEndpoint } from './address.ts'

/** One partition, as the answering broker sees it. */
export interface PartitionMetadata {
  /** int32 >= 0. */
  readonly partition: number
  /** Where its leader is reached; `null` when none is known. */
  readonly leader: BrokerAddress | null
  readonly leaderId: number | null
  /** Term of that leader; 0 = there was none ever. */
  readonly leaderEpoch: number
  /** Ids of the brokers that hold it, the preferred leader first. */
  readonly replicas: readonly number[]
  /** Those of them that the answering broker can reach. */
  readonly liveReplicas: readonly number[]
  /** Brokers that will hold it once the move under way is done; empty when there is none. */
  readonly targetReplicas: readonly number[]
  /** Why nobody serves the partition, or `null`. */
  readonly error: StratalogError | null
  /** First offset that can be read; `null` when the answering broker holds no replica. The ends likewise. */
  readonly logStartOffset: number | null
  /** One past the last committed record (exclusive). */
  readonly visibleEnd: number | null
  /** End of the committed log (exclusive). */
  readonly highWatermark: number | null
  /** Bytes of the answering broker's segment files. */
  readonly logBytes: number
  readonly segmentCount: number
}

/** A topic and its partitions, in order of their numbers. */
export interface TopicMetadata {
  readonly name: string
  /** 16 bytes; changes when a topic is deleted and created again. */
  readonly topicId: Buffer
  readonly partitions: readonly PartitionMetadata[]
  /** What differs from the broker's defaults. */
  readonly configs: Readonly<Record<string, string>>
  readonly replicationFactor: number
  readonly internal: boolean
}

/** The topic in a message of the API, or the error that it carries. */
export function toTopicMetadata(info: stratalog.v1.TopicInfo.$Properties): TopicMetadata | StratalogError {
  const name = info.name ?? ''
  if (info.error) return fromErrorDetail(info.error, { topic: name })
  const partitions = (info.partitions ?? []).map((partition) => toPartitionMetadata(name, partition))
  partitions.sort((a, b) => a.partition - b.partition)
  return {
    name,
    topicId: Buffer.from(info.topicId ?? []),
    partitions,
    configs: { ...info.configs },
    replicationFactor: info.replicationFactor ?? 0,
    internal: info.internal ?? false,
  }
}

/** As {@link toTopicMetadata}, for an answer that must hold a topic. Errors: the topic's own. */
export function expectTopic(info: stratalog.v1.TopicInfo.$Properties | null | undefined): TopicMetadata {
  if (!info) throw new StratalogError('UNKNOWN_SERVER_ERROR', 'the broker answered without the topic')
  const topic = toTopicMetadata(info)
  if (topic instanceof StratalogError) throw topic
  return topic
}

function toPartitionMetadata(topic: string, info: stratalog.v1.PartitionInfo.$Properties): PartitionMetadata {
  const partition = info.partition ?? 0
  const leaderId = info.leader?.leaderId ?? -1
  return {
    partition,
    leader: fromEndpoint(info.leader?.endpoint),
    leaderId: leaderId < 0 ? null : leaderId,
    leaderEpoch: info.leader?.leaderEpoch ?? 0,
    replicas: [...(info.replicas ?? [])],
    liveReplicas: [...(info.liveReplicas ?? [])],
    targetReplicas: [...(info.targetReplicas ?? [])],
    error: info.error ? fromErrorDetail(info.error, { topic, partition }) : null,
    logStartOffset: known(info.logStartOffset),
    visibleEnd: known(info.visibleEnd),
    highWatermark: known(info.highWatermark),
    logBytes: info.logBytes ?? 0,
    segmentCount: info.segmentCount ?? 0,
  }
}

function known(offset: number | null | undefined): number | null {
  return offset === null || offset === undefined || offset < 0 ? null : offset
}
