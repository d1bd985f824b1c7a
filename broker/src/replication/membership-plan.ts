/**
 * From the members that a group has to those that it should have, a step at a time. Pure.
 *
 * New voters join as learners and become voters once they have caught up, all together and in one joint change with the
 * removal of those that go: the group is never smaller than it was, and never larger than it must be.
 */
import { type ConfChange, type ConfChangeStep, type ConfState, isJoint, isMember, type NodeId } from 'raft-ts'

/** The next step. */
export type MembershipPlan =
  | { readonly kind: 'done' }
  /** A change is under way, or somebody has not caught up. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'change'; readonly change: ConfChange }
  /** The leader itself is to go: first somebody who stays should lead. */
  | { readonly kind: 'transfer'; readonly to: NodeId }

/** What is wanted, and what the leader knows of its members. */
export interface MembershipGoal {
  readonly self: NodeId
  readonly voters: readonly NodeId[]
  /** Members that only follow. */
  readonly learners: readonly NodeId[]
  readonly isCaughtUp: (id: NodeId) => boolean
}

/** The next step towards the goal. */
export function planMembership(confState: ConfState, goal: MembershipGoal): MembershipPlan {
  if (isJoint(confState)) return { kind: 'wait' }
  const { self, voters, learners, isCaughtUp } = goal
  const wanted = new Set([...voters, ...learners])
  const joining = [...wanted].filter((id) => !isMember(confState, id))
  const leavingLearners = confState.learners.filter((id) => !wanted.has(id))
  const early = [...stepsOf('add-learner', joining), ...stepsOf('remove', leavingLearners)]
  if (early.length > 0) return change(early)
  const promoted = voters.filter((id) => !confState.voters.includes(id))
  const leaving = confState.voters.filter((id) => !voters.includes(id))
  if (promoted.length === 0 && leaving.length === 0) return { kind: 'done' }
  if (!promoted.every(isCaughtUp)) return { kind: 'wait' }
  const heir = leaving.includes(self) ? confState.voters.find((id) => voters.includes(id) && isCaughtUp(id)) : undefined
  if (heir !== undefined) return { kind: 'transfer', to: heir }
  return change([
    ...stepsOf('add-voter', promoted),
    ...stepsOf(
      'add-learner',
      leaving.filter((id) => wanted.has(id)),
    ),
    ...stepsOf(
      'remove',
      leaving.filter((id) => !wanted.has(id)),
    ),
  ])
}

function stepsOf(kind: ConfChangeStep['kind'], ids: readonly NodeId[]): ConfChangeStep[] {
  return ids.map((id) => ({ kind, id }))
}

function change(steps: readonly ConfChangeStep[]): MembershipPlan {
  return { kind: 'change', change: { transition: 'auto', steps } }
}
