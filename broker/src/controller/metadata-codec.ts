/**
 * The bytes of metadata records and rows: one version byte, then JSON in UTF-8.
 *
 * JSON because these are few and are read by people in trouble; the version byte because they are kept for ever. What is
 * written has version 2. Version 1, of the releases with one broker, is read and made into version 2: replicas were broker
 * ids, brokers had no address for peers and no directory id.
 * A reader refuses what it does not know: going on would lose what it says.
 */
import { z } from 'zod'
import { MetadataError } from './metadata-error.ts'
import {
  type CommandResult,
  type MetadataRecord,
  newPartition,
  type PartitionRecord,
  type ReplicaRecord,
} from './metadata-records.ts'

/** Version of what is written. */
export const METADATA_VERSION = 2

const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER)
const topicId = z.string().regex(/^[0-9a-f]{32}$/)
const texts = z.record(z.string(), z.string())

/** A copy. */
export const replicaSchema: z.ZodType<ReplicaRecord> = z.strictObject({
  brokerId: count.max(0xffff),
  generation: count.max(0x7fff),
})
const replicas = z.array(replicaSchema).min(1)

/** A partition. */
export const partitionSchema: z.ZodType<PartitionRecord> = z.strictObject({
  partition: count,
  replicas,
  target: replicas.nullable(),
  moved: z.boolean(),
  retiredGeneration: z.number().int().min(-1),
  lineage: z.strictObject({ partition: count, offset: count }).nullable(),
  fork: z.strictObject({ topicId, partition: count, endOffset: count }).nullable(),
})
const partitions = z.array(partitionSchema)

const brokerId = count.max(0xffff)
const port = count.max(0xffff)
const placed = { topicId, partition: count }

/** A small answer of a command. */
export const resultSchema: z.ZodType<CommandResult> = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean()]),
)

const recordSchema: z.ZodType<MetadataRecord> = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('cluster-founded'),
    clusterId: z.string().min(1),
    controllers: replicas,
    featureLevel: count,
  }),
  z.strictObject({ type: z.literal('controllers-changed'), controllers: replicas }),
  z.strictObject({ type: z.literal('topic-created'), name: z.string(), topicId, partitions, configs: texts }),
  z.strictObject({ type: z.literal('topic-deleted'), topicId }),
  z.strictObject({ type: z.literal('topic-config-changed'), topicId, set: texts, unset: z.array(z.string()) }),
  z.strictObject({ type: z.literal('partitions-added'), topicId, partitions }),
  z.strictObject({ type: z.literal('producer-ids-allocated'), nextProducerId: count }),
  z.strictObject({
    type: z.literal('broker-registered'),
    brokerId,
    host: z.string(),
    port,
    rack: z.string(),
    peerHost: z.string(),
    peerPort: port,
    directoryId: z.string(),
    run: z.string(),
    formerRuns: z.array(z.string()),
    storageLost: z.boolean(),
  }),
  z.strictObject({ type: z.literal('broker-drained'), brokerId, drained: z.boolean() }),
  z.strictObject({ type: z.literal('broker-decommissioned'), brokerId, decommissioning: z.boolean() }),
  z.strictObject({ type: z.literal('broker-removed'), brokerId }),
  z.strictObject({ type: z.literal('partition-reassigned'), ...placed, target: replicas }),
  z.strictObject({ type: z.literal('reassignment-completed'), ...placed }),
  z.strictObject({ type: z.literal('reassignment-cancelled'), ...placed }),
  z.strictObject({ type: z.literal('replica-renewed'), ...placed, brokerId, generation: count.max(0x7fff) }),
  z.strictObject({ type: z.literal('command-executed'), commandId: z.string(), result: resultSchema }),
])

const partitionsV1 = z
  .array(
    z.strictObject({
      partition: count,
      replicas: z.array(brokerId).min(1),
      lineage: z.null(),
      fork: z.null(),
    }),
  )
  .transform((list) => list.map((entry) => newPartition(entry.partition, entry.replicas)))

const recordSchemaV1: z.ZodType<MetadataRecord> = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('topic-created'),
    name: z.string(),
    topicId,
    partitions: partitionsV1,
    configs: texts,
  }),
  z.strictObject({ type: z.literal('topic-deleted'), topicId }),
  z.strictObject({ type: z.literal('topic-config-changed'), topicId, set: texts, unset: z.array(z.string()) }),
  z.strictObject({ type: z.literal('partitions-added'), topicId, partitions: partitionsV1 }),
  z.strictObject({ type: z.literal('producer-ids-allocated'), nextProducerId: count }),
  z
    .strictObject({ type: z.literal('broker-registered'), brokerId, host: z.string(), port, rack: z.string() })
    .transform((broker) => ({ ...broker, ...UNKNOWN_TO_VERSION_1 })),
])

const UNKNOWN_TO_VERSION_1 = {
  peerHost: '',
  peerPort: 0,
  directoryId: '',
  run: '',
  formerRuns: [],
  storageLost: false,
} as const

/** The record's bytes. */
export function encodeMetadataRecord(record: MetadataRecord): Buffer {
  return encodeVersioned(record)
}

/** Reads a record of this version or an older one. Errors: MetadataError. @param where for the error's text. */
export function decodeMetadataRecord(bytes: Buffer, where: string): MetadataRecord {
  return decodeVersioned(bytes, versionOf(bytes) === 1 ? recordSchemaV1 : recordSchema, where)
}

/** Any value under this release's version. */
export function encodeVersioned(value: unknown): Buffer {
  return Buffer.concat([Buffer.of(METADATA_VERSION), Buffer.from(JSON.stringify(value))])
}

/** The version that bytes begin with; 0 when there are none. */
export function versionOf(bytes: Buffer): number {
  return bytes[0] ?? 0
}

/** Reads what {@link encodeVersioned} wrote. Errors: MetadataError. */
export function decodeVersioned<Value>(bytes: Buffer, schema: z.ZodType<Value>, where: string): Value {
  const version = versionOf(bytes)
  if (version > METADATA_VERSION) {
    const text = `${where} has version ${version}; this release reads up to ${METADATA_VERSION}`
    throw new MetadataError('METADATA_TOO_NEW', text)
  }
  if (version === 0) throw new MetadataError('METADATA_CORRUPT', `${where} has no version`)
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8', 1))
  } catch (cause) {
    throw new MetadataError('METADATA_CORRUPT', `${where} is not JSON`, { cause })
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  if (issue?.path.length === 1 && issue.path[0] === 'type') {
    throw new MetadataError('METADATA_TOO_NEW', `${where} is of a type that this release does not know`)
  }
  const place = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`
  throw new MetadataError('METADATA_CORRUPT', `${where} is not as it must be${place}: ${issue?.message}`)
}
