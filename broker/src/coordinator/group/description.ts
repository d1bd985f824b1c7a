/** A group as people are shown it. Read-only. */
import type { Group } from './group.ts'
import type { GroupDescription, GroupSummary, MemberDescription } from './group-api.ts'
import { type Member, subscriptionOf } from './member.ts'
import { allOffsets } from './offsets.ts'

/** One line of a list. */
export function summaryOf({ groupId, state, members }: Group): GroupSummary {
  return { groupId, state, memberCount: members.size }
}

/** All of it. */
export function descriptionOf(group: Group, nowMs: number): GroupDescription {
  const members = [...group.members.values()].map((member) => memberOf(group, member, nowMs))
  return {
    groupId: group.groupId,
    state: group.state,
    groupEpoch: group.epoch,
    assignor: group.value.assignor,
    members: members.sort((left, right) => (left.memberId < right.memberId ? -1 : 1)),
    offsets: allOffsets(group),
  }
}

function memberOf(group: Group, member: Member, nowMs: number): MemberDescription {
  const { memberId, value, current, target, stalls, revokingSinceMs, lastHeartbeatMs } = member
  return {
    memberId,
    instanceId: value.instanceId ?? '',
    clientId: value.clientId,
    address: value.address,
    rack: value.rack ?? '',
    memberEpoch: current.memberEpoch,
    targetEpoch: group.value.targetEpoch,
    subscription: subscriptionOf(value),
    assigned: current.assigned,
    target,
    revoking: current.revoking,
    away: current.away,
    silentMs: Math.max(0, nowMs - lastHeartbeatMs),
    revokingForMs: revokingSinceMs === null ? null : Math.max(0, nowMs - revokingSinceMs),
    stalls,
  }
}
