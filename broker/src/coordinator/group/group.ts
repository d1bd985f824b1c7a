/**
 * The state of one group: the fold of its records, with what follows from it.
 *
 * Nothing durable changes but by {@link Group.fold}, on the leader, on a follower and in a replay alike; that is why the
 * state after a failover is the state before it.
 *
 * Invariant (leader): a partition has at most one owner, a member that has been told of it and has not given it up.
 * Invariant: `epoch` is at least the group's and every member's epoch; it only grows.
 */
import { invariant } from '@stratalog/proto'
import { type Assignment, checkAssignment, EMPTY_ASSIGNMENT, hasPartition, hasSome } from './assignment.ts'
import type { GroupStateName } from './group-api.ts'
import type { CurrentValue, GroupRecord, GroupValue, MemberValue, OffsetValue } from './group-records.ts'
import { Member, sameNames } from './member.ts'
import { PartitionMap } from './partition-map.ts'
import { bytesOf } from './record-bytes.ts'

/** A group that no record was written of. */
const NO_VALUE: GroupValue = { epoch: 0, targetEpoch: 0, assignor: '', topicsVersion: 0, emptySinceMs: null }

type RecordOf<Type extends GroupRecord['type']> = Extract<GroupRecord, { type: Type }>

/** See the file's header. Owner: its shard. */
export class Group {
  readonly groupId: string
  readonly members: Map<string, Member> = new Map()
  /** Static members: instance id to member id. */
  readonly instances: Map<string, string> = new Map()
  readonly offsets: PartitionMap<OffsetValue> = new PartitionMap()
  /** Members that are not where they should be. */
  readonly unsettled: Set<Member> = new Set()
  /** Who may be reading a partition; null on a follower, which does not ask. */
  owners: PartitionMap<Member> | null = null
  /** Not durable. The targets could not be computed yet: the topics that this broker knows are older than theirs. */
  isRetargetDue = false
  /** Not durable. Topics that were unknown when the lead was taken are held to be deleted from then on. */
  orphanDeadlineMs: number = Number.POSITIVE_INFINITY
  /** Not durable. No offset expires before. */
  expiryDeadlineMs: number = Number.POSITIVE_INFINITY

  #value: GroupValue | null = null
  #epoch = 0
  #stateBytes = 0
  /** Whether a partition was given up, or a target changed, since it was last asked. */
  #hasNews = false

  constructor(groupId: string) {
    this.groupId = groupId
  }

  /** What the group's record says. */
  get value(): GroupValue {
    return this.#value ?? NO_VALUE
  }

  /** Highest epoch given out. */
  get epoch(): number {
    return this.#epoch
  }

  /** Estimate of its records' bytes. */
  get stateBytes(): number {
    return this.#stateBytes
  }

  /** Whether nothing is left of it. */
  get isGone(): boolean {
    return this.#value === null && this.members.size === 0 && this.offsets.size === 0
  }

  /** Whether it has a record of its own, not only offsets. */
  get hasRecord(): boolean {
    return this.#value !== null
  }

  get state(): GroupStateName {
    if (this.members.size === 0) return 'empty'
    return this.unsettled.size === 0 ? 'stable' : 'reconciling'
  }

  /** See {@link DeadlineQueue}. */
  get deadlineMs(): number {
    return Math.min(this.orphanDeadlineMs, this.expiryDeadlineMs)
  }

  /** The epoch to give out next. */
  nextEpoch(): number {
    invariant(this.#epoch < 0x7fffffff, 'epochs are used up')
    return this.#epoch + 1
  }

  /** The member that may be reading the partition. Leader only. */
  ownerOf(topicId: string, partition: number): Member | undefined {
    invariant(this.owners !== null, 'owners are known to the leader only')
    return this.owners.get(topicId, partition)
  }

  /** Begins to keep the owners. */
  takeLead(): void {
    this.owners = new PartitionMap()
    for (const member of this.members.values()) this.#own(member)
  }

  /** Whether there may be news for members that are not settled; forgets that it was so. */
  takeNews(): boolean {
    const hadNews = this.#hasNews
    this.#hasNews = false
    return hadNews
  }

  /** Takes in one record of this group. */
  fold(record: GroupRecord): void {
    switch (record.type) {
      case 'group':
        this.#foldGroup(record)
        break
      case 'member':
        this.#foldMember(record)
        break
      case 'target':
        this.#foldTarget(record)
        break
      case 'current':
        this.#foldCurrent(record)
        break
      case 'offset':
        this.#foldOffset(record)
        break
    }
  }

  /** All live records, in an order in which they can be folded. */
  *records(): Generator<GroupRecord> {
    const { groupId } = this
    if (this.#value !== null) yield { type: 'group', groupId, value: { ...this.#value, epoch: this.#epoch } }
    for (const { memberId, value, target, current } of this.members.values()) {
      yield { type: 'member', groupId, memberId, value }
      if (target.size > 0) yield { type: 'target', groupId, memberId, value: { partitions: target } }
      if (current.memberEpoch !== 0) yield { type: 'current', groupId, memberId, value: current }
    }
    for (const [topicId, partition, value] of this.offsets) yield { type: 'offset', groupId, topicId, partition, value }
  }

  /** Throws InvariantError when the state is not as it must be. O(state). */
  checkInvariants(): void {
    invariant(!this.isGone, () => `group ${this.groupId} has nothing and is kept`)
    const owners = new PartitionMap<Member>()
    for (const member of this.members.values()) {
      const { memberId, current, target } = member
      invariant(current.memberEpoch <= this.#epoch, () => `member ${memberId} is ahead of its group`)
      invariant(current.previousEpoch < current.memberEpoch || current.memberEpoch === 0, 'a member goes back')
      invariant(this.unsettled.has(member) !== member.isSettled(), () => `member ${memberId} is counted wrongly`)
      for (const set of [target, current.assigned, current.revoking]) checkAssignment(set)
      for (const set of ownedBy(current)) {
        for (const [topicId, partitions] of set) {
          for (const partition of partitions) {
            const other = owners.get(topicId, partition)
            invariant(other === undefined, () => twoOwners(this.groupId, topicId, partition, member, other!))
            owners.set(topicId, partition, member)
          }
        }
      }
    }
    if (this.owners === null) return
    invariant(
      this.owners.size === owners.size,
      () => `${owners.size} partitions are owned, ${this.owners!.size} counted`,
    )
  }

  #foldGroup({ value }: RecordOf<'group'>): void {
    this.#stateBytes += bytesOf.group(this.groupId, value) - bytesOf.group(this.groupId, this.#value)
    this.#value = value
    if (value !== null) {
      this.#raiseEpoch(value.epoch)
      return
    }
    for (const memberId of [...this.members.keys()]) this.#removeMember(memberId)
    for (const [topicId, partition] of [...this.offsets]) this.#putOffset(topicId, partition, null)
  }

  #foldMember({ memberId, value }: RecordOf<'member'>): void {
    if (value === null) {
      this.#removeMember(memberId)
      return
    }
    const shared = { ...value, topics: this.#sharedTopics(value) }
    const member = this.members.get(memberId)
    this.#stateBytes += bytesOf.member(this.groupId, memberId, value)
    if (member === undefined) {
      this.members.set(memberId, new Member(this.groupId, memberId, shared))
    } else {
      this.#stateBytes -= bytesOf.member(this.groupId, memberId, member.value)
      this.#forgetInstance(member)
      member.value = shared
    }
    if (value.instanceId !== null) this.instances.set(value.instanceId, memberId)
  }

  #foldTarget({ memberId, value }: RecordOf<'target'>): void {
    const member = this.members.get(memberId)
    if (member === undefined) return
    const target = value?.partitions ?? EMPTY_ASSIGNMENT
    this.#stateBytes += bytesOf.target(this.groupId, memberId, target)
    this.#stateBytes -= bytesOf.target(this.groupId, memberId, member.target)
    member.target = target
    this.#settle(member)
    this.#hasNews = true
  }

  #foldCurrent({ memberId, value }: RecordOf<'current'>): void {
    const member = this.members.get(memberId)
    if (member === undefined || value === null) return
    this.#stateBytes += bytesOf.current(this.groupId, memberId, value)
    this.#stateBytes -= bytesOf.current(this.groupId, memberId, member.current)
    const former = member.current
    this.#disown(member)
    member.current = value
    this.#own(member)
    if (releases(former, value)) this.#hasNews = true
    this.#raiseEpoch(value.memberEpoch)
    this.#settle(member)
  }

  #foldOffset({ topicId, partition, value }: RecordOf<'offset'>): void {
    this.#putOffset(topicId, partition, value)
  }

  #putOffset(topicId: string, partition: number, value: OffsetValue | null): void {
    const former = this.offsets.get(topicId, partition) ?? null
    this.#stateBytes += bytesOf.offset(this.groupId, value) - bytesOf.offset(this.groupId, former)
    if (value === null) this.offsets.delete(topicId, partition)
    else this.offsets.set(topicId, partition, value)
  }

  #removeMember(memberId: string): void {
    const member = this.members.get(memberId)
    if (member === undefined) return
    const { value, target, current } = member
    this.#stateBytes -= bytesOf.member(this.groupId, memberId, value)
    this.#stateBytes -=
      bytesOf.target(this.groupId, memberId, target) + bytesOf.current(this.groupId, memberId, current)
    this.#disown(member)
    this.#hasNews = true
    this.#forgetInstance(member)
    this.unsettled.delete(member)
    this.members.delete(memberId)
  }

  #forgetInstance({ memberId, value }: Member): void {
    const { instanceId } = value
    if (instanceId !== null && this.instances.get(instanceId) === memberId) this.instances.delete(instanceId)
  }

  #raiseEpoch(epoch: number): void {
    this.#epoch = Math.max(this.#epoch, epoch)
  }

  #settle(member: Member): void {
    if (member.isSettled()) this.unsettled.delete(member)
    else this.unsettled.add(member)
  }

  #own(member: Member): void {
    if (this.owners === null) return
    for (const set of ownedBy(member.current)) {
      for (const [topicId, partitions] of set) {
        for (const partition of partitions) {
          const owner = this.owners.get(topicId, partition)
          invariant(owner === undefined, () => twoOwners(this.groupId, topicId, partition, member, owner!))
          this.owners.set(topicId, partition, member)
        }
      }
    }
  }

  #disown(member: Member): void {
    if (this.owners === null) return
    for (const set of ownedBy(member.current)) {
      for (const [topicId, partitions] of set) {
        for (const partition of partitions) this.owners.delete(topicId, partition)
      }
    }
  }

  /** The list of another member that subscribes to the same topics, if there is one. */
  #sharedTopics({ topics }: MemberValue): readonly string[] {
    let looked: readonly string[] | null = null
    for (const { value } of this.members.values()) {
      if (value.topics === looked) continue
      looked = value.topics
      if (sameNames(looked, topics)) return looked
    }
    return topics
  }
}

function ownedBy({ assigned, revoking }: CurrentValue): readonly Assignment[] {
  return [assigned, revoking]
}

/** Whether something that belonged to a member no longer does. What it only has to give up still does. */
function releases(before: CurrentValue, after: CurrentValue): boolean {
  const gone = (topicId: string, partition: number): boolean =>
    !hasPartition(after.assigned, topicId, partition) && !hasPartition(after.revoking, topicId, partition)
  return ownedBy(before).some((set) => hasSome(set, gone))
}

function twoOwners(groupId: string, topicId: string, partition: number, member: Member, owner: Member): string {
  return `partition ${partition} of ${topicId} would belong to ${member.memberId} and ${owner.memberId} in group ${groupId}`
}
