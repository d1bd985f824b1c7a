/**
 * The bytes of coordinator records: key and value of a record of `__consumer_offsets` (coordinator.proto). A null value is a
 * tombstone.
 *
 * Equal keys have equal bytes, so that they are also keys of the store. A reader refuses what it does not know: going on would
 * lose what it says.
 */
import { stratalog } from '@stratalog/proto'
import { type Assignment, assignmentOf, checkAssignment } from './assignment.ts'
import type {
  CheckpointMark,
  CoordinatorRecord,
  CurrentValue,
  GroupRecord,
  GroupValue,
  MemberValue,
  OffsetValue,
} from './group-records.ts'
import { GroupRecordError } from './record-error.ts'

const {
  CheckpointValue,
  CoordinatorKey,
  CurrentValue: CurrentMessage,
  GroupValue: GroupMessage,
  MemberValue: MemberMessage,
  OffsetValue: OffsetMessage,
  TargetValue: TargetMessage,
} = stratalog.v1

type Key = stratalog.v1.CoordinatorKey.$Properties
type PartitionSet = stratalog.v1.PartitionSet.$Properties

/** A record that is no tombstone. */
type LiveRecord = GroupRecord extends infer Each
  ? Each extends { readonly value: infer Value }
    ? Omit<Each, 'value'> & { readonly value: NonNullable<Value> }
    : never
  : never

const TOPIC_ID_BYTES = 16
const NO_BYTES: Uint8Array = new Uint8Array()

/** Key and value of a record. */
export interface EncodedRecord {
  readonly key: Buffer
  /** Null = tombstone. */
  readonly value: Buffer | null
}

/** The record's bytes. */
export function encodeRecord(record: CoordinatorRecord): EncodedRecord {
  return { key: encodeKey(record), value: encodeValue(record) }
}

/** The bytes of the record's key alone. */
export function encodeKey(record: CoordinatorRecord): Buffer {
  return bufferOf(CoordinatorKey.encode(keyOf(record)).finish())
}

/** Reads what {@link encodeRecord} wrote. Errors: GroupRecordError. */
export function decodeRecord(key: Uint8Array, value: Uint8Array | null): CoordinatorRecord {
  try {
    return recordOf(CoordinatorKey.decode(key), value)
  } catch (cause) {
    if (cause instanceof GroupRecordError) throw cause
    throw new GroupRecordError('GROUP_RECORD_CORRUPT', 'a record of the offsets topic cannot be read', { cause })
  }
}

function keyOf(record: CoordinatorRecord): Key {
  switch (record.type) {
    case 'group':
      return { group: { groupId: record.groupId } }
    case 'member':
      return { member: { groupId: record.groupId, memberId: record.memberId } }
    case 'target':
      return { target: { groupId: record.groupId, memberId: record.memberId } }
    case 'current':
      return { current: { groupId: record.groupId, memberId: record.memberId } }
    case 'offset': {
      const { groupId, topicId, partition } = record
      return { offset: { groupId, topicId: Buffer.from(topicId, 'hex'), partition } }
    }
    case 'checkpoint-begin':
      return { checkpointBegin: { checkpointId: record.checkpointId } }
    case 'checkpoint-end':
      return { checkpointEnd: { checkpointId: record.checkpointId } }
  }
}

function encodeValue(record: CoordinatorRecord): Buffer | null {
  if ('checkpointId' in record) {
    return bufferOf(CheckpointValue.encode({}).finish())
  }
  return record.value === null ? null : bufferOf(encodeGroupValue(record as LiveRecord))
}

function encodeGroupValue({ type, value }: LiveRecord): Uint8Array {
  switch (type) {
    case 'group':
      return GroupMessage.encode({ ...value, emptySinceMs: value.emptySinceMs ?? 0 }).finish()
    case 'member':
      return MemberMessage.encode(memberMessage(value)).finish()
    case 'target':
      return TargetMessage.encode({ partitions: setsOf(value.partitions) }).finish()
    case 'current': {
      const { assigned, revoking, ...rest } = value
      return CurrentMessage.encode({ ...rest, assigned: setsOf(assigned), revoking: setsOf(revoking) }).finish()
    }
    case 'offset':
      return OffsetMessage.encode(value).finish()
  }
}

function memberMessage(value: MemberValue): stratalog.v1.MemberValue.$Properties {
  const { instanceId, rack, topicPattern, assignor, topics, ...rest } = value
  return {
    ...rest,
    topics: [...topics],
    instanceId: instanceId ?? '',
    rack: rack ?? '',
    topicPattern: topicPattern ?? '',
    assignor: assignor ?? '',
  }
}

function recordOf(key: Key, value: Uint8Array | null): CoordinatorRecord {
  if (key.group) {
    return { type: 'group', groupId: idOf(key.group.groupId), value: value && groupValue(value) }
  }
  if (key.member) return { type: 'member', ...memberKey(key.member), value: value && memberValue(value) }
  if (key.target) return { type: 'target', ...memberKey(key.target), value: value && targetValue(value) }
  if (key.current) return { type: 'current', ...memberKey(key.current), value: value && currentValue(value) }
  if (key.offset) {
    const { groupId, topicId, partition } = key.offset
    return {
      type: 'offset',
      groupId: idOf(groupId),
      topicId: topicIdOf(topicId ?? NO_BYTES),
      partition: countOf(partition, 'partition'),
      value: value && offsetValue(value),
    }
  }
  if (key.checkpointBegin) return markOf('checkpoint-begin', key.checkpointBegin)
  if (key.checkpointEnd) return markOf('checkpoint-end', key.checkpointEnd)
  throw new GroupRecordError('GROUP_RECORD_TOO_NEW', 'a record of the offsets topic is of a kind that is not known')
}

function markOf(
  type: CheckpointMark['type'],
  { checkpointId }: stratalog.v1.CheckpointKey.$Properties,
): CheckpointMark {
  return { type, checkpointId: countOf(checkpointId, 'checkpoint id') }
}

function memberKey({ groupId, memberId }: stratalog.v1.MemberKey.$Properties) {
  return { groupId: idOf(groupId), memberId: idOf(memberId) }
}

function groupValue(bytes: Uint8Array): GroupValue {
  const { epoch, targetEpoch, assignor, topicsVersion, emptySinceMs } = GroupMessage.decode(bytes)
  return {
    epoch: countOf(epoch, 'epoch'),
    targetEpoch: countOf(targetEpoch, 'target epoch'),
    assignor,
    topicsVersion: countOf(topicsVersion, 'topics version'),
    emptySinceMs: nullIf(countOf(emptySinceMs, 'empty since'), 0),
  }
}

function memberValue(bytes: Uint8Array): MemberValue {
  const message = MemberMessage.decode(bytes)
  return {
    instanceId: nullIf(message.instanceId, ''),
    clientId: message.clientId,
    address: message.address,
    rack: nullIf(message.rack, ''),
    topics: message.topics,
    topicPattern: nullIf(message.topicPattern, ''),
    rebalanceTimeoutMs: message.rebalanceTimeoutMs,
    sessionTimeoutMs: message.sessionTimeoutMs,
    assignor: nullIf(message.assignor, ''),
  }
}

function targetValue(bytes: Uint8Array): { readonly partitions: Assignment } {
  return { partitions: assignmentFrom(TargetMessage.decode(bytes).partitions) }
}

function currentValue(bytes: Uint8Array): CurrentValue {
  const { memberEpoch, previousEpoch, assigned, revoking, away } = CurrentMessage.decode(bytes)
  return {
    memberEpoch: countOf(memberEpoch, 'member epoch'),
    previousEpoch,
    assigned: assignmentFrom(assigned),
    revoking: assignmentFrom(revoking),
    away,
  }
}

function offsetValue(bytes: Uint8Array): OffsetValue {
  const { offset, leaderEpoch, metadata, committedAtMs } = OffsetMessage.decode(bytes)
  return { offset: countOf(offset, 'offset'), leaderEpoch, metadata, committedAtMs: countOf(committedAtMs, 'time') }
}

function setsOf(set: Assignment): PartitionSet[] {
  return [...set].map(([topicId, partitions]) => ({
    topicId: Buffer.from(topicId, 'hex'),
    partitions: [...partitions],
  }))
}

function assignmentFrom(sets: readonly PartitionSet[]): Assignment {
  const set = assignmentOf(sets.map(({ topicId, partitions }) => [topicIdOf(topicId ?? NO_BYTES), partitions ?? []]))
  checkAssignment(set)
  return set
}

function topicIdOf(bytes: Uint8Array): string {
  if (bytes.length !== TOPIC_ID_BYTES) throw corrupt(`a topic id has ${bytes.length} bytes`)
  return bufferOf(bytes).toString('hex')
}

function idOf(id: string | null | undefined): string {
  if (!id) throw corrupt('an id is empty')
  return id
}

function countOf(value: number | null | undefined, what: string): number {
  const count = value ?? 0
  if (!Number.isSafeInteger(count) || count < 0) throw corrupt(`${what} is ${count}`)
  return count
}

function corrupt(what: string): GroupRecordError {
  return new GroupRecordError('GROUP_RECORD_CORRUPT', `a record of the offsets topic is not as it must be: ${what}`)
}

function nullIf<Value>(value: Value, none: Value): Value | null {
  return value === none ? null : value
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
