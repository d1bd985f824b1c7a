/**
 * A member's way from what it has to what it should have, one heartbeat at a time.
 *
 * ```
 *            told: give up q, take p (p free)             owned without q
 *  epoch 5 ----------------------------------> epoch 6 ----------------------> q free
 *  {q}                                          {p}, giving up {q}              {p}
 * ```
 * Only the member's own heartbeat changes what it is told, so at most one change is under way between the two. Each
 * change has a new epoch, which the member presents from then on: presenting it is how it says that it knows, and
 * `owned` counts as an answer only together with it. A heartbeat that was sent before, and arrives late or twice,
 * presents an older epoch and gives up nothing.
 *
 * Invariant: a partition is given to a member only when no other may be reading it (Group.owners).
 * A round of giving up is finished before the next begins, so that each has the whole rebalance timeout; taking is not held up.
 *
 * Differs from Kafka's CurrentAssignmentBuilder in that members whose partitions stay keep their epoch: a rebalance touches only
 * those that it moves something from or to.
 */
import {
  type Assignment,
  difference,
  EMPTY_ASSIGNMENT,
  filterAssignment,
  hasSome,
  intersection,
  union,
} from './assignment.ts'
import type { Draft } from './draft.ts'
import type { Group } from './group.ts'
import type { Member } from './member.ts'

/**
 * Takes in what the member has given up and tells it what comes next. The member has presented its present epoch, or is new.
 *
 * @param knownEpoch the epoch that the member knows of, -1 when it knows of none.
 * @param owned what it may be reading, by its own word; null = not told.
 */
export function reconcile(
  draft: Draft,
  member: Member,
  knownEpoch: number,
  owned: Assignment | null,
  nowMs: number,
): void {
  const { group } = draft
  releaseGivenUp(draft, member, owned)
  const { memberEpoch, assigned, revoking } = member.current
  const toGiveUp = revoking.size === 0 ? difference(assigned, member.target) : EMPTY_ASSIGNMENT
  const toTake = takeable(group, member)
  const isNew = memberEpoch === 0
  if (!isNew && toGiveUp.size === 0 && toTake.size === 0) return
  draft.put({
    type: 'current',
    groupId: group.groupId,
    memberId: member.memberId,
    value: {
      memberEpoch: group.nextEpoch(),
      previousEpoch: knownEpoch,
      assigned: union(difference(assigned, toGiveUp), toTake),
      revoking: union(revoking, toGiveUp),
      away: false,
    },
  })
  if (toGiveUp.size > 0) member.revokingSinceMs = nowMs
}

/** Whether the member's next heartbeat would bring it something: something to give up, or something that is free by now. */
export function hasNewsFor(group: Group, member: Member): boolean {
  const { assigned, revoking, away } = member.current
  if (away) return false
  if (revoking.size === 0 && difference(assigned, member.target).size > 0) return true
  return hasSome(member.target, (topicId, partition) => group.ownerOf(topicId, partition) === undefined)
}

function releaseGivenUp(draft: Draft, member: Member, owned: Assignment | null): void {
  const { current } = member
  if (owned === null || current.revoking.size === 0) return
  const revoking = intersection(current.revoking, owned)
  if (revoking === current.revoking) return
  const { groupId } = draft.group
  draft.put({ type: 'current', groupId, memberId: member.memberId, value: { ...current, revoking } })
  if (revoking.size === 0) member.revokingSinceMs = null
}

function takeable(group: Group, member: Member): Assignment {
  return filterAssignment(member.target, (topicId, partition) => group.ownerOf(topicId, partition) === undefined)
}
