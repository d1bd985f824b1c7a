/**
 * Idle groups go silent: no heartbeats, no election timers, no work per tick.
 *
 * A leader that finds every log equal to its own, everything committed and nothing waiting for long enough says so, and
 * stops. Followers that agree stop as well. Any message, proposal or read wakes a node; so does the shell, which must
 * watch the nodes themselves (once for all groups) and call `peerLost` when one is gone. Only timers stop: safety never
 * depends on them.
 */
import type { NodeId } from './ids.ts'
import { NO_NODE } from './ids.ts'
import { isJoint } from './membership.ts'
import type { Raft } from './raft.ts'

/** Leader, at a heartbeat interval: goes silent if it may. Returns whether it did. */
export function maybeQuiesce<D>(raft: Raft<D>): boolean {
  const after = raft.options.quiesceAfterTicks
  if (after === 0) return false
  if (!idle(raft)) {
    raft.idleTicks = 0
    return false
  }
  raft.idleTicks += raft.options.heartbeatTicks
  if (raft.idleTicks < after) return false
  const end = raft.log.lastEnd()
  const endTerm = raft.log.lastTerm()
  for (const peer of raft.tracker.members) {
    if (peer.id === raft.id) continue
    raft.send({ type: 'quiesce', group: raft.options.group, from: raft.id, to: peer.id, term: raft.term, end, endTerm })
  }
  raft.quiescent = true
  if (raft.tracing) raft.trace({ kind: 'quiesced', term: raft.term })
  return true
}

function idle<D>(raft: Raft<D>): boolean {
  const end = raft.log.lastEnd()
  if (raft.log.committed !== end || !raft.log.unstable.empty || raft.log.applied !== end) return false
  if (raft.pendingReads.length > 0 || raft.transferTarget !== NO_NODE || isJoint(raft.confState)) return false
  for (const peer of raft.tracker.members) {
    if (peer.id === raft.id) continue
    if (raft.ticks - peer.heardAt > raft.options.electionTicks) return false
    if (peer.match !== end || peer.state !== 'replicate' || peer.sentCommit !== end) return false
  }
  return true
}

/** The shell has lost sight of a node: those that lean on it must look after themselves again. */
export function peerLost<D>(raft: Raft<D>, id: NodeId): void {
  if (raft.role === 'leader') {
    if (raft.tracker.get(id) !== undefined) raft.wake()
    return
  }
  if (raft.leaderId !== id) return
  raft.wake()
  // Its leader no longer protects it from an election; the rest of the random wait still keeps elections apart.
  raft.electionElapsed = Math.max(raft.electionElapsed, raft.options.electionTicks)
}
