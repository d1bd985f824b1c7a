/**
 * Who should own what: computed anew whenever members, their wishes or their topics change, in the same event.
 *
 * Members learn of it at their next heartbeats (reconciliation.ts). Nothing is written when nothing comes out different, so
 * it may be done once too often: after a failover it is, because what changed meanwhile is not known.
 */

import { sameAssignment } from './assignment.ts'
import type { AssignorMember } from './assignors/assignor.ts'
import { ASSIGNORS, mostAskedFor } from './assignors/by-name.ts'
import type { Draft } from './draft.ts'
import type { Group } from './group.ts'
import type { AssignorName } from './group-limits.ts'
import { resolveSubscriptions } from './subscriptions.ts'
import type { TopicPatterns } from './topic-patterns.ts'
import type { Topics } from './topics.ts'

/** What targets are computed of, beside the members. */
export interface TargetContext {
  readonly topics: Topics
  readonly patterns: TopicPatterns
  readonly defaultAssignor: AssignorName
}

/**
 * Computes the targets of a group and writes what has changed; the group's epoch goes up if anything has.
 *
 * @param isMembershipChanged whether a member came or went: then the epoch goes up in any case.
 */
export function retarget(draft: Draft, context: TargetContext, isMembershipChanged: boolean, nowMs: number): void {
  const { group } = draft
  const { groupId } = group
  const { topics } = context
  group.isRetargetDue = topics.version < group.value.topicsVersion
  const assignor = mostAskedFor(wishes(group), context.defaultAssignor)
  let isChanged = isMembershipChanged
  if (!group.isRetargetDue) {
    for (const [member, partitions] of targetsOf(group, assignor, context)) {
      if (sameAssignment(member.target, partitions)) continue
      draft.put({ type: 'target', groupId, memberId: member.memberId, value: { partitions } })
      isChanged = true
    }
  }
  if (!isChanged) return
  const epoch = group.nextEpoch()
  draft.put({
    type: 'group',
    groupId,
    value: {
      epoch,
      targetEpoch: group.isRetargetDue ? group.value.targetEpoch : epoch,
      assignor,
      topicsVersion: Math.max(topics.version, group.value.topicsVersion),
      emptySinceMs: group.members.size === 0 ? nowMs : null,
    },
  })
}

function targetsOf(group: Group, assignor: AssignorName, { topics, patterns }: TargetContext) {
  const members = [...group.members.values()].sort((left, right) => (left.orderKey < right.orderKey ? -1 : 1))
  const subscriptions = resolveSubscriptions(members, topics, patterns)
  const asked = members.map(
    (member): AssignorMember => ({
      memberId: member.memberId,
      rack: member.value.rack,
      topics: subscriptions.get(member)!,
      previous: member.target,
    }),
  )
  const targets = ASSIGNORS[assignor](asked)
  return members.map((member, i) => [member, targets[i]!] as const)
}

function* wishes(group: Group): Generator<string | null> {
  for (const { value } of group.members.values()) yield value.assignor
}
