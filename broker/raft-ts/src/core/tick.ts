/**
 * The passing of time, as far as a node knows of it.
 */
import { startElection } from './election.ts'
import { NO_NODE } from './ids.ts'
import { checkQuorum } from './leader.ts'
import { maybeQuiesce } from './quiescence.ts'
import type { Raft } from './raft.ts'
import { broadcastHeartbeat } from './replication.ts'

/** One tick. Does and allocates nothing in a quiescent group. */
export function tick<D>(raft: Raft<D>): void {
  if (raft.quiescent) return
  raft.ticks++
  raft.electionElapsed++
  if (raft.role === 'leader') tickLeader(raft)
  else tickElection(raft)
}

function tickElection<D>(raft: Raft<D>): void {
  if (raft.electionElapsed < raft.electionTimeout || raft.priority === 0 || !raft.promotable()) return
  raft.electionElapsed = 0
  startElection(raft, raft.options.preVote ? 'pre-vote' : 'vote')
}

function tickLeader<D>(raft: Raft<D>): void {
  raft.heartbeatElapsed++
  if (raft.electionElapsed >= raft.options.electionTicks) {
    raft.electionElapsed = 0
    if (raft.options.checkQuorum) checkQuorum(raft)
    if (raft.role !== 'leader') return
  }
  if (raft.transferTarget !== NO_NODE && ++raft.transferElapsed >= raft.options.electionTicks) {
    // The transfer did not succeed in time: this leader takes proposals again.
    if (raft.tracing) raft.trace({ kind: 'transfer-ended', term: raft.term, peer: raft.transferTarget })
    raft.transferTarget = NO_NODE
  }
  if (raft.heartbeatElapsed < raft.options.heartbeatTicks) return
  raft.heartbeatElapsed = 0
  if (!maybeQuiesce(raft)) broadcastHeartbeat(raft)
}
