/**
 * Control batches: the Raft entries that live in the partition log and that readers are never shown.
 *
 * A control batch holds one record, its type in the key. Those Stratalog writes are Kafka's own LEADER_CHANGE and
 * KRAFT_VOTERS, so Kafka's DumpLogSegments prints them; what Raft's joint consensus needs beyond Kafka's schema stands
 * in tagged fields, which other readers skip. RECORDS_DELETED is ours alone: how a partition's replicas are told that its
 * oldest records are deleted. Batches come unstamped: the log gives offset and leader epoch.
 * Source: Kafka ControlRecordType, LeaderChangeMessage.json, VotersRecord.json; docs/log-format.md "Control records".
 */
import { CorruptMessageError } from './corrupt-message-error.ts'
import { FlexibleReader, FlexibleWriter, type TaggedField } from './flexible-fields.ts'
import type { LogRecord } from './record.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'

/** Types in a control record's key. */
export const ControlRecordType = {
  abort: 0,
  commit: 1,
  leaderChange: 2,
  snapshotHeader: 3,
  snapshotFooter: 4,
  kraftVersion: 5,
  kraftVoters: 6,
  /** Not Kafka's, and far above the numbers that Kafka gives out. */
  recordsDeleted: 10_000,
} as const

/** A leader that began its term: the first entry of that term. */
export interface LeaderChange {
  /** int32 >= 0. */
  readonly leaderId: number
  /** Every voter of the group. */
  readonly voterIds: readonly number[]
  /** The voters whose votes elected it; may be empty. */
  readonly grantingVoterIds?: readonly number[]
}

/** A voter set, in force from this entry on (in joint consensus: together with `outgoingVoterIds`). */
export interface Voters {
  readonly voterIds: readonly number[]
  /** Voters of the set being left; not empty only in joint consensus. */
  readonly outgoingVoterIds?: readonly number[]
  readonly learnerIds?: readonly number[]
  /** Voters of the outgoing set that become learners when it is left. */
  readonly nextLearnerIds?: readonly number[]
  /** Whether the leader leaves joint consensus by itself. Default false. */
  readonly autoLeave?: boolean
  /** Opaque bytes of the proposer, returned as they are. Default none. */
  readonly context?: Uint8Array | null
}

/** The oldest records of a partition are deleted, once this is committed. */
export interface RecordsDeleted {
  /** First offset that stays. */
  readonly beforeOffset: number
  /** Base offset of the batch that holds `beforeOffset`: batches below it are needed no more. At most `beforeOffset`. */
  readonly batchOffset: number
}

/** A decoded control record; types of other writers are named by number only. */
export type ControlRecord =
  | ({ readonly kind: 'leader-change' } & Required<LeaderChange>)
  | ({ readonly kind: 'voters' } & Required<Voters>)
  | ({ readonly kind: 'records-deleted' } & RecordsDeleted)
  | { readonly kind: 'other'; readonly type: number }

const KEY_VERSION = 0
const VALUE_VERSION = 0
/** Ours in VotersRecord's tagged fields, far above the numbers that Kafka gives out. */
const Tag = {
  outgoingVoters: 10_000,
  learners: 10_001,
  nextLearners: 10_002,
  autoLeave: 10_003,
  context: 10_004,
} as const
const DIRECTORY_ID_BYTES = 16

/** A LEADER_CHANGE control batch. @param change.timestamp ms since the epoch. */
export function encodeLeaderChange(change: LeaderChange & { readonly timestamp: number }): Buffer {
  const value = new FlexibleWriter()
  value.int16(VALUE_VERSION)
  value.int32(change.leaderId)
  writeIds(value, change.voterIds)
  writeIds(value, change.grantingVoterIds ?? [])
  value.taggedFields([])
  return controlBatch(ControlRecordType.leaderChange, value.finish(), change.timestamp)
}

/** A KRAFT_VOTERS control batch. @param voters.timestamp ms since the epoch. */
export function encodeVoters(voters: Voters & { readonly timestamp: number }): Buffer {
  const value = new FlexibleWriter()
  value.int16(VALUE_VERSION)
  value.unsignedVarint(voters.voterIds.length + 1)
  for (const voterId of voters.voterIds) writeVoter(value, voterId)
  value.taggedFields(voterTags(voters))
  return controlBatch(ControlRecordType.kraftVoters, value.finish(), voters.timestamp)
}

/** A RECORDS_DELETED control batch. @param deletion.timestamp ms since the epoch. */
export function encodeRecordsDeleted(deletion: RecordsDeleted & { readonly timestamp: number }): Buffer {
  const value = new FlexibleWriter()
  value.int16(VALUE_VERSION)
  value.int64(deletion.beforeOffset)
  value.int64(deletion.batchOffset)
  value.taggedFields([])
  return controlBatch(ControlRecordType.recordsDeleted, value.finish(), deletion.timestamp)
}

/** Decodes the record of a control batch. Errors: CORRUPT_MESSAGE. */
export function decodeControlRecord(record: Pick<LogRecord, 'key' | 'value'>): ControlRecord {
  const { key, value } = record
  if (key === null || key.length < 4) throw new CorruptMessageError('control record has no type', 0)
  const keyVersion = key.readInt16BE(0)
  if (keyVersion < 0) throw new CorruptMessageError(`control record key version is ${keyVersion}`, 0)
  const type = key.readInt16BE(2)
  const read = READERS.get(type)
  if (read === undefined) return { kind: 'other', type }
  if (value === null) throw new CorruptMessageError('control record has no value', 0)
  const reader = new FlexibleReader(value)
  const decoded = read(reader, reader.int16())
  reader.expectEnd()
  return decoded
}

const READERS: ReadonlyMap<number, (reader: FlexibleReader, version: number) => ControlRecord> = new Map([
  [ControlRecordType.leaderChange, readLeaderChange],
  [ControlRecordType.kraftVoters, readVoters],
  [ControlRecordType.recordsDeleted, readRecordsDeleted],
])

function controlBatch(type: number, value: Buffer, timestamp: number): Buffer {
  const key = Buffer.alloc(4)
  key.writeInt16BE(KEY_VERSION, 0)
  key.writeInt16BE(type, 2)
  const builder = new RecordBatchBuilder({ initialBytes: 128 + value.length })
  builder.append({ key, value, timestamp })
  return builder.buildSync({ control: true })
}

/** A voter of VotersRecord: what Kafka keeps of it and we do not (directory id, endpoints, versions) stays empty. */
function writeVoter(writer: FlexibleWriter, voterId: number): void {
  writer.int32(voterId)
  writer.bytes(Buffer.alloc(DIRECTORY_ID_BYTES))
  writer.unsignedVarint(1)
  writer.int16(0)
  writer.int16(0)
  writer.taggedFields([])
  writer.taggedFields([])
}

function readVoter(reader: FlexibleReader): number {
  const voterId = reader.int32()
  reader.bytes(DIRECTORY_ID_BYTES)
  reader.array(() => {
    reader.compactString()
    reader.compactString()
    reader.int16()
    reader.taggedFields()
  })
  reader.int16()
  reader.int16()
  reader.taggedFields()
  reader.taggedFields()
  return voterId
}

function voterTags(voters: Voters): TaggedField[] {
  const { outgoingVoterIds = [], learnerIds = [], nextLearnerIds = [], autoLeave = false, context = null } = voters
  const fields: TaggedField[] = []
  if (outgoingVoterIds.length > 0) fields.push({ tag: Tag.outgoingVoters, bytes: encodeIds(outgoingVoterIds) })
  if (learnerIds.length > 0) fields.push({ tag: Tag.learners, bytes: encodeIds(learnerIds) })
  if (nextLearnerIds.length > 0) fields.push({ tag: Tag.nextLearners, bytes: encodeIds(nextLearnerIds) })
  if (autoLeave) fields.push({ tag: Tag.autoLeave, bytes: Buffer.from([1]) })
  if (context !== null) fields.push({ tag: Tag.context, bytes: context })
  return fields
}

function readVoters(reader: FlexibleReader, version: number): ControlRecord {
  if (version !== 0) throw new CorruptMessageError(`voters record version is ${version}`, 0)
  const voterIds = reader.array(() => readVoter(reader))
  const fields = new Map(reader.taggedFields().map(({ tag, bytes }) => [tag, bytes]))
  return {
    kind: 'voters',
    voterIds,
    outgoingVoterIds: decodeIds(fields.get(Tag.outgoingVoters)),
    learnerIds: decodeIds(fields.get(Tag.learners)),
    nextLearnerIds: decodeIds(fields.get(Tag.nextLearners)),
    autoLeave: fields.get(Tag.autoLeave)?.[0] === 1,
    context: fields.get(Tag.context) ?? null,
  }
}

function readRecordsDeleted(reader: FlexibleReader, version: number): ControlRecord {
  if (version !== 0) throw new CorruptMessageError(`deletion record version is ${version}`, 0)
  const beforeOffset = reader.int64('before offset')
  const batchOffset = reader.int64('batch offset')
  if (batchOffset < 0 || batchOffset > beforeOffset) {
    throw new CorruptMessageError(`deletion before ${beforeOffset}, in the batch at ${batchOffset}`, 0)
  }
  reader.taggedFields()
  return { kind: 'records-deleted', beforeOffset, batchOffset }
}

/** Version 1 adds the voters' directory ids. */
function readLeaderChange(reader: FlexibleReader, version: number): ControlRecord {
  if (version !== 0 && version !== 1) throw new CorruptMessageError(`leader change version is ${version}`, 0)
  const readId = (): number => {
    const id = reader.int32()
    if (version === 1) reader.bytes(DIRECTORY_ID_BYTES)
    reader.taggedFields()
    return id
  }
  const leaderId = reader.int32()
  const voterIds = reader.array(readId)
  const grantingVoterIds = reader.array(readId)
  reader.taggedFields()
  return { kind: 'leader-change', leaderId, voterIds, grantingVoterIds }
}

function writeIds(writer: FlexibleWriter, ids: readonly number[]): void {
  writer.unsignedVarint(ids.length + 1)
  for (const id of ids) {
    writer.int32(id)
    writer.taggedFields([])
  }
}

function encodeIds(ids: readonly number[]): Buffer {
  const writer = new FlexibleWriter()
  for (const id of ids) writer.int32(id)
  return writer.finish()
}

function decodeIds(bytes: Uint8Array | undefined): number[] {
  if (bytes === undefined) return []
  if (bytes.length % 4 !== 0) throw new CorruptMessageError(`${bytes.length} bytes of voter ids`, 0)
  const reader = new FlexibleReader(Buffer.from(bytes))
  return Array.from({ length: bytes.length / 4 }, () => reader.int32())
}
