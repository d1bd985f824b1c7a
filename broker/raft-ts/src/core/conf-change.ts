/**
 * Voter sets and the changes to them, as data: what travels in config entries, snapshots and storage.
 *
 * A change of one voter is applied at once (dissertation 4.1); more than one, or a change that asks for it, goes through a
 * joint configuration in which both majorities must agree (dissertation 4.3).
 */
import type { NodeId } from './ids.ts'

/** One step of a change. `update` changes nothing in Raft: it lets an application log a fact about a member in order. */
export interface ConfChangeStep {
  readonly kind: 'add-voter' | 'add-learner' | 'remove' | 'update'
  readonly id: NodeId
}

/**
 * A change of membership.
 *
 * - `auto`: a single step is a simple change; several enter a joint configuration that the leader leaves by itself.
 * - `implicit`: always joint, left by the leader itself as soon as the joint configuration is applied.
 * - `explicit`: always joint, left only when a change without steps is proposed.
 *
 * A change with `auto` and no steps leaves a joint configuration.
 */
export interface ConfChange {
  readonly transition: 'auto' | 'implicit' | 'explicit'
  readonly steps: readonly ConfChangeStep[]
  /** Carried along unread, for the application. */
  readonly context?: unknown
}

/** A membership configuration. Sets are sorted and free of duplicates. */
export interface ConfState {
  readonly voters: readonly NodeId[]
  /** Empty unless the configuration is joint: the majority that is on its way out. */
  readonly votersOutgoing: readonly NodeId[]
  readonly learners: readonly NodeId[]
  /** Voters of the outgoing set that become learners when the joint configuration is left. */
  readonly learnersNext: readonly NodeId[]
  readonly autoLeave: boolean
}

/** A configuration of voters (and learners) without a joint half; what a new group is bootstrapped with. */
export function confStateOf(voters: readonly NodeId[], learners: readonly NodeId[] = []): ConfState {
  return {
    voters: sortedIds(voters),
    votersOutgoing: [],
    learners: sortedIds(learners),
    learnersNext: [],
    autoLeave: false,
  }
}

/** True for the change that leaves a joint configuration. */
export function isLeaveJoint(change: ConfChange): boolean {
  return change.transition === 'auto' && change.steps.length === 0
}

/** Whether a change must go through a joint configuration. Exactly one step with `auto` need not. */
export function entersJoint(change: ConfChange): boolean {
  return change.transition !== 'auto' || change.steps.length > 1
}

function sortedIds(ids: readonly NodeId[]): NodeId[] {
  return [...new Set(ids)].sort((a, b) => a - b)
}
