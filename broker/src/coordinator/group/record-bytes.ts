/**
 * Estimates of how many bytes a record takes in the log, so that the size of the live state is known without encoding it.
 * Cheap and additive; right to a few bytes for names in ASCII.
 */
import type { Assignment } from './assignment.ts'
import type { CurrentValue, GroupValue, MemberValue, OffsetValue } from './group-records.ts'

/** A record's frame: lengths, deltas, tags. */
const FRAME = 16
const GROUP_VALUE = 24
const MEMBER_VALUE = 16
const CURRENT_VALUE = 12
const OFFSET_KEY = 24
const OFFSET_VALUE = 20
const TOPIC = 22
const PARTITION = 2

/** By type of record; none takes any when there is no value. */
export const bytesOf = {
  group: (groupId: string, value: GroupValue | null): number =>
    value === null ? 0 : FRAME + groupId.length + GROUP_VALUE + value.assignor.length,

  member: (groupId: string, memberId: string, value: MemberValue): number =>
    FRAME + MEMBER_VALUE + groupId.length + memberId.length + textBytes(value) + namesBytes(value.topics),

  target: (groupId: string, memberId: string, target: Assignment): number =>
    target.size === 0 ? 0 : FRAME + groupId.length + memberId.length + assignmentBytes(target),

  current: (groupId: string, memberId: string, { memberEpoch, assigned, revoking }: CurrentValue): number =>
    memberEpoch === 0
      ? 0
      : FRAME +
        CURRENT_VALUE +
        groupId.length +
        memberId.length +
        assignmentBytes(assigned) +
        assignmentBytes(revoking),

  offset: (groupId: string, value: OffsetValue | null): number =>
    value === null ? 0 : FRAME + OFFSET_KEY + OFFSET_VALUE + groupId.length + value.metadata.length,
} as const

function textBytes({ instanceId, clientId, address, rack, topicPattern, assignor }: MemberValue): number {
  let bytes = clientId.length + address.length
  for (const text of [instanceId, rack, topicPattern, assignor]) bytes += text?.length ?? 0
  return bytes
}

function namesBytes(names: readonly string[]): number {
  let bytes = 0
  for (const name of names) bytes += name.length + 2
  return bytes
}

function assignmentBytes(set: Assignment): number {
  let bytes = 0
  for (const partitions of set.values()) bytes += TOPIC + PARTITION * partitions.length
  return bytes
}
