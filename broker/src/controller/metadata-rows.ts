/**
 * The image as rows of a key-value store, each with the part of the image that can change by itself.
 * ```
 * meta/applied             how much of the log the rows contain     meta/broker/<id>     a broker
 * meta/cluster             its id, controllers, feature level       meta/removed/<id>    a broker that was removed
 * meta/topic/<topic id>    a topic with its partitions              meta/producer-ids    the next producer id
 * meta/command/<slot>      an executed command, in a ring
 * ```
 * Rows of version 1 (releases with one broker) are records that make their part anew; they go with no log.
 */
import { invariant } from '@stratalog/proto'
import { z } from 'zod'
import type { StoreOperation } from '../storage/key-value-store.ts'
import {
  decodeMetadataRecord,
  decodeVersioned,
  encodeVersioned,
  partitionSchema,
  replicaSchema,
  resultSchema,
  versionOf,
} from './metadata-codec.ts'
import { MetadataError } from './metadata-error.ts'
import {
  type BrokerImage,
  EMPTY_IMAGE,
  type ExecutedCommand,
  FEATURE_LEVEL,
  type MetadataImage,
  REMEMBERED_COMMAND_COUNT,
  type RemovedBroker,
  type TopicImage,
} from './metadata-image.ts'
import type { MetadataRecord, PartitionRecord } from './metadata-records.ts'
import { replay } from './metadata-replay.ts'

/** All keys of the metadata begin so. */
export const METADATA_ROW_PREFIX = 'meta/'

const APPLIED_KEY = 'meta/applied'
const CLUSTER_KEY = 'meta/cluster'
const PRODUCER_IDS_KEY = 'meta/producer-ids'

const count = z.number().int().nonnegative()
const appliedSchema = z.strictObject({ metadataOffset: count })
const clusterSchema = z.strictObject({
  clusterId: z.string(),
  featureLevel: count,
  controllers: z.array(replicaSchema),
})
const producerIdsSchema = z.strictObject({ nextProducerId: count })

/** A topic as a row, and as it travels. */
export interface TopicRow {
  readonly name: string
  readonly topicId: string
  readonly partitions: readonly PartitionRecord[]
  readonly configs: Readonly<Record<string, string>>
}

/** See {@link TopicRow}. */
export const topicSchema: z.ZodType<TopicRow> = z.strictObject({
  name: z.string(),
  topicId: z.string(),
  partitions: z.array(partitionSchema),
  configs: z.record(z.string(), z.string()),
})
const brokerSchema: z.ZodType<BrokerImage> = z.strictObject({
  brokerId: count,
  host: z.string(),
  port: count,
  rack: z.string(),
  peerHost: z.string(),
  peerPort: count,
  directoryId: z.string(),
  run: z.string(),
  formerRuns: z.array(z.string()),
  storageLost: z.boolean(),
  metadataGeneration: count,
  isDrained: z.boolean(),
  isDecommissioning: z.boolean(),
})
const removedSchema: z.ZodType<RemovedBroker> = z.strictObject({
  brokerId: count,
  metadataGeneration: count,
  directoryIds: z.array(z.string()),
})
const commandSchema: z.ZodType<ExecutedCommand> = z.strictObject({
  serial: count,
  commandId: z.string(),
  result: resultSchema,
})

/** What a store holds. */
export interface StoredMetadata {
  readonly image: MetadataImage
  /** Whether it is from a release with one broker, so that no log stands behind it. Then its offset is 0. */
  readonly isLegacy: boolean
}

/** The operations that make the rows of `before` those of `next`. */
export function rowChanges(before: MetadataImage, next: MetadataImage): StoreOperation[] {
  const operations: StoreOperation[] = [put(APPLIED_KEY, { metadataOffset: next.metadataOffset })]
  const { clusterId, featureLevel, controllers } = next
  // With its founding a cluster begins anew: no row of before it may stay, though it says the same.
  const isFounded = clusterId !== before.clusterId
  if (isFounded || featureLevel !== before.featureLevel || controllers !== before.controllers) {
    operations.push(put(CLUSTER_KEY, { clusterId, featureLevel, controllers }))
  }
  if (isFounded || next.nextProducerId !== before.nextProducerId) {
    operations.push(put(PRODUCER_IDS_KEY, { nextProducerId: next.nextProducerId }))
  }
  operations.push(
    ...mapChanges('meta/topic/', before.topicsById, next.topicsById, topicRow),
    ...mapChanges('meta/broker/', before.brokers, next.brokers, (broker) => broker),
    ...mapChanges('meta/removed/', before.removedBrokers, next.removedBrokers, (removed) => removed),
  )
  for (const command of next.commands.values()) {
    if (command.serial >= before.commandCount) operations.push(put(commandKey(command.serial), command))
  }
  return operations
}

/** The image that rows make up, in any order. Errors: MetadataError for rows that cannot be read. */
export function imageOfRows(rows: Iterable<readonly [key: string, value: Buffer]>): StoredMetadata {
  const versions = new Set<number>()
  const legacy: MetadataRecord[] = []
  const rest: (readonly [key: string, value: Buffer])[] = []
  let applied: Buffer | null = null
  for (const row of rows) {
    const [key, value] = row
    if (key === APPLIED_KEY) {
      applied = value
      continue
    }
    versions.add(versionOf(value))
    if (versionOf(value) === 1) legacy.push(decodeMetadataRecord(value, `the row ${key}`))
    else rest.push(row)
  }
  if (applied === null) {
    if (legacy.length + rest.length > 0) {
      throw new MetadataError('METADATA_CORRUPT', `the metadata rows have no ${APPLIED_KEY}`)
    }
    return { image: EMPTY_IMAGE, isLegacy: false }
  }
  if (rest.length === 0 && isLegacyApplied(applied)) {
    return { image: replay(EMPTY_IMAGE, legacy, 0), isLegacy: legacy.length > 0 }
  }
  if (legacy.length > 0) throw new MetadataError('METADATA_CORRUPT', 'the metadata rows are of different versions')
  const { metadataOffset } = decodeVersioned(applied, appliedSchema, `the row ${APPLIED_KEY}`)
  return { image: imageOfCurrentRows(rest, metadataOffset), isLegacy: false }
}

/** Version 1 had JSON without a version byte here. */
function isLegacyApplied(applied: Buffer): boolean {
  return applied[0] === '{'.charCodeAt(0)
}

function imageOfCurrentRows(
  rows: readonly (readonly [key: string, value: Buffer])[],
  metadataOffset: number,
): MetadataImage {
  const topics: TopicImage[] = []
  const brokers: BrokerImage[] = []
  const removed: RemovedBroker[] = []
  const commands: ExecutedCommand[] = []
  let { nextProducerId } = EMPTY_IMAGE
  let cluster: z.infer<typeof clusterSchema> | null = null
  for (const [key, value] of rows) {
    const where = `the row ${key}`
    if (key.startsWith('meta/topic/')) topics.push(topicOfRow(decodeVersioned(value, topicSchema, where)))
    else if (key.startsWith('meta/broker/')) brokers.push(decodeVersioned(value, brokerSchema, where))
    else if (key.startsWith('meta/removed/')) removed.push(decodeVersioned(value, removedSchema, where))
    else if (key.startsWith('meta/command/')) commands.push(decodeVersioned(value, commandSchema, where))
    else if (key === PRODUCER_IDS_KEY) {
      nextProducerId = decodeVersioned(value, producerIdsSchema, where).nextProducerId
    } else if (key === CLUSTER_KEY) cluster = decodeVersioned(value, clusterSchema, where)
    else throw new MetadataError('METADATA_TOO_NEW', `${where} is not one that this release knows`)
  }
  if (cluster === null) throw new MetadataError('METADATA_CORRUPT', `the metadata rows have no ${CLUSTER_KEY}`)
  checkFeatureLevel(cluster.featureLevel)
  commands.sort((left, right) => left.serial - right.serial)
  return {
    metadataOffset,
    ...cluster,
    topicsByName: new Map(topics.map((topic) => [topic.name, topic])),
    topicsById: new Map(topics.map((topic) => [topic.topicId, topic])),
    brokers: new Map(brokers.map((broker) => [broker.brokerId, broker])),
    removedBrokers: new Map(removed.map((broker) => [broker.brokerId, broker])),
    nextProducerId,
    commands: new Map(commands.map((command) => [command.commandId, command])),
    commandCount: (commands.at(-1)?.serial ?? -1) + 1,
  }
}

/** What makes an image of version 1 anew. */
export function recordsOfImage({ topicsByName, nextProducerId }: MetadataImage): MetadataRecord[] {
  const topics = [...topicsByName.values()].map(
    (topic): MetadataRecord => ({ type: 'topic-created', ...topicRow(topic) }),
  )
  return [...topics, { type: 'producer-ids-allocated', nextProducerId }]
}

/** Errors: METADATA_TOO_NEW when the cluster uses what this release does not know. */
export function checkFeatureLevel(featureLevel: number): void {
  if (featureLevel <= FEATURE_LEVEL) return
  const text = `the cluster is at feature level ${featureLevel}; this release knows up to ${FEATURE_LEVEL}`
  throw new MetadataError('METADATA_TOO_NEW', text)
}

function mapChanges<Key extends string | number, Value extends object>(
  prefix: string,
  before: ReadonlyMap<Key, Value>,
  next: ReadonlyMap<Key, Value>,
  row: (value: Value) => unknown,
): StoreOperation[] {
  const operations: StoreOperation[] = []
  for (const [key, value] of next) {
    if (before.get(key) !== value) operations.push(put(prefix + key, row(value)))
  }
  for (const key of before.keys()) {
    if (!next.has(key)) operations.push({ kind: 'delete', key: prefix + key })
  }
  return operations
}

/** The topic as a row. */
export function topicRow({ name, topicId, partitions, configs }: TopicImage): TopicRow {
  return { name, topicId, partitions, configs: Object.fromEntries(configs) }
}

/** The topic of a row. */
export function topicOfRow({ name, topicId, partitions, configs }: TopicRow): TopicImage {
  return { name, topicId, partitions, configs: new Map(Object.entries(configs)) }
}

function commandKey(serial: number): string {
  invariant(Number.isSafeInteger(serial), 'command serials stay exact')
  return `meta/command/${String(serial % REMEMBERED_COMMAND_COUNT).padStart(4, '0')}`
}

function put(key: string, row: unknown): StoreOperation {
  return { kind: 'put', key, value: encodeVersioned(row) }
}
