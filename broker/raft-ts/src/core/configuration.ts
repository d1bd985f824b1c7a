/**
 * Putting a change of membership into force, where it stands in the log.
 *
 * Invariant: every node applies the same changes at the same positions; a change is applied at most once, whatever is
 * replayed after a restart or a start-position hand-over.
 */
import type { ConfChange, ConfState } from './conf-change.ts'
import { NO_NODE, type Position } from './ids.ts'
import { invariant } from './invariant.ts'
import { changeMembership, isVoter, type MembershipResult } from './membership.ts'
import type { Raft } from './raft.ts'
import { releaseReads } from './read-index.ts'
import { broadcastAppend, maybeCommit, sendAppend } from './replication.ts'
import { becomeFollower } from './roles.ts'

/**
 * Applies the change of the config entry that ends at `end`.
 *
 * @returns the configuration in force; unchanged if it has that entry already, or if the change cannot follow it (it
 * was proposed against a configuration that is gone): every node decides the same.
 */
export function applyConfChange<D>(raft: Raft<D>, change: ConfChange, end: Position): ConfState {
  if (end <= raft.log.confPosition) return raft.confState
  invariant(raft.confState.voters.length > 0, 'a change of membership, but no configuration to change')
  const result = changeMembership(raft.confState, change)
  raft.log.configAppliedTo(end)
  if (result.kind === 'refused') {
    if (raft.tracing) raft.trace({ kind: 'conf-change-ignored', term: raft.term, detail: result.reason })
    return raft.confState
  }
  switchTo(raft, result)
  return raft.confState
}

function switchTo<D>(raft: Raft<D>, result: Extract<MembershipResult, { kind: 'changed' }>): void {
  invariant(result.confState.voters.length > 0, 'a configuration without voters')
  raft.tracker.configure(result.confState, result.fresh, raft.log.boundaryBelow(raft.log.lastEnd()))
  if (raft.tracing) raft.trace({ kind: 'configuration', term: raft.term, confState: result.confState })
  if (raft.role !== 'leader') return
  raft.wake()
  // A new member has as long as any other to be heard from before it counts as gone.
  for (const peer of raft.tracker.members) peer.heardAt = Math.min(peer.heardAt, raft.ticks)
  const own = raft.tracker.get(raft.id)
  if (own === undefined || own.learner) {
    // Removed or demoted: it has led long enough to commit that; now somebody else should.
    if (raft.options.stepDownOnRemoval) becomeFollower(raft, raft.term, NO_NODE)
    return
  }
  raft.snapshotsHeld = true
  if (maybeCommit(raft)) broadcastAppend(raft)
  else sendToAll(raft)
  raft.snapshotsHeld = false
  // Those whose answers reads were waiting for may have been removed.
  releaseReads(raft)
  if (raft.transferTarget !== NO_NODE && !isVoter(raft.confState, raft.transferTarget)) raft.transferTarget = NO_NODE
}

/** New members should not have to wait for a heartbeat. */
function sendToAll<D>(raft: Raft<D>): void {
  for (const peer of raft.tracker.members) {
    if (peer.id !== raft.id) sendAppend(raft, peer, false)
  }
}
