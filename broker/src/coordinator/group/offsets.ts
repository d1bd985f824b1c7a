/**
 * Committed offsets: commit, fetch, reset, delete, and their end with the group or the topic.
 *
 * Invariant: a committed offset never goes back but by a reset. A commit below what is committed, from a handler that was
 * overtaken or a message that was held up, writes nothing and is answered with what stands. The one exception is a commit of a
 * higher leader epoch: that log was cut and written anew, and what was committed before is no place in it.
 */
import { StratalogError } from '@stratalog/proto'
import type { Assignment } from './assignment.ts'
import type { Draft } from './draft.ts'
import type { Group } from './group.ts'
import type { Caller, CommittedOffset, OffsetCommit } from './group-api.ts'
import { checkCommit } from './group-limits.ts'
import type { OffsetValue } from './group-records.ts'
import type { Member } from './member.ts'
import { unknownMember } from './membership.ts'
import { isSubscribed } from './subscriptions.ts'
import type { TopicPatterns } from './topic-patterns.ts'
import type { Topics } from './topics.ts'

/** Who may call: the member, null from outside. */
export type CallerCheck = Member | null | StratalogError

/** Whether the member is who it says, by its epoch. From outside a group can be written to only while it has no members. */
export function checkCaller(group: Group, caller: Caller | null): CallerCheck {
  if (caller === null) return null
  const member = group.members.get(caller.memberId)
  if (member === undefined) return unknownMember(group.groupId, caller.memberId)
  const { memberEpoch, away } = member.current
  if (caller.memberEpoch === memberEpoch && !away) return member
  const isOlder = caller.memberEpoch > 0 && caller.memberEpoch < memberEpoch && !away
  const text = `member ${caller.memberId} presents epoch ${caller.memberEpoch}; its epoch is ${memberEpoch}`
  return new StratalogError(isOlder ? 'STALE_MEMBER_EPOCH' : 'FENCED_MEMBER_EPOCH', text, {
    metadata: { memberId: caller.memberId, memberEpoch: String(memberEpoch) },
  })
}

/** The group has members, and what is asked needs it to have none. */
export function checkEmpty(group: Group): StratalogError | null {
  const count = group.members.size
  if (count === 0) return null
  return new StratalogError('GROUP_NOT_EMPTY', `group ${group.groupId} has ${count} members`, {
    metadata: { memberCount: String(count) },
  })
}

/** Commits each partition, or says why not, in the order of the request. @param member null from outside. */
export function commit(
  draft: Draft,
  member: Member | null,
  commits: readonly OffsetCommit[],
  topics: Topics,
  nowMs: number,
): readonly CommittedOffset[] {
  const { group } = draft
  return commits.map((each) => {
    const { topicId, partition } = each
    const error = checkCommit(each) ?? checkPartition(topics, each) ?? checkOwner(group, member, each)
    const former = group.offsets.get(topicId, partition)
    if (error !== null) return answer(topicId, partition, former, error)
    if (former !== undefined && !isNews(former, each, member)) return answer(topicId, partition, former)
    return answer(topicId, partition, write(draft, each, nowMs))
  })
}

/** Sets offsets to wherever the caller worked out, forward or back. */
export function reset(
  draft: Draft,
  resets: readonly OffsetCommit[],
  topics: Topics,
  nowMs: number,
): readonly CommittedOffset[] {
  return resets.map((each) => {
    const { topicId, partition } = each
    const error = checkCommit(each) ?? checkPartition(topics, each)
    if (error !== null) return answer(topicId, partition, draft.group.offsets.get(topicId, partition), error)
    return answer(topicId, partition, write(draft, each, nowMs))
  })
}

/** What is committed. @param partitions null = all that the group has, by topic id and partition. */
export function fetch(group: Group | undefined, partitions: Assignment | null): readonly CommittedOffset[] {
  if (partitions === null) return group === undefined ? [] : allOffsets(group)
  const found: CommittedOffset[] = []
  for (const [topicId, list] of partitions) {
    for (const partition of list) found.push(answer(topicId, partition, group?.offsets.get(topicId, partition)))
  }
  return found
}

/** All that a group has committed, by topic id and partition. */
export function allOffsets(group: Group): readonly CommittedOffset[] {
  const all = [...group.offsets].map(([topicId, partition, value]) => answer(topicId, partition, value))
  return all.sort((left, right) =>
    left.topicId === right.topicId ? left.partition - right.partition : left.topicId < right.topicId ? -1 : 1,
  )
}

/** Forgets offsets of topics that no member subscribes to. */
export function deleteOffsets(
  draft: Draft,
  partitions: Assignment,
  topics: Topics,
  patterns: TopicPatterns,
): readonly CommittedOffset[] {
  const { group } = draft
  const answers: CommittedOffset[] = []
  for (const [topicId, list] of partitions) {
    const name = topics.byId.get(topicId)?.name
    const isInUse = name !== undefined && isSubscribed(group.members.values(), name, patterns)
    for (const partition of list) {
      const former = group.offsets.get(topicId, partition)
      if (isInUse) {
        answers.push(answer(topicId, partition, former, inUse(group.groupId, name, partition)))
        continue
      }
      if (former !== undefined) drop(draft, topicId, partition)
      answers.push(answer(topicId, partition, undefined))
    }
  }
  return answers
}

/** Forgets all offsets of a topic. */
export function dropTopic(draft: Draft, topicId: string): void {
  for (const [partition] of [...draft.group.offsets.ofTopic(topicId)]) drop(draft, topicId, partition)
}

/** Forgets all offsets, and the group. */
export function dropGroup(draft: Draft): void {
  const { group } = draft
  for (const [topicId, partition] of [...group.offsets]) drop(draft, topicId, partition)
  if (group.hasRecord) draft.put({ type: 'group', groupId: group.groupId, value: null })
}

/** Forgets the offsets that have outlived the group's members by the retention, and the group with the last of them. */
export function expire(draft: Draft, retentionMs: number, nowMs: number): void {
  const { group } = draft
  if (group.members.size > 0) return
  for (const [topicId, partition, value] of [...group.offsets]) {
    if (expiryMs(group, value, retentionMs) <= nowMs) drop(draft, topicId, partition)
  }
  if (group.offsets.size === 0 && group.hasRecord && groupExpiryMs(group, retentionMs) <= nowMs) dropGroup(draft)
}

/** When the next of a group's offsets, or the group without any, expires; Infinity while it has members. */
export function nextExpiryMs(group: Group, retentionMs: number): number {
  if (group.members.size > 0) return Number.POSITIVE_INFINITY
  if (group.offsets.size === 0) return group.hasRecord ? groupExpiryMs(group, retentionMs) : Number.POSITIVE_INFINITY
  let next = Number.POSITIVE_INFINITY
  for (const [, , value] of group.offsets) next = Math.min(next, expiryMs(group, value, retentionMs))
  return next
}

function expiryMs({ value }: Group, { committedAtMs }: OffsetValue, retentionMs: number): number {
  return Math.max(value.emptySinceMs ?? 0, committedAtMs) + retentionMs
}

function groupExpiryMs({ value }: Group, retentionMs: number): number {
  return (value.emptySinceMs ?? 0) + retentionMs
}

/** Whether a commit says anything new. From outside a repetition does: it keeps the offset from expiring. */
function isNews(former: OffsetValue, { offset, leaderEpoch, metadata }: OffsetCommit, member: Member | null): boolean {
  if (offset < former.offset) return leaderEpoch > former.leaderEpoch && former.leaderEpoch >= 0
  return member === null || offset > former.offset || leaderEpoch !== former.leaderEpoch || metadata !== former.metadata
}

function write(draft: Draft, { topicId, partition, ...rest }: OffsetCommit, nowMs: number): OffsetValue {
  const { offset, leaderEpoch, metadata } = rest
  const value = { offset, leaderEpoch, metadata, committedAtMs: nowMs }
  draft.put({ type: 'offset', groupId: draft.group.groupId, topicId, partition, value })
  return value
}

function drop(draft: Draft, topicId: string, partition: number): void {
  draft.put({ type: 'offset', groupId: draft.group.groupId, topicId, partition, value: null })
}

function answer(
  topicId: string,
  partition: number,
  value: OffsetValue | undefined,
  error: StratalogError | null = null,
): CommittedOffset {
  if (value === undefined) {
    return { topicId, partition, offset: -1, leaderEpoch: -1, metadata: '', committedAtMs: -1, error }
  }
  const { offset, leaderEpoch, metadata, committedAtMs } = value
  return { topicId, partition, offset, leaderEpoch, metadata, committedAtMs, error }
}

function checkPartition(topics: Topics, { topicId, partition }: OffsetCommit): StratalogError | null {
  const topic = topics.byId.get(topicId)
  if (topic !== undefined && Number.isInteger(partition) && partition >= 0 && partition < topic.partitionCount)
    return null
  const text =
    topic === undefined
      ? `there is no topic of id ${topicId}`
      : `topic ${topic.name} has no partition ${partition}; it has ${topic.partitionCount}, numbered from 0`
  return new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', text, {
    partition,
    ...(topic === undefined ? {} : { topic: topic.name }),
  })
}

/** A member commits for what it may be reading, that is until it has said that it gave it up. */
function checkOwner(group: Group, member: Member | null, { topicId, partition }: OffsetCommit): StratalogError | null {
  if (member === null || member.mayRead(topicId, partition)) return null
  const owner = group.ownerOf(topicId, partition)
  const text = `member ${member.memberId} does not own partition ${partition} of ${topicId}; ${owner?.memberId ?? 'nobody'} does`
  return new StratalogError('PARTITION_NOT_OWNED', text, {
    partition,
    ...(owner === undefined ? {} : { metadata: { ownerMemberId: owner.memberId } }),
  })
}

function inUse(groupId: string, topic: string, partition: number): StratalogError {
  const text = `a member of group ${groupId} subscribes to topic ${topic}`
  return new StratalogError('GROUP_SUBSCRIBED_TO_TOPIC', text, { topic, partition })
}
