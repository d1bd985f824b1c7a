/**
 * One member of a group: what its records say, and what only the leading coordinator knows.
 *
 * Owner: its group (group.ts) changes what is durable, by folding records; the shard's events change the rest.
 */
import { type Assignment, EMPTY_ASSIGNMENT, hasPartition, sameAssignment } from './assignment.ts'
import type { Stall, Subscription } from './group-api.ts'
import type { CurrentValue, MemberValue } from './group-records.ts'

/** What a member is told before it was told anything. */
const NOT_TOLD: CurrentValue = {
  memberEpoch: 0,
  previousEpoch: -1,
  assigned: EMPTY_ASSIGNMENT,
  revoking: EMPTY_ASSIGNMENT,
  away: false,
}

const NO_STALLS: readonly Stall[] = []

/** See the file's header. */
export class Member {
  readonly groupId: string
  readonly memberId: string
  value: MemberValue
  current: CurrentValue = NOT_TOLD
  target: Assignment = EMPTY_ASSIGNMENT

  /** Not durable. When it was heard of last; a new coordinator begins with the time of its election. */
  lastHeartbeatMs = 0
  /** Not durable. Since when it has had something to give up; null while it has nothing. */
  revokingSinceMs: number | null = null
  /** Not durable. */
  stalls: readonly Stall[] = NO_STALLS

  /** @param value its topics are those of another member, if that has the same (so that equal lists are one list). */
  constructor(groupId: string, memberId: string, value: MemberValue) {
    this.groupId = groupId
    this.memberId = memberId
    this.value = value
  }

  /** What members are ordered by: a static member stays in its place when its process is another. */
  get orderKey(): string {
    return this.value.instanceId ?? this.memberId
  }

  /** A heartbeat came at that time. One that was held back says nothing about the time since. */
  hear(heardMs: number): void {
    this.lastHeartbeatMs = Math.max(this.lastHeartbeatMs, heardMs)
  }

  /** So much of the time up to now counts for nothing: nobody could have been heard. */
  excuse(lostMs: number, nowMs: number): void {
    this.hear(Math.min(nowMs, this.lastHeartbeatMs + lostMs))
    if (this.revokingSinceMs !== null) {
      this.revokingSinceMs = Math.max(this.revokingSinceMs, Math.min(nowMs, this.revokingSinceMs + lostMs))
    }
  }

  /** Whether there is nothing left to move. One that is away waits for nothing. */
  isSettled(): boolean {
    const { away, assigned, revoking } = this.current
    return away || (revoking.size === 0 && sameAssignment(assigned, this.target))
  }

  /** Whether it may be reading the partition. */
  mayRead(topicId: string, partition: number): boolean {
    return (
      hasPartition(this.current.assigned, topicId, partition) || hasPartition(this.current.revoking, topicId, partition)
    )
  }

  /** When its silence ends it. */
  get sessionDeadlineMs(): number {
    return this.lastHeartbeatMs + this.value.sessionTimeoutMs
  }

  /** When it must have given up what it was told to; Infinity while that is nothing. */
  get revocationDeadlineMs(): number {
    return this.revokingSinceMs === null
      ? Number.POSITIVE_INFINITY
      : this.revokingSinceMs + this.value.rebalanceTimeoutMs
  }

  /** The next moment at which something may be due. */
  get deadlineMs(): number {
    return Math.min(this.sessionDeadlineMs, this.revocationDeadlineMs)
  }
}

/** What a member said, as it would say it. */
export function subscriptionOf(value: MemberValue): Subscription {
  return {
    topics: value.topics,
    topicPattern: value.topicPattern ?? '',
    rack: value.rack ?? '',
    clientId: value.clientId,
    rebalanceTimeoutMs: value.rebalanceTimeoutMs,
    sessionTimeoutMs: value.sessionTimeoutMs,
    assignor: value.assignor ?? '',
  }
}

/** Whether what decides on the group's targets is the same. */
export function sameWishes(left: MemberValue, right: MemberValue): boolean {
  return (
    sameNames(left.topics, right.topics) &&
    left.topicPattern === right.topicPattern &&
    left.rack === right.rack &&
    left.assignor === right.assignor
  )
}

/** Whether all that a member said is the same, but for where it calls from: that changes with every connection. */
export function sameMemberValue(left: MemberValue, right: MemberValue): boolean {
  return (
    sameWishes(left, right) &&
    left.instanceId === right.instanceId &&
    left.clientId === right.clientId &&
    left.rebalanceTimeoutMs === right.rebalanceTimeoutMs &&
    left.sessionTimeoutMs === right.sessionTimeoutMs
  )
}

/** Whether both lists are the same. */
export function sameNames(left: readonly string[], right: readonly string[]): boolean {
  return left === right || (left.length === right.length && left.every((name, i) => name === right[i]))
}
