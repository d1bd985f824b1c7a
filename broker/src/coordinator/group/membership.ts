/**
 * Members joining, staying and leaving.
 *
 * What a member may present: its present epoch; the one before, when the answer that brought the present one was lost; or 0,
 * when the answer to its joining was. The latter two are told again what they were told, and change nothing else.
 */
import { StratalogError } from '@stratalog/proto'
import { EMPTY_ASSIGNMENT } from './assignment.ts'
import type { Draft } from './draft.ts'
import type { Group } from './group.ts'
import {
  type GroupConfig,
  type HeartbeatRequest,
  type HeartbeatResponse,
  JOIN_EPOCH,
  LEAVE_FOR_A_WHILE_EPOCH,
  type Subscription,
} from './group-api.ts'
import { checkMemberIds, checkSubscription } from './group-limits.ts'
import type { MemberValue } from './group-records.ts'
import { type Member, sameMemberValue, sameWishes } from './member.ts'
import { reconcile } from './reconciliation.ts'
import { sortedNames } from './subscriptions.ts'
import { retarget, type TargetContext } from './targets.ts'

/** What membership is decided by, beside the group. */
export interface MembershipContext extends TargetContext {
  readonly config: GroupConfig
}

/** A static member is replaced without its leave once it has missed so many heartbeats. */
const SILENT_HEARTBEATS = 3
/** While something moves, heartbeats are that much more frequent. */
const UNSETTLED_SPEED_UP = 10

/** Of the session timeout: the rest is for the answer and the next heartbeat. */
const HOLD_SHARE = 0.5
/** A session has room for so many at least: some may be lost or late. */
const HEARTBEATS_A_SESSION = 3

/** What a member knows that was told nothing yet. */
const NO_EPOCH = -1

/**
 * A heartbeat of a member that joins or stays. Changes nothing when it gives an error.
 *
 * @param heardMs when it came: earlier than `nowMs` when it was held back.
 */
export function beat(
  draft: Draft,
  request: HeartbeatRequest,
  context: MembershipContext,
  nowMs: number,
  heardMs: number = nowMs,
): HeartbeatResponse | StratalogError {
  const known = draft.group.members.get(request.memberId)
  if (known === undefined) {
    if (request.memberEpoch !== JOIN_EPOCH) return unknownMember(request.groupId, request.memberId)
    return join(draft, request, context, nowMs)
  }
  const error = checkEpoch(known, request.memberEpoch)
  if (error !== null) return error
  const { memberEpoch, away } = known.current
  if (away && request.memberEpoch === JOIN_EPOCH) return comeBack(draft, known, request, context, nowMs)
  if (request.memberEpoch !== memberEpoch) {
    known.hear(heardMs)
    return responseTo(request, known, context)
  }
  return stay(draft, known, request, context, nowMs, heardMs)
}

/** A member leaves; one that is gone already is told the same, for its answer may have been lost. */
export function leave(
  draft: Draft,
  request: HeartbeatRequest,
  context: MembershipContext,
  nowMs: number,
): HeartbeatResponse | StratalogError {
  const { groupId, memberId, memberEpoch } = request
  const member = draft.group.members.get(memberId)
  if (memberEpoch === LEAVE_FOR_A_WHILE_EPOCH) {
    if (member !== undefined && member.value.instanceId === null) return notStatic(memberId)
    if (member !== undefined && !member.current.away) goAway(draft, member, nowMs)
  } else if (member !== undefined) {
    removeMember(draft, member)
    draft.events.push(`member ${memberId} of group ${groupId} left`)
    retarget(draft, context, true, nowMs)
  }
  return { memberEpoch, heartbeatIntervalMs: context.config.heartbeatIntervalMs, assignment: null, holdMs: 0 }
}

/** Removes members whose time is up. @returns how many. */
export function fenceOverdue(
  draft: Draft,
  members: readonly Member[],
  context: MembershipContext,
  nowMs: number,
): number {
  let count = 0
  for (const member of members) {
    if (draft.group.members.get(member.memberId) !== member || member.deadlineMs > nowMs) continue
    const { sessionTimeoutMs, rebalanceTimeoutMs } = member.value
    const why =
      member.sessionDeadlineMs <= nowMs
        ? `it was silent for ${sessionTimeoutMs} ms`
        : `it did not give up its partitions within ${rebalanceTimeoutMs} ms`
    draft.events.push(`member ${member.memberId} of group ${draft.group.groupId} was removed: ${why}`)
    removeMember(draft, member)
    count++
  }
  if (count > 0) retarget(draft, context, true, nowMs)
  return count
}

/** Ends members that no answer was ever sent to: the batch of their joining was cut off by a failover. @returns whether there were any. */
export function removeUnanswered(draft: Draft): boolean {
  const unanswered = [...draft.group.members.values()].filter(({ current }) => current.memberEpoch === 0)
  for (const member of unanswered) removeMember(draft, member)
  return unanswered.length > 0
}

/** The group does not know the member. */
export function unknownMember(groupId: string, memberId: string): StratalogError {
  const text = `group ${groupId} has no member ${memberId}: it has left, or was removed for its silence`
  return new StratalogError('UNKNOWN_MEMBER_ID', text, { metadata: { memberId } })
}

function join(
  draft: Draft,
  request: HeartbeatRequest,
  context: MembershipContext,
  nowMs: number,
): HeartbeatResponse | StratalogError {
  const { group } = draft
  const { subscription, memberId, groupId } = request
  const value = checkedValue(request, subscription, context)
  if (value instanceof StratalogError) return value
  const former = staticMember(group, value.instanceId)
  const error = former === null ? checkSize(group, context) : checkReleased(former, context, nowMs)
  if (error !== null) return error
  const target = former?.target ?? EMPTY_ASSIGNMENT
  if (former !== null) removeMember(draft, former)
  draft.put({ type: 'member', groupId, memberId, value })
  if (target.size > 0) draft.put({ type: 'target', groupId, memberId, value: { partitions: target } })
  retarget(draft, context, true, nowMs)
  const member = group.members.get(memberId)!
  member.lastHeartbeatMs = nowMs
  reconcile(draft, member, NO_EPOCH, null, nowMs)
  const how = former === null ? '' : ` in the place of ${former.memberId}`
  draft.events.push(`member ${memberId} of group ${groupId} joined${how}`)
  return responseTo(request, member, context)
}

/** The same process as before: a static member that had left for a while. */
function comeBack(
  draft: Draft,
  member: Member,
  request: HeartbeatRequest,
  context: MembershipContext,
  nowMs: number,
): HeartbeatResponse | StratalogError {
  const value = checkedValue(request, request.subscription, context)
  if (value instanceof StratalogError) return value
  const { groupId, memberId } = request
  const wished = member.value
  draft.put({ type: 'member', groupId, memberId, value })
  draft.put({
    type: 'current',
    groupId,
    memberId,
    value: { ...member.current, memberEpoch: draft.group.nextEpoch(), previousEpoch: NO_EPOCH, away: false },
  })
  if (!sameWishes(wished, value)) retarget(draft, context, false, nowMs)
  member.lastHeartbeatMs = nowMs
  reconcile(draft, member, NO_EPOCH, null, nowMs)
  draft.events.push(`member ${memberId} of group ${groupId} came back`)
  return responseTo(request, member, context)
}

function stay(
  draft: Draft,
  member: Member,
  request: HeartbeatRequest,
  context: MembershipContext,
  nowMs: number,
  heardMs: number,
): HeartbeatResponse | StratalogError {
  if (request.subscription !== null) {
    const error = resubscribe(draft, member, request, context, nowMs)
    if (error !== null) return error
  }
  member.hear(heardMs)
  member.stalls = request.stalls
  if (draft.group.unsettled.has(member)) reconcile(draft, member, request.memberEpoch, request.owned, nowMs)
  return responseTo(request, member, context)
}

/**
 * Takes in what the member says of itself, if it is new. Its epoch changes with it, so that a heartbeat that was sent before
 * and arrives late does not turn it back.
 */
function resubscribe(
  draft: Draft,
  member: Member,
  request: HeartbeatRequest,
  context: MembershipContext,
  nowMs: number,
): StratalogError | null {
  const value = checkedValue(request, request.subscription, context, member.value.instanceId)
  if (value instanceof StratalogError) return value
  const former = member.value
  if (sameMemberValue(former, value)) return null
  const { groupId, memberId } = request
  const { current } = member
  draft.put({ type: 'member', groupId, memberId, value })
  const epochs = { memberEpoch: draft.group.nextEpoch(), previousEpoch: current.memberEpoch }
  draft.put({ type: 'current', groupId, memberId, value: { ...current, ...epochs } })
  if (!sameWishes(former, value)) retarget(draft, context, false, nowMs)
  return null
}

function checkedValue(
  request: HeartbeatRequest,
  subscription: Subscription | null,
  context: MembershipContext,
  instanceId: string | null = request.instanceId === '' ? null : request.instanceId,
): MemberValue | StratalogError {
  if (subscription === null) {
    return new StratalogError('INVALID_REQUEST', 'a member that joins must say what it subscribes to', {
      metadata: { field: 'subscription' },
    })
  }
  const { config, patterns } = context
  const { topicPattern } = subscription
  const error =
    checkMemberIds(request) ??
    checkSubscription(subscription, config) ??
    (topicPattern === '' ? null : patterns.check(topicPattern))
  if (error !== null) return error
  return {
    instanceId,
    clientId: subscription.clientId,
    address: request.address,
    rack: subscription.rack === '' ? null : subscription.rack,
    topics: sortedNames(subscription.topics),
    topicPattern: topicPattern === '' ? null : topicPattern,
    rebalanceTimeoutMs: subscription.rebalanceTimeoutMs || config.rebalanceTimeoutMs,
    sessionTimeoutMs: subscription.sessionTimeoutMs || config.sessionTimeoutMs,
    assignor: subscription.assignor === '' ? null : subscription.assignor,
  }
}

function checkEpoch(member: Member, epoch: number): StratalogError | null {
  const { memberEpoch, previousEpoch, away } = member.current
  if (epoch === JOIN_EPOCH) return null
  if (!away && (epoch === memberEpoch || epoch === previousEpoch)) return null
  const text = away ? 'it has left for a while' : `its epoch is ${memberEpoch}`
  return new StratalogError('FENCED_MEMBER_EPOCH', `member ${member.memberId} presents epoch ${epoch}; ${text}`, {
    metadata: { memberId: member.memberId, memberEpoch: String(memberEpoch) },
  })
}

function checkSize(group: Group, { config }: MembershipContext): StratalogError | null {
  if (group.members.size < config.groupSizeMax) return null
  const text = `group ${group.groupId} has ${group.members.size} members; it may have ${config.groupSizeMax}`
  return new StratalogError('GROUP_MAX_SIZE_REACHED', text, { metadata: { limit: String(config.groupSizeMax) } })
}

function staticMember(group: Group, instanceId: string | null): Member | null {
  const memberId = instanceId === null ? undefined : group.instances.get(instanceId)
  return memberId === undefined ? null : group.members.get(memberId)!
}

/** A static member makes room when it has left for a while, or has been silent for so long that it looks dead. */
function checkReleased(former: Member, { config }: MembershipContext, nowMs: number): StratalogError | null {
  const silentMs = nowMs - former.lastHeartbeatMs
  if (former.current.away || silentMs >= SILENT_HEARTBEATS * config.heartbeatIntervalMs) return null
  const text = `instance id ${former.value.instanceId} is in use by member ${former.memberId}, heard of ${silentMs} ms ago`
  return new StratalogError('UNRELEASED_INSTANCE_ID', text, { metadata: { memberId: former.memberId } })
}

function notStatic(memberId: string): StratalogError {
  const text = `member ${memberId} has no instance id; only a static member may leave for a while (epoch -2)`
  return new StratalogError('INVALID_REQUEST', text, { metadata: { field: 'member_epoch' } })
}

/** It owns nothing from here on and keeps its target, until it comes back or its session ends. */
function goAway(draft: Draft, member: Member, nowMs: number): void {
  const { groupId } = draft.group
  const { memberId } = member
  draft.put({
    type: 'current',
    groupId,
    memberId,
    value: {
      memberEpoch: draft.group.nextEpoch(),
      previousEpoch: NO_EPOCH,
      assigned: EMPTY_ASSIGNMENT,
      revoking: EMPTY_ASSIGNMENT,
      away: true,
    },
  })
  member.lastHeartbeatMs = nowMs
  member.revokingSinceMs = null
  draft.events.push(`member ${memberId} of group ${groupId} left for a while`)
}

/** All of a member's records; the first of them ends it. */
function removeMember(draft: Draft, member: Member): void {
  const { groupId } = draft.group
  const { memberId } = member
  const keys = { groupId, memberId, value: null } as const
  const hadTarget = member.target.size > 0
  draft.put({ type: 'member', ...keys })
  if (hadTarget) draft.put({ type: 'target', ...keys })
  draft.put({ type: 'current', ...keys })
}

function responseTo(request: HeartbeatRequest, member: Member, context: MembershipContext): HeartbeatResponse {
  const { memberEpoch, assigned } = member.current
  const { sessionTimeoutMs } = member.value
  // A member that may be silent for a short time only has to speak more often.
  const settledMs = Math.min(context.config.heartbeatIntervalMs, Math.floor(sessionTimeoutMs / HEARTBEATS_A_SESSION))
  const heartbeatIntervalMs = member.isSettled() ? settledMs : Math.ceil(settledMs / UNSETTLED_SPEED_UP)
  if (request.memberEpoch !== memberEpoch) return { memberEpoch, heartbeatIntervalMs, assignment: assigned, holdMs: 0 }
  const holdMs = Math.min(heartbeatIntervalMs, Math.floor(sessionTimeoutMs * HOLD_SHARE))
  return { memberEpoch, heartbeatIntervalMs, assignment: null, holdMs }
}
