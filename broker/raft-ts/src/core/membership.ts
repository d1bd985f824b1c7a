/**
 * From one configuration to the next: pure arithmetic on voter sets, with the checks that keep two disjoint majorities
 * from ever existing.
 *
 * Invariant: learners are disjoint from voters; learnersNext only holds outgoing voters; only a joint configuration has
 * either `votersOutgoing`, `learnersNext` or `autoLeave`.
 * Source: dissertation chapter 4; the safety argument for joint configurations is Raft §6.
 */
import { type ConfChange, type ConfChangeStep, type ConfState, entersJoint, isLeaveJoint } from './conf-change.ts'
import { isNodeId, type NodeId } from './ids.ts'

/** Why a change cannot be made. */
export type MembershipError =
  | 'already-joint'
  | 'not-joint'
  | 'no-voters'
  | 'joint'
  | 'several-voters'
  | 'all-voters-removed'

/** A new configuration, and which of its members start afresh (new ones, and those removed and added back). */
export type MembershipResult =
  | { readonly kind: 'changed'; readonly confState: ConfState; readonly fresh: ReadonlySet<NodeId> }
  | { readonly kind: 'refused'; readonly reason: MembershipError }

interface Draft {
  voters: Set<NodeId>
  outgoing: Set<NodeId>
  learners: Set<NodeId>
  learnersNext: Set<NodeId>
  fresh: Set<NodeId>
}

/** True while both majorities are needed. */
export function isJoint(confState: ConfState): boolean {
  return confState.votersOutgoing.length > 0
}

/** True if `id` is a member in any way. */
export function isMember(confState: ConfState, id: NodeId): boolean {
  return isVoter(confState, id) || confState.learners.includes(id)
}

/** True if `id` votes in either half. */
export function isVoter(confState: ConfState, id: NodeId): boolean {
  return confState.voters.includes(id) || confState.votersOutgoing.includes(id)
}

/** Applies any change, by the way it asks for. */
export function changeMembership(confState: ConfState, change: ConfChange): MembershipResult {
  if (isLeaveJoint(change)) return leaveJoint(confState)
  if (entersJoint(change)) return enterJoint(confState, change.transition !== 'explicit', change.steps)
  return simpleChange(confState, change.steps)
}

/** Makes the voters outgoing as well, and applies the steps to the incoming half. */
export function enterJoint(
  confState: ConfState,
  autoLeave: boolean,
  steps: readonly ConfChangeStep[],
): MembershipResult {
  if (isJoint(confState)) return { kind: 'refused', reason: 'already-joint' }
  if (confState.voters.length === 0) return { kind: 'refused', reason: 'no-voters' }
  const draft = draftOf(confState)
  draft.outgoing = new Set(draft.voters)
  if (!applySteps(draft, steps)) return { kind: 'refused', reason: 'all-voters-removed' }
  return changed(draft, autoLeave)
}

/** Drops the outgoing half; voters that were to become learners do so now. */
export function leaveJoint(confState: ConfState): MembershipResult {
  if (!isJoint(confState)) return { kind: 'refused', reason: 'not-joint' }
  const draft = draftOf(confState)
  for (const id of draft.learnersNext) draft.learners.add(id)
  draft.learnersNext.clear()
  draft.outgoing.clear()
  return changed(draft, false)
}

/** Applies steps that add or remove at most one voter between them. */
export function simpleChange(confState: ConfState, steps: readonly ConfChangeStep[]): MembershipResult {
  if (isJoint(confState)) return { kind: 'refused', reason: 'joint' }
  const draft = draftOf(confState)
  if (!applySteps(draft, steps)) return { kind: 'refused', reason: 'all-voters-removed' }
  if (differenceCount(confState.voters, draft.voters) > 1) return { kind: 'refused', reason: 'several-voters' }
  return changed(draft, false)
}

/** What is wrong with a configuration from outside, or null. An empty one is fine: a node that is yet to be told. */
export function confStateDefect(confState: ConfState): string | null {
  const { voters, votersOutgoing, learners, learnersNext } = confState
  for (const ids of [voters, votersOutgoing, learners, learnersNext]) {
    if (!Array.isArray(ids)) return 'a voter set is not a list'
    for (let i = 0; i < ids.length; i++) {
      if (!isNodeId(ids[i])) return `not a node id: ${String(ids[i])}`
      if (i > 0 && ids[i - 1] >= ids[i]) return 'a voter set is not sorted'
    }
  }
  if (voters.length === 0 && votersOutgoing.length + learners.length > 0) return 'members, but no voters'
  for (const id of learners) if (isVoter(confState, id)) return `${id} is both voter and learner`
  for (const id of learnersNext) {
    if (!votersOutgoing.includes(id)) return `${id} is to become a learner but is no outgoing voter`
  }
  if (votersOutgoing.length === 0 && confState.autoLeave) return 'nothing to leave'
  return null
}

function draftOf(confState: ConfState): Draft {
  return {
    voters: new Set(confState.voters),
    outgoing: new Set(confState.votersOutgoing),
    learners: new Set(confState.learners),
    learnersNext: new Set(confState.learnersNext),
    fresh: new Set(),
  }
}

/** Returns false if no voter is left. */
function applySteps(draft: Draft, steps: readonly ConfChangeStep[]): boolean {
  for (const step of steps) {
    if (step.kind === 'add-voter') makeVoter(draft, step.id)
    else if (step.kind === 'add-learner') makeLearner(draft, step.id)
    else if (step.kind === 'remove') removeMember(draft, step.id)
  }
  return draft.voters.size > 0
}

function known(draft: Draft, id: NodeId): boolean {
  return draft.voters.has(id) || draft.outgoing.has(id) || draft.learners.has(id)
}

function makeVoter(draft: Draft, id: NodeId): void {
  if (!known(draft, id)) draft.fresh.add(id)
  draft.learners.delete(id)
  draft.learnersNext.delete(id)
  draft.voters.add(id)
}

function makeLearner(draft: Draft, id: NodeId): void {
  if (draft.learners.has(id)) return
  if (!known(draft, id)) draft.fresh.add(id)
  draft.voters.delete(id)
  // An outgoing voter cannot be a learner as well: it becomes one when the joint configuration is left.
  if (draft.outgoing.has(id)) draft.learnersNext.add(id)
  else draft.learners.add(id)
}

function removeMember(draft: Draft, id: NodeId): void {
  draft.voters.delete(id)
  draft.learners.delete(id)
  draft.learnersNext.delete(id)
}

function changed(draft: Draft, autoLeave: boolean): MembershipResult {
  const confState: ConfState = {
    voters: sorted(draft.voters),
    votersOutgoing: sorted(draft.outgoing),
    learners: sorted(draft.learners),
    learnersNext: sorted(draft.learnersNext),
    autoLeave,
  }
  return { kind: 'changed', confState, fresh: draft.fresh }
}

function sorted(ids: ReadonlySet<NodeId>): NodeId[] {
  return [...ids].sort((a, b) => a - b)
}

function differenceCount(before: readonly NodeId[], after: ReadonlySet<NodeId>): number {
  let common = 0
  for (const id of before) if (after.has(id)) common++
  return before.length + after.size - 2 * common
}
