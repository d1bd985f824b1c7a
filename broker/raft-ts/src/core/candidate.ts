/**
 * What a candidate or pre-candidate does with messages of its own term: it counts votes, and yields to a leader.
 */
import { handleVoteResponse } from './election.ts'
import { stepFollower } from './follower.ts'
import type { Message } from './messages.ts'
import type { Raft } from './raft.ts'
import { ACCEPTED, type StepResult } from './results.ts'
import { becomeFollower } from './roles.ts'

/** Handles a message at this node's term. */
export function stepCandidate<D>(raft: Raft<D>, message: Message<D>): StepResult {
  switch (message.type) {
    case 'append':
    case 'heartbeat':
    case 'snapshot':
    case 'quiesce':
      // Somebody else was elected in this term.
      becomeFollower(raft, message.term, message.from)
      return stepFollower(raft, message)
    case 'vote-response':
      if (raft.role === 'candidate') handleVoteResponse(raft, message)
      return ACCEPTED
    case 'pre-vote-response':
      if (raft.role === 'pre-candidate') handleVoteResponse(raft, message)
      return ACCEPTED
    case 'timeout-now':
      if (raft.tracing) raft.trace({ kind: 'timeout-now-ignored', term: raft.term, peer: message.from })
      return ACCEPTED
    default:
      return ACCEPTED
  }
}
