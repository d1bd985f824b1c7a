/**
 * All groups of one partition of the offsets topic.
 *
 * On a follower it only folds committed records. On the leader it answers: an event checks, makes records, folds them and
 * returns them with the response, which the shell sends once the records are committed. When they cannot be, or the lead is
 * lost, the shell throws the shard away and folds a new one from what is committed.
 *
 * Owner: the shell of that partition; synchronous, no clock.
 */
import { invariant, StratalogError } from '@stratalog/proto'
import type { Assignment } from './assignment.ts'
import { DeadlineQueue } from './deadline-queue.ts'
import { descriptionOf, summaryOf } from './description.ts'
import { Draft, unchanged } from './draft.ts'
import { Group } from './group.ts'
import {
  type Caller,
  type CommittedOffset,
  type GroupChange,
  type GroupConfig,
  type GroupDescription,
  type GroupSummary,
  type HeartbeatRequest,
  type HeartbeatResponse,
  LEAVE_EPOCH,
  LEAVE_FOR_A_WHILE_EPOCH,
  type OffsetCommit,
  type Result,
} from './group-api.ts'
import { checkGroupId, checkMemberIds } from './group-limits.ts'
import type { GroupRecord } from './group-records.ts'
import { Member } from './member.ts'
import { beat, fenceOverdue, leave, type MembershipContext, removeUnanswered } from './membership.ts'
import {
  checkCaller,
  checkEmpty,
  commit,
  deleteOffsets,
  dropGroup,
  dropTopic,
  expire,
  fetch,
  nextExpiryMs,
  reset,
} from './offsets.ts'
import { hasNewsFor } from './reconciliation.ts'
import { isSubscribed } from './subscriptions.ts'
import { retarget } from './targets.ts'
import { TopicPatterns } from './topic-patterns.ts'
import { type Topics, type TopicsDelta, topicsDelta } from './topics.ts'

/** How long topics may be unknown to a new coordinator before their offsets are dropped: its own news may be late. */
const ORPHANED_OFFSETS_MS = 600_000

/** See the file's header. */
export class GroupShard {
  readonly #config: GroupConfig
  readonly #groups = new Map<string, Group>()
  readonly #deadlines = new DeadlineQueue<Member | Group>()
  /** Null on a follower. */
  #lead: MembershipContext | null = null
  #stateBytes = 0

  constructor(config: GroupConfig) {
    this.#config = config
  }

  /** Estimate of the bytes of all live records. */
  get stateBytes(): number {
    return this.#stateBytes
  }

  get groupCount(): number {
    return this.#groups.size
  }

  /** Takes in a committed record. Not for records of this shard's own events: they are in it. */
  fold(record: GroupRecord): void {
    invariant(this.#lead === null, 'a leader folds its records as it makes them')
    const group = this.#groups.get(record.groupId) ?? new Group(record.groupId)
    const before = group.stateBytes
    group.fold(record)
    this.#keep(group, before)
  }

  /** The groups that there are now. */
  groupIds(): string[] {
    return [...this.#groups.keys()]
  }

  /** The live records of one group, in an order in which they can be folded; none when it is gone. */
  recordsOf(groupId: string): readonly GroupRecord[] {
    const group = this.#groups.get(groupId)
    return group === undefined ? [] : [...group.records()]
  }

  /** All live records, in an order in which they can be folded. */
  *checkpoint(): Generator<GroupRecord> {
    for (const group of this.#groups.values()) yield* group.records()
  }

  /** Begins to answer. All that is committed has been folded. Members get their whole session timeout anew. */
  takeLead(topics: Topics, nowMs: number): GroupChange[] {
    invariant(this.#lead === null, 'the shard leads already')
    const patterns = new TopicPatterns(topics)
    const lead = { topics, patterns, defaultAssignor: this.#config.assignor, config: this.#config }
    this.#lead = lead
    return this.#eachGroup(nowMs, (draft) => {
      const { group } = draft
      group.takeLead()
      for (const member of group.members.values()) {
        member.lastHeartbeatMs = nowMs
        member.revokingSinceMs = member.current.revoking.size === 0 ? null : nowMs
        this.#deadlines.schedule(member)
      }
      const hasCutOff = removeUnanswered(draft) || isEndUnwritten(group)
      retarget(draft, lead, hasCutOff, nowMs)
      group.expiryDeadlineMs = nextExpiryMs(group, this.#config.offsetsRetentionMs)
      if (hasUnknownTopics(group, topics)) group.orphanDeadlineMs = nowMs + ORPHANED_OFFSETS_MS
      this.#deadlines.schedule(group)
    })
  }

  /**
   * A member joins, stays or leaves.
   *
   * @param heardMs when the heartbeat came. One that was held back is handled again with its own time: it says that the
   *   member was alive then, and no more.
   */
  heartbeat(request: HeartbeatRequest, nowMs: number, heardMs: number = nowMs): Result<HeartbeatResponse> {
    const lead = this.#leading()
    const { groupId, memberId, memberEpoch } = request
    if (!Number.isInteger(memberEpoch) || memberEpoch < LEAVE_FOR_A_WHILE_EPOCH) return badEpoch(memberEpoch)
    const known = this.#groups.get(groupId)
    if (known === undefined) {
      const error = checkMemberIds(request)
      if (error !== null) return error
    }
    const draft = new Draft(known ?? this.#newGroup(groupId))
    const isLeave = memberEpoch <= LEAVE_EPOCH
    const response = isLeave ? leave(draft, request, lead, nowMs) : beat(draft, request, lead, nowMs, heardMs)
    const member = draft.group.members.get(memberId)
    if (member !== undefined) this.#deadlines.schedule(member)
    return this.#finish(draft, response, nowMs, memberId)
  }

  /** Commits offsets. @param caller null from outside the group, which must have no members then. */
  commitOffsets(
    groupId: string,
    caller: Caller | null,
    commits: readonly OffsetCommit[],
    nowMs: number,
  ): Result<readonly CommittedOffset[]> {
    const { topics } = this.#leading()
    const group = this.#groupFor(groupId)
    if (group instanceof StratalogError) return group
    const member = checkCaller(group, caller)
    if (member instanceof StratalogError) return member
    const error = member === null ? checkEmpty(group) : null
    if (error !== null) return error
    const draft = new Draft(group)
    return this.#finish(draft, commit(draft, member, commits, topics, nowMs), nowMs)
  }

  /** Committed offsets. @param partitions null = all that the group has. */
  fetchOffsets(
    groupId: string,
    caller: Caller | null,
    partitions: Assignment | null,
  ): Result<readonly CommittedOffset[]> {
    this.#leading()
    const group = this.#groupFor(groupId)
    if (group instanceof StratalogError) return group
    const member = checkCaller(group, caller)
    return member instanceof StratalogError ? member : unchanged(fetch(group, partitions))
  }

  /** Forgets committed offsets of topics that no member subscribes to. */
  deleteOffsets(groupId: string, partitions: Assignment, nowMs: number): Result<readonly CommittedOffset[]> {
    const { topics, patterns } = this.#leading()
    const group = this.#knownGroup(groupId)
    if (group instanceof StratalogError) return group
    const draft = new Draft(group)
    return this.#finish(draft, deleteOffsets(draft, partitions, topics, patterns), nowMs)
  }

  /** Forgets a group without members. */
  deleteGroup(groupId: string, nowMs: number): Result<null> {
    this.#leading()
    const group = this.#knownGroup(groupId)
    if (group instanceof StratalogError) return group
    const error = checkEmpty(group)
    if (error !== null) return error
    const draft = new Draft(group)
    dropGroup(draft)
    return this.#finish(draft, null, nowMs)
  }

  /** Why the group's offsets cannot be reset now; null when they can. A group that is not there can: it begins so. */
  checkResettable(groupId: string): StratalogError | null {
    const group = this.#groupFor(groupId)
    return group instanceof StratalogError ? group : checkEmpty(group)
  }

  /** Sets committed offsets of a group without members. */
  resetOffsets(groupId: string, resets: readonly OffsetCommit[], nowMs: number): Result<readonly CommittedOffset[]> {
    const { topics } = this.#leading()
    const group = this.#groupFor(groupId)
    if (group instanceof StratalogError) return group
    const error = checkEmpty(group)
    if (error !== null) return error
    const draft = new Draft(group)
    return this.#finish(draft, reset(draft, resets, topics, nowMs), nowMs)
  }

  /**
   * The coordinator has stood still for the last `lostMs`: what members said meanwhile has not been heard yet, so their
   * silence and their slowness in that time say nothing. O(members).
   */
  stoodStill(lostMs: number, nowMs: number): void {
    for (const { members } of this.#groups.values()) for (const member of members.values()) member.excuse(lostMs, nowMs)
  }

  /** No timer is due before; null when none ever is. */
  nextDeadlineMs(): number | null {
    return this.#deadlines.nextMs
  }

  /** Does what is due: fences silent members and those that do not give up, lets offsets expire. */
  tick(nowMs: number): GroupChange[] {
    const lead = this.#leading()
    const due = new Map<Group, Member[]>()
    for (const item of this.#deadlines.takeDue(nowMs)) {
      const group = item instanceof Member ? this.#groups.get(item.groupId) : item
      if (group === undefined || this.#groups.get(group.groupId) !== group) continue
      const members = due.get(group) ?? []
      due.set(group, members)
      if (item instanceof Member) members.push(item)
    }
    const changes: GroupChange[] = []
    for (const [group, members] of due) {
      const draft = new Draft(group)
      fenceOverdue(draft, members, lead, nowMs)
      this.#expire(draft, lead.topics, nowMs)
      this.#pushChange(changes, draft, nowMs)
    }
    return changes
  }

  /** Follows the topics; only groups that subscribe to what has changed, or have offsets of what is gone, are touched. */
  topicsChanged(delta: TopicsDelta, nowMs: number): GroupChange[] {
    const before = this.#leading().topics
    // A view may have been passed over, or have come before the lead was taken.
    const step = delta.before === before ? delta : topicsDelta(before, delta.after)
    const { after, changed, deleted } = step
    const lead = { ...this.#leading(), topics: after }
    this.#lead = lead
    lead.patterns.topicsChanged(step)
    return this.#eachGroup(nowMs, (draft) => {
      const { group } = draft
      for (const { topicId } of deleted) if (group.offsets.hasTopic(topicId)) dropTopic(draft, topicId)
      const isTouched =
        group.isRetargetDue ||
        changed.some(({ name }) => isSubscribed(group.members.values(), name, lead.patterns)) ||
        deleted.some(({ topicId }) => hasTarget(group, topicId))
      if (isTouched) retarget(draft, lead, false, nowMs)
    })
  }

  /** A group in full. */
  describe(groupId: string, nowMs: number): GroupDescription | StratalogError {
    const group = this.#knownGroup(groupId)
    return group instanceof StratalogError ? group : descriptionOf(group, nowMs)
  }

  /** All groups, by id. */
  list(): GroupSummary[] {
    const all = [...this.#groups.values()].map(summaryOf)
    return all.sort((left, right) => (left.groupId < right.groupId ? -1 : 1))
  }

  /** Throws InvariantError when the state is not as it must be. For tests: O(state). */
  checkInvariants(): void {
    for (const group of this.#groups.values()) group.checkInvariants()
    let bytes = 0
    for (const group of this.#groups.values()) bytes += group.stateBytes
    invariant(bytes === this.#stateBytes, () => `state is ${bytes} bytes, ${this.#stateBytes} are counted`)
  }

  #leading(): MembershipContext {
    invariant(this.#lead !== null, 'only a leader is asked')
    return this.#lead
  }

  #newGroup(groupId: string): Group {
    const group = new Group(groupId)
    group.takeLead()
    return group
  }

  /** The group, or a new one that is kept once it has records. */
  #groupFor(groupId: string): Group | StratalogError {
    const known = this.#groups.get(groupId)
    if (known !== undefined) return known
    return checkGroupId(groupId) ?? this.#newGroup(groupId)
  }

  #knownGroup(groupId: string): Group | StratalogError {
    const known = this.#groups.get(groupId)
    if (known !== undefined) return known
    const text = `there is no group ${JSON.stringify(groupId)}`
    return checkGroupId(groupId) ?? new StratalogError('GROUP_ID_NOT_FOUND', text)
  }

  #expire(draft: Draft, topics: Topics, nowMs: number): void {
    const { group } = draft
    if (group.orphanDeadlineMs <= nowMs) {
      for (const topicId of [...group.offsets.topicIds()]) if (!topics.byId.has(topicId)) dropTopic(draft, topicId)
      group.orphanDeadlineMs = Number.POSITIVE_INFINITY
    }
    if (group.expiryDeadlineMs <= nowMs) {
      expire(draft, this.#config.offsetsRetentionMs, nowMs)
      group.expiryDeadlineMs = nextExpiryMs(group, this.#config.offsetsRetentionMs)
    }
    this.#deadlines.schedule(group)
  }

  #eachGroup(nowMs: number, change: (draft: Draft) => void): GroupChange[] {
    const changes: GroupChange[] = []
    for (const group of [...this.#groups.values()]) {
      const draft = new Draft(group)
      change(draft)
      this.#pushChange(changes, draft, nowMs)
    }
    return changes
  }

  #pushChange(changes: GroupChange[], draft: Draft, nowMs: number): void {
    const { groupId } = draft.group
    const { records, wakes } = this.#conclude(draft, nowMs, null)
    if (records.length > 0) changes.push({ groupId, records, wakes, events: draft.events })
  }

  #finish<Response>(
    draft: Draft,
    response: Response | StratalogError,
    nowMs: number,
    callerId: string | null = null,
  ): Result<Response> {
    if (response instanceof StratalogError) {
      invariant(draft.records.length === 0, 'an event that is refused has made records')
      return response
    }
    if (draft.records.length === 0) return unchanged(response)
    const { records, wakes } = this.#conclude(draft, nowMs, callerId)
    return { records, response, wakes, events: draft.events }
  }

  /** What every event ends with: the group is kept or gone, its timers are set, and those with news are named. */
  #conclude({ group, records, stateBytes }: Draft, nowMs: number, callerId: string | null) {
    this.#keep(group, stateBytes)
    if (group.members.size === 0 && !group.isGone && group.expiryDeadlineMs === Number.POSITIVE_INFINITY) {
      group.expiryDeadlineMs = nowMs + this.#config.offsetsRetentionMs
      this.#deadlines.schedule(group)
    }
    const wakes: string[] = []
    for (const record of records) {
      if (record.type === 'member' && record.value === null && record.memberId !== callerId) wakes.push(record.memberId)
    }
    if (group.takeNews()) {
      for (const member of group.unsettled) {
        if (member.memberId !== callerId && hasNewsFor(group, member)) wakes.push(member.memberId)
      }
    }
    return { records, wakes }
  }

  #keep(group: Group, bytesBefore: number): void {
    this.#stateBytes += group.stateBytes - bytesBefore
    if (group.isGone) {
      this.#groups.delete(group.groupId)
      this.#deadlines.remove(group)
    } else {
      this.#groups.set(group.groupId, group)
    }
  }
}

/** Whether the last member went, and the record that says so was cut off by a failover. */
function isEndUnwritten({ hasRecord, members, value }: Group): boolean {
  return hasRecord && members.size === 0 && value.emptySinceMs === null
}

function hasUnknownTopics({ offsets }: Group, { byId }: Topics): boolean {
  for (const topicId of offsets.topicIds()) if (!byId.has(topicId)) return true
  return false
}

function hasTarget({ members }: Group, topicId: string): boolean {
  for (const { target } of members.values()) if (target.has(topicId)) return true
  return false
}

function badEpoch(memberEpoch: number): StratalogError {
  const text = `member_epoch is ${memberEpoch}; it must be -2, -1, 0 or one that was received`
  return new StratalogError('INVALID_REQUEST', text, { metadata: { field: 'member_epoch' } })
}
