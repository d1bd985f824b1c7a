/**
 * A group in full, on the broker that coordinates it: members, owners, committed offsets, lag, and why it does not move.
 *
 * Lag is asked of the partitions' leaders, so it is there whether or not any member is. Owner: the broker's core.
 */
import type { stratalog } from '@stratalog/proto'
import { type Assignment, union } from '../coordinator/group/assignment.ts'
import { explainStandstill, type PartitionTrouble } from '../coordinator/group/explanation.ts'
import type { CommittedOffset, GroupDescription, MemberDescription } from '../coordinator/group/group-api.ts'
import type { Topics } from '../coordinator/group/topics.ts'
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { assignmentMessage, idBytes, stateMessage, subscriptionMessage } from './group-messages.ts'
import type { LogPosition, LogPositions } from './log-positions.ts'

type Description = stratalog.v1.DescribeGroupResponse.$Properties
type PartitionMessage = stratalog.v1.GroupPartition.$Properties

/** What a describer is made of. */
export interface GroupDescriberOptions {
  readonly coordinator: GroupCoordinator
  readonly positions: LogPositions
  readonly clock: Clock
  readonly heartbeatIntervalMs: number
}

/** A partition of a group: who owns it, and what is committed. */
interface Place {
  readonly topicId: string
  readonly partition: number
  readonly owner: string
  readonly committed: CommittedOffset | null
}

/** See the file's header. */
export class GroupDescriber {
  readonly #options: GroupDescriberOptions

  constructor(options: GroupDescriberOptions) {
    this.#options = options
  }

  /** Errors: GROUP_ID_NOT_FOUND, INVALID_GROUP_ID; NOT_COORDINATOR and others of the coordinator. */
  async describe(groupId: string): Promise<Description> {
    const { coordinator, positions, clock, heartbeatIntervalMs } = this.#options
    const group = await coordinator.read(groupId, (shard, nowMs) => shard.describe(groupId, nowMs))
    const { topics } = coordinator
    const places = placesOf(group, topics)
    const found = await positions.ask(
      places.map(({ topicId, partition, committed }) => {
        return { topicId, partition, offset: committed?.offset ?? null, timestampMs: null }
      }),
    )
    const troubles = places.flatMap((place, i) => troubleOf(place, found[i] ?? null))
    const nameOf = (topicId: string): string => topics.byId.get(topicId)?.name ?? topicId
    return {
      groupId,
      state: stateMessage(group.state),
      groupEpoch: group.groupEpoch,
      assignor: group.assignor,
      members: group.members.map((member) => memberMessage(member, topics)),
      partitions: places.map((place, i) =>
        partitionMessage(place, nameOf(place.topicId), found[i] ?? null, clock.nowMs()),
      ),
      reasons: explainStandstill(group, troubles, nameOf, heartbeatIntervalMs),
    }
  }
}

/** Every partition with an owner or a committed offset, by topic name, then partition. */
function placesOf({ members, offsets }: GroupDescription, topics: Topics): Place[] {
  const places = new Map<string, Place>()
  for (const member of members) {
    for (const [topicId, partitions] of heldBy(member)) {
      for (const partition of partitions) {
        places.set(`${topicId}-${partition}`, { topicId, partition, owner: member.memberId, committed: null })
      }
    }
  }
  for (const committed of offsets) {
    const { topicId, partition } = committed
    const key = `${topicId}-${partition}`
    places.set(key, { topicId, partition, owner: places.get(key)?.owner ?? '', committed })
  }
  const nameOf = ({ topicId }: Place): string => topics.byId.get(topicId)?.name ?? topicId
  return [...places.values()].sort((a, b) => {
    const [left, right] = [nameOf(a), nameOf(b)]
    return left === right ? a.partition - b.partition : left < right ? -1 : 1
  })
}

/** What a member may be reading. */
function heldBy({ assigned, revoking }: MemberDescription): Assignment {
  return union(assigned, revoking)
}

function troubleOf({ topicId, partition, committed }: Place, position: LogPosition | null): PartitionTrouble[] {
  if (position === null) return [{ kind: 'no-leader', topicId, partition }]
  if (committed === null || committed.offset < 0) return []
  const { logStartOffset, visibleEnd } = position
  const { offset } = committed
  if (offset >= logStartOffset && offset <= visibleEnd) return []
  return [{ kind: 'offset-out-of-range', topicId, partition, offset, logStartOffset, visibleEnd }]
}

function memberMessage(member: MemberDescription, topics: Topics): stratalog.v1.GroupMember.$Properties {
  const { memberId, instanceId, clientId, address, rack, memberEpoch, targetEpoch, silentMs } = member
  return {
    memberId,
    instanceId,
    clientId,
    address,
    rack,
    memberEpoch,
    targetEpoch,
    silentMs,
    subscription: subscriptionMessage(member.subscription),
    assigned: assignmentMessage(member.assigned, topics),
    target: assignmentMessage(member.target, topics),
    revoking: assignmentMessage(member.revoking, topics),
  }
}

function partitionMessage(
  { topicId, partition, owner, committed }: Place,
  topic: string,
  position: LogPosition | null,
  nowMs: number,
): PartitionMessage {
  return {
    topic,
    topicId: idBytes(topicId),
    partition,
    ownerMemberId: owner,
    committedOffset: committed?.offset ?? -1,
    leaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? '',
    committedAtMs: committed?.committedAtMs ?? -1,
    logStartOffset: position?.logStartOffset ?? -1,
    visibleEnd: position?.visibleEnd ?? -1,
    ...lagOf(committed, position, nowMs),
  }
}

function lagOf(
  committed: CommittedOffset | null,
  position: LogPosition | null,
  nowMs: number,
): { readonly lagRecords: number; readonly lagMs: number } {
  if (committed === null || committed.offset < 0 || position === null) return { lagRecords: -1, lagMs: -1 }
  const lagRecords = Math.max(0, position.visibleEnd - committed.offset)
  if (lagRecords === 0) return { lagRecords, lagMs: 0 }
  const { recordTimestampMs } = position
  return { lagRecords, lagMs: recordTimestampMs === null ? -1 : Math.max(0, nowMs - recordTimestampMs) }
}
