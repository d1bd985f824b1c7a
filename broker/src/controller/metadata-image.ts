/**
 * What the cluster is: the fold of all metadata records. Immutable; a change makes a new image that shares what stayed.
 *
 * Pure: the same records give the same image on every broker and on every replay.
 * Invariant: topicsByName and topicsById hold the same topics; partition ids of a topic are 0..n-1.
 */
import { invariant } from '@stratalog/proto'
import type { MetadataRecord, PartitionRecord } from './metadata-records.ts'

/** One partition as the metadata knows it. */
export type PartitionImage = PartitionRecord

/** One topic. */
export interface TopicImage {
  readonly name: string
  /** 32 lower-case hexadecimal digits: the 16 bytes of the id. A topic created again under its name has another. */
  readonly topicId: string
  /** By partition id. */
  readonly partitions: readonly PartitionImage[]
  /** Only what was set on the topic itself; values are as they were given, checked. */
  readonly configs: ReadonlyMap<string, string>
}

/** One broker that has registered. */
export interface BrokerImage {
  readonly brokerId: number
  readonly host: string
  readonly port: number
  /** Failure domain; empty when not set. */
  readonly rack: string
}

/** The whole cluster. */
export interface MetadataImage {
  /** Exclusive end of the metadata log that this image contains: the number of records applied. */
  readonly metadataOffset: number
  readonly topicsByName: ReadonlyMap<string, TopicImage>
  readonly topicsById: ReadonlyMap<string, TopicImage>
  readonly brokers: ReadonlyMap<number, BrokerImage>
  /** Producer ids below this are given out, or in a block that was. */
  readonly nextProducerId: number
}

/** The image of a cluster in which nothing has happened. */
export const EMPTY_IMAGE: MetadataImage = {
  metadataOffset: 0,
  topicsByName: new Map(),
  topicsById: new Map(),
  brokers: new Map(),
  nextProducerId: 0,
}

/** The image after `records`, in order. Throws InvariantError for records that cannot follow. */
export function replay(image: MetadataImage, records: readonly MetadataRecord[]): MetadataImage {
  const draft = {
    topicsByName: new Map(image.topicsByName),
    topicsById: new Map(image.topicsById),
    brokers: new Map(image.brokers),
    nextProducerId: image.nextProducerId,
  }
  for (const record of records) applyRecord(draft, record)
  return { ...draft, metadataOffset: image.metadataOffset + records.length }
}

interface Draft {
  readonly topicsByName: Map<string, TopicImage>
  readonly topicsById: Map<string, TopicImage>
  readonly brokers: Map<number, BrokerImage>
  nextProducerId: number
}

function applyRecord(draft: Draft, record: MetadataRecord): void {
  switch (record.type) {
    case 'topic-created': {
      invariant(!draft.topicsByName.has(record.name), () => `topic ${record.name} is created twice`)
      invariant(!draft.topicsById.has(record.topicId), () => `topic id ${record.topicId} is used twice`)
      checkIds(record.partitions, 0)
      const configs = new Map(Object.entries(record.configs))
      putTopic(draft, { name: record.name, topicId: record.topicId, partitions: record.partitions, configs })
      return
    }
    case 'topic-deleted': {
      const topic = topicOf(draft, record.topicId)
      draft.topicsByName.delete(topic.name)
      draft.topicsById.delete(topic.topicId)
      return
    }
    case 'topic-config-changed': {
      const topic = topicOf(draft, record.topicId)
      const configs = new Map(topic.configs)
      for (const [key, value] of Object.entries(record.set)) configs.set(key, value)
      for (const key of record.unset) configs.delete(key)
      putTopic(draft, { ...topic, configs })
      return
    }
    case 'partitions-added': {
      const topic = topicOf(draft, record.topicId)
      checkIds(record.partitions, topic.partitions.length)
      putTopic(draft, { ...topic, partitions: [...topic.partitions, ...record.partitions] })
      return
    }
    case 'producer-ids-allocated':
      invariant(record.nextProducerId >= draft.nextProducerId, 'producer ids are never given back')
      draft.nextProducerId = record.nextProducerId
      return
    case 'broker-registered': {
      const { brokerId, host, port, rack } = record
      draft.brokers.set(brokerId, { brokerId, host, port, rack })
    }
  }
}

function topicOf(draft: Draft, topicId: string): TopicImage {
  const topic = draft.topicsById.get(topicId)
  invariant(topic !== undefined, () => `a record names topic id ${topicId}, which does not exist`)
  return topic
}

function putTopic(draft: Draft, topic: TopicImage): void {
  draft.topicsByName.set(topic.name, topic)
  draft.topicsById.set(topic.topicId, topic)
}

function checkIds(partitions: readonly PartitionRecord[], first: number): void {
  for (const [i, { partition }] of partitions.entries()) {
    invariant(partition === first + i, () => `partition ${partition} where ${first + i} is due`)
  }
}
