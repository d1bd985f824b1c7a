/**
 * Members and partitions of a group as rows of tables.
 */
import type { GroupMemberDescription, GroupPartitionDescription } from '@stratalog/client'
import { formatCount, formatDuration } from '../output/quantity.ts'
import type { Column } from '../output/table.ts'
import type { LagTotal } from './group-lag.ts'
import { formatPlaces } from './partition-selection.ts'

/** The columns that {@link memberCells} fills. */
export const MEMBER_COLUMNS: readonly Column[] = [
  { title: 'MEMBER' },
  { title: 'CLIENT' },
  { title: 'ADDRESS' },
  { title: 'EPOCH', align: 'right' },
  { title: 'OWNS' },
  { title: 'GIVES UP' },
  { title: 'WAITS FOR' },
  { title: 'HEARD' },
]

/** The columns that {@link partitionCells} fills. */
export const PARTITION_COLUMNS: readonly Column[] = [
  { title: 'TOPIC' },
  { title: 'PARTITION', align: 'right' },
  { title: 'OWNER' },
  { title: 'COMMITTED', align: 'right' },
  { title: 'END', align: 'right' },
  { title: 'LAG', align: 'right' },
  { title: 'BEHIND', align: 'right' },
  { title: 'LAST COMMIT', align: 'right' },
]

/** One member. */
export function memberCells(member: GroupMemberDescription): string[] {
  const { assigned, target, revoking } = member
  const owned = new Set(assigned.map(placeOf))
  return [
    nameOf(member),
    member.clientId || '-',
    member.address || '-',
    String(member.memberEpoch),
    formatPlaces(assigned),
    formatPlaces(revoking),
    formatPlaces(target.filter((place) => !owned.has(placeOf(place)))),
    `${formatDuration(member.silentMs)} ago`,
  ]
}

/** One partition. @param nowMs wall time, for how long ago it was committed. */
export function partitionCells(
  partition: GroupPartitionDescription,
  members: readonly GroupMemberDescription[],
  nowMs: number,
): string[] {
  const { committedOffset, visibleEnd, lagRecords, lagMs, committedAtMs } = partition
  return [
    partition.topic,
    String(partition.partition),
    ownerOf(partition, members),
    committedOffset === null ? '-' : String(committedOffset),
    String(visibleEnd ?? '?'),
    lagRecords === null ? unknownLag(partition) : formatCount(lagRecords),
    lagMs === null ? unknownLag(partition) : formatDuration(lagMs),
    committedAtMs === null || committedAtMs < 0 ? '-' : `${formatDuration(Math.max(0, nowMs - committedAtMs))} ago`,
  ]
}

/** `1,234 records, 2.5 s behind`, and what is not in it. */
export function lagText({ lagRecords, lagMs, uncommittedCount, unknownCount }: LagTotal): string {
  const time = lagMs === null || lagRecords === 0 ? '' : `, ${formatDuration(lagMs)} behind`
  const uncommitted = uncommittedCount === 0 ? '' : `; ${partitions(uncommittedCount)} without a committed offset`
  const unknown = unknownCount === 0 ? '' : `; ${partitions(unknownCount)} whose leader does not answer`
  return `${formatCount(lagRecords)} record${lagRecords === 1 ? '' : 's'}${time}${uncommitted}${unknown}`
}

/** A dash where there is nothing to count from, a question mark where the end is not known. */
function unknownLag({ committedOffset }: GroupPartitionDescription): string {
  return committedOffset === null ? '-' : '?'
}

/** A static member's own name, or the member's id. */
function nameOf({ instanceId, memberId }: GroupMemberDescription): string {
  return instanceId || memberId
}

/** The owner by as much of its name as tells it from the others. */
function ownerOf({ ownerMemberId }: GroupPartitionDescription, members: readonly GroupMemberDescription[]): string {
  if (ownerMemberId === null) return 'nobody'
  const owner = members.find(({ memberId }) => memberId === ownerMemberId)
  return owner?.instanceId || shortId(ownerMemberId, members)
}

const SHORT_ID_LENGTH = 8

function shortId(memberId: string, members: readonly GroupMemberDescription[]): string {
  for (let length = SHORT_ID_LENGTH; length < memberId.length; length++) {
    const prefix = memberId.slice(0, length)
    if (members.every((other) => other.memberId === memberId || !other.memberId.startsWith(prefix))) return prefix
  }
  return memberId
}

function placeOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`
}

function partitions(count: number): string {
  return `${count} partition${count === 1 ? '' : 's'}`
}
