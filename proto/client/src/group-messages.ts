/** Between the plain values of group-types.ts and the messages of the API. */
import { fromErrorDetail, stratalog, type TopicPartition } from '@stratalog/proto'
import { fromEndpoint } from './address.ts'
import type {
  CommittedOffset,
  GroupDescription,
  GroupListing,
  GroupMemberDescription,
  GroupPartitionDescription,
  GroupState,
  OffsetResetResult,
  OffsetToCommit,
  ResetTarget,
  TopicPartitionsSelection,
} from './group-types.ts'

const { GroupState: State } = stratalog.v1

const STATES: ReadonlyMap<stratalog.v1.GroupState, GroupState> = new Map([
  [State.GROUP_STATE_EMPTY, 'empty'],
  [State.GROUP_STATE_ASSIGNING, 'assigning'],
  [State.GROUP_STATE_RECONCILING, 'reconciling'],
  [State.GROUP_STATE_STABLE, 'stable'],
] as const)

/** The state of a message, by name. */
export function toGroupState(state: stratalog.v1.GroupState | null | undefined): GroupState {
  return STATES.get(state ?? State.GROUP_STATE_UNSPECIFIED) ?? 'unknown'
}

/** States by name as messages have them. */
export function fromGroupStates(states: readonly GroupState[]): stratalog.v1.GroupState[] {
  return [...STATES].filter(([, name]) => states.includes(name)).map(([state]) => state)
}

/** A group in a list. */
export function toListing(listing: stratalog.v1.GroupListing.$Properties): GroupListing {
  return {
    groupId: listing.groupId ?? '',
    state: toGroupState(listing.state),
    memberCount: listing.memberCount ?? 0,
    coordinatorId: listing.coordinatorId ?? 0,
  }
}

/** A group in full. */
export function toDescription(answer: stratalog.v1.DescribeGroupResponse): GroupDescription {
  return {
    groupId: answer.groupId,
    state: toGroupState(answer.state),
    groupEpoch: answer.groupEpoch,
    assignor: answer.assignor,
    coordinator: fromEndpoint(answer.coordinator?.endpoint),
    members: answer.members.map(toMember),
    partitions: answer.partitions.map(toGroupPartition),
    reasons: [...answer.reasons],
  }
}

function toMember(member: stratalog.v1.GroupMember.$Properties): GroupMemberDescription {
  const { subscription } = member
  return {
    memberId: member.memberId ?? '',
    instanceId: member.instanceId ?? '',
    clientId: member.clientId ?? '',
    address: member.address ?? '',
    rack: member.rack ?? '',
    memberEpoch: member.memberEpoch ?? 0,
    targetEpoch: member.targetEpoch ?? 0,
    subscription: {
      topics: [...(subscription?.topics ?? [])],
      topicPattern: subscription?.topicPattern ?? '',
      rebalanceTimeoutMs: subscription?.rebalanceTimeoutMs ?? 0,
      sessionTimeoutMs: subscription?.sessionTimeoutMs ?? 0,
      assignor: subscription?.assignor ?? '',
    },
    assigned: toPlaces(member.assigned),
    target: toPlaces(member.target),
    revoking: toPlaces(member.revoking),
    silentMs: member.silentMs ?? 0,
  }
}

function toPlaces(assignment: stratalog.v1.GroupAssignment.$Properties | null | undefined): TopicPartition[] {
  return (assignment?.partitions ?? []).flatMap(({ topic, partitions }) =>
    (partitions ?? []).map((partition) => ({ topic: topic ?? '', partition })),
  )
}

function toGroupPartition(entry: stratalog.v1.GroupPartition.$Properties): GroupPartitionDescription {
  return {
    topic: entry.topic ?? '',
    partition: entry.partition ?? 0,
    ownerMemberId: entry.ownerMemberId || null,
    committedOffset: known(entry.committedOffset ?? 0),
    leaderEpoch: known(entry.leaderEpoch ?? 0),
    metadata: entry.metadata ?? '',
    committedAtMs: known(entry.committedAtMs || -1),
    logStartOffset: known(entry.logStartOffset ?? 0),
    visibleEnd: known(entry.visibleEnd ?? 0),
    lagRecords: known(entry.lagRecords ?? 0),
    lagMs: known(entry.lagMs ?? 0),
  }
}

/** The message of an offset to be committed. */
export function fromOffset(offset: OffsetToCommit): stratalog.v1.CommittedOffset.$Properties {
  return {
    topic: offset.topic,
    partition: offset.partition,
    offset: offset.offset,
    leaderEpoch: offset.leaderEpoch ?? -1,
    metadata: offset.metadata ?? '',
    ...(offset.topicId === undefined ? {} : { topicId: offset.topicId }),
  }
}

/** A committed offset. */
export function toCommitted(entry: stratalog.v1.CommittedOffset.$Properties): CommittedOffset {
  const place = { topic: entry.topic ?? '', partition: entry.partition ?? 0 }
  return {
    ...place,
    topicId: Buffer.from(entry.topicId ?? []),
    offset: known(entry.offset ?? 0),
    leaderEpoch: known(entry.leaderEpoch ?? 0),
    metadata: entry.metadata ?? '',
    committedAtMs: known(entry.committedAtMs || -1),
    error: entry.error ? fromErrorDetail(entry.error, place) : null,
  }
}

/** Partitions by topic. */
export function fromSelection(
  selection: readonly TopicPartitionsSelection[],
): stratalog.v1.TopicPartitions.$Properties[] {
  return selection.map(({ topic, partitions, topicId }) => ({
    topic,
    partitions: [...partitions],
    ...(topicId === undefined ? {} : { topicId }),
  }))
}

/** Where offsets are put. */
export function fromResetTarget(to: ResetTarget): stratalog.v1.ResetOffsetsRequest.$Properties {
  if (to === 'earliest') return { earliest: true }
  if (to === 'latest') return { latest: true }
  if ('offset' in to) return { offset: to.offset }
  if ('timestamp' in to) return { timestampMs: to.timestamp }
  if ('group' in to) return { group: to.group }
  return { shift: to.shift }
}

/** What became of a reset. */
export function toReset(entry: stratalog.v1.OffsetReset.$Properties): OffsetResetResult {
  const place = { topic: entry.topic ?? '', partition: entry.partition ?? 0 }
  const error = entry.error ? fromErrorDetail(entry.error, place) : null
  return {
    ...place,
    fromOffset: known(entry.fromOffset ?? 0),
    toOffset: error === null ? known(entry.toOffset ?? 0) : null,
    error,
  }
}

/** A number that -1 stands for the absence of. */
function known(value: number): number | null {
  return value < 0 ? null : value
}
