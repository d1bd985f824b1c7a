/**
 * The facts that make up the cluster's metadata, and their bytes.
 *
 * Bytes: one version byte, then the record as JSON in UTF-8. JSON because these records are few and are read by people
 * in trouble; the version byte because they are kept for ever. A reader refuses a version that it does not know.
 * Room is left in partitions for lineage (split from another at an offset) and for shared segments (a fork): both null.
 */
import { invariant } from '@stratalog/proto'

/** Where a partition comes from: a child of `partition` of the same topic, from `offset` on. */
export interface PartitionLineage {
  readonly partition: number
  readonly offset: number
}

/** Segments shared with another topic's partition, below `endOffset` (exclusive). */
export interface PartitionFork {
  readonly topicId: string
  readonly partition: number
  readonly endOffset: number
}

/** A partition and where its replicas are. */
export interface PartitionRecord {
  /** 0..n-1 in its topic. */
  readonly partition: number
  /** Broker ids, the preferred leader first; at least one. */
  readonly replicas: readonly number[]
  /** Null for a partition that was not split off another. */
  readonly lineage: PartitionLineage | null
  /** Null for a partition that shares no segments. */
  readonly fork: PartitionFork | null
}

/** A topic exists from here on. */
export interface TopicCreated {
  readonly type: 'topic-created'
  readonly name: string
  /** 32 lower-case hexadecimal digits. */
  readonly topicId: string
  readonly partitions: readonly PartitionRecord[]
  readonly configs: Readonly<Record<string, string>>
}

/** A topic is gone; its name is free. */
export interface TopicDeleted {
  readonly type: 'topic-deleted'
  readonly topicId: string
}

/** Values set on a topic, and keys that go back to the default. */
export interface TopicConfigChanged {
  readonly type: 'topic-config-changed'
  readonly topicId: string
  readonly set: Readonly<Record<string, string>>
  readonly unset: readonly string[]
}

/** Partitions after those there were. */
export interface PartitionsAdded {
  readonly type: 'partitions-added'
  readonly topicId: string
  readonly partitions: readonly PartitionRecord[]
}

/** All producer ids below `nextProducerId` are taken. */
export interface ProducerIdsAllocated {
  readonly type: 'producer-ids-allocated'
  readonly nextProducerId: number
}

/** A broker and where clients reach it; replaces what was known of it. */
export interface BrokerRegistered {
  readonly type: 'broker-registered'
  readonly brokerId: number
  readonly host: string
  readonly port: number
  readonly rack: string
}

/** Everything that the metadata log can hold. */
export type MetadataRecord =
  | TopicCreated
  | TopicDeleted
  | TopicConfigChanged
  | PartitionsAdded
  | ProducerIdsAllocated
  | BrokerRegistered

const RECORD_VERSION = 1

const RECORD_TYPES: ReadonlySet<string> = new Set<MetadataRecord['type']>([
  'topic-created',
  'topic-deleted',
  'topic-config-changed',
  'partitions-added',
  'producer-ids-allocated',
  'broker-registered',
])

/** The record's bytes. */
export function encodeMetadataRecord(record: MetadataRecord): Buffer {
  return Buffer.concat([Buffer.of(RECORD_VERSION), Buffer.from(JSON.stringify(record))])
}

/**
 * Reads back what {@link encodeMetadataRecord} wrote; the bytes come from a store or a log that checked them.
 * Throws InvariantError for a version or a type from a newer release: going on would lose what it says.
 */
export function decodeMetadataRecord(bytes: Buffer): MetadataRecord {
  invariant(
    bytes[0] === RECORD_VERSION,
    () => `metadata record has version ${bytes[0]}; this release reads ${RECORD_VERSION}`,
  )
  const record = JSON.parse(bytes.toString('utf8', 1)) as MetadataRecord
  invariant(RECORD_TYPES.has(record.type), () => `metadata record has the unknown type ${String(record.type)}`)
  return record
}
