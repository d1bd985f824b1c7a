/**
 * Why a group, or a partition of it, does not move: one sentence for each cause, the most telling first.
 *
 * Pure. What only the partitions' leaders know is passed in.
 */
import { type Assignment, partitionCount } from './assignment.ts'
import type { GroupDescription, MemberDescription } from './group-api.ts'

/** What keeps a partition from being read, as its leader or the lack of one tells. */
export type PartitionTrouble =
  | { readonly kind: 'no-leader'; readonly topicId: string; readonly partition: number }
  | {
      readonly kind: 'offset-out-of-range'
      readonly topicId: string
      readonly partition: number
      readonly offset: number
      readonly logStartOffset: number
      readonly visibleEnd: number
    }
  | { readonly kind: 'throttled'; readonly topicId: string; readonly partition: number; readonly forMs: number }

/** Heartbeats that a member may miss before its silence is told. */
const MISSED_HEARTBEATS = 3

/** Names of topics, in sentences. */
export type TopicNames = (topicId: string) => string

/** Empty when all moves. @param heartbeatIntervalMs of settled members. */
export function explainStandstill(
  group: GroupDescription,
  troubles: readonly PartitionTrouble[],
  topicName: TopicNames,
  heartbeatIntervalMs: number,
): string[] {
  if (group.members.length === 0) return ['The group has no members.']
  const silentMs = MISSED_HEARTBEATS * heartbeatIntervalMs
  return [
    ...troubles.map((trouble) => ofTrouble(trouble, topicName)),
    ...group.members.flatMap((member) => ofMember(member, topicName, silentMs)),
    ...ofWaiting(group, topicName),
    ...(hasTargets(group) ? [] : ['No member subscribes to a topic that exists.']),
  ]
}

function ofTrouble(trouble: PartitionTrouble, topicName: TopicNames): string {
  const place = `Partition ${topicName(trouble.topicId)}-${trouble.partition}`
  switch (trouble.kind) {
    case 'no-leader':
      return `${place} has no leader.`
    case 'offset-out-of-range': {
      const { offset, logStartOffset, visibleEnd } = trouble
      return `${place} is committed at offset ${offset}, which is out of range: the log has ${logStartOffset} to ${visibleEnd}.`
    }
    case 'throttled':
      return `${place} is throttled for ${duration(trouble.forMs)} more.`
  }
}

function ofMember(member: MemberDescription, topicName: TopicNames, silentMs: number): string[] {
  const name = nameOf(member)
  const sentences = member.stalls.map(({ topicId, partition, offset, forMs }) => {
    return `${name} has been at offset ${offset} of ${topicName(topicId)}-${partition} for ${duration(forMs)}.`
  })
  if (member.away) {
    const leftMs = Math.max(0, member.subscription.sessionTimeoutMs - member.silentMs)
    const kept = partitionCount(member.target)
    return [`${name} has left for a while; ${partitions(kept)} kept for it for ${duration(leftMs)} more.`]
  }
  if (member.silentMs > silentMs) {
    const leftMs = Math.max(0, member.subscription.sessionTimeoutMs - member.silentMs)
    const held = partitionCount(member.assigned) + partitionCount(member.revoking)
    sentences.push(
      `${name} has been silent for ${duration(member.silentMs)} and holds ${held} partitions; it is removed in ${duration(leftMs)}.`,
    )
  }
  return sentences
}

/** Whose partitions are waited for, and by whom. */
function ofWaiting(group: GroupDescription, topicName: TopicNames): string[] {
  return group.members
    .filter(({ revoking }) => revoking.size > 0)
    .map((member) => {
      const leftMs = Math.max(0, member.subscription.rebalanceTimeoutMs - (member.revokingForMs ?? 0))
      const others = group.members.filter((other) => other !== member && waitsFor(other, member.revoking)).map(nameOf)
      const waiting = others.length === 0 ? '' : `; ${list(others)} wait${others.length === 1 ? 's' : ''} for it`
      const since = duration(member.revokingForMs ?? 0)
      return `Rebalancing: ${nameOf(member)} has been giving up ${named(member.revoking, topicName)} for ${since}${waiting}. It is removed in ${duration(leftMs)} if it does not.`
    })
}

function waitsFor({ target }: MemberDescription, revoking: Assignment): boolean {
  for (const [topicId, partitions] of revoking) {
    const wanted = target.get(topicId)
    if (wanted !== undefined && partitions.some((partition) => wanted.includes(partition))) return true
  }
  return false
}

function hasTargets({ members }: GroupDescription): boolean {
  return members.some(({ target }) => target.size > 0)
}

function nameOf({ memberId, instanceId, clientId }: MemberDescription): string {
  return `Member ${instanceId === '' ? memberId : instanceId}${clientId === '' ? '' : ` (${clientId})`}`
}

/** Some partitions by name, and how many more. */
function named(set: Assignment, topicName: TopicNames): string {
  const all = [...set].flatMap(([topicId, partitions]) => partitions.map((each) => `${topicName(topicId)}-${each}`))
  return list(all)
}

const NAMED_COUNT_MAX = 3

function list(names: readonly string[]): string {
  if (names.length <= NAMED_COUNT_MAX) return names.join(', ')
  return `${names.slice(0, NAMED_COUNT_MAX).join(', ')} and ${names.length - NAMED_COUNT_MAX} more`
}

function partitions(count: number): string {
  return count === 1 ? '1 partition is' : `${count} partitions are`
}

function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  return seconds < 60
    ? `${Math.round(seconds * 10) / 10} s`
    : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}
