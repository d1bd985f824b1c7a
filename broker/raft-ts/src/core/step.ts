/**
 * Where every message enters: its term is settled first (Raft §5.1), then the role decides.
 */
import { stepCandidate } from './candidate.ts'
import { handleVoteRequest, leaderIsProtected, learnCommit, rejectOldPreVote, traceVote } from './election.ts'
import { stepFollower } from './follower.ts'
import { NO_NODE } from './ids.ts'
import { stepLeader } from './leader.ts'
import type { Message, VoteRequestMessage, VoteResponseMessage } from './messages.ts'
import type { Raft } from './raft.ts'
import { ACCEPTED, type StepResult } from './results.ts'
import { becomeFollower } from './roles.ts'

/** Handles one message that has passed validation, or one of the node's own. */
export function step<D>(raft: Raft<D>, message: Message<D>): StepResult {
  if (message.type !== 'quiesce') raft.wake()
  if (isVote(message)) learnCommit(raft, message)
  if (!isRequestOfFollower(message)) {
    if (message.term > raft.term) {
      if (!meetHigherTerm(raft, message)) return ACCEPTED
    } else if (message.term < raft.term) {
      meetLowerTerm(raft, message)
      return ACCEPTED
    }
  }
  if (message.type === 'vote-request' || message.type === 'pre-vote-request') {
    handleVoteRequest(raft, message)
    return ACCEPTED
  }
  switch (raft.role) {
    case 'leader':
      return stepLeader(raft, message)
    case 'follower':
      return stepFollower(raft, message)
    default:
      return stepCandidate(raft, message)
  }
}

/** Requests of a follower mean the same in any term: they are the application's, only passed on. */
function isRequestOfFollower<D>(message: Message<D>): boolean {
  return message.type === 'forward-proposal' || message.type === 'read-request' || message.type === 'transfer-request'
}

function isVote<D>(message: Message<D>): message is VoteRequestMessage | VoteResponseMessage {
  switch (message.type) {
    case 'vote-request':
    case 'pre-vote-request':
    case 'vote-response':
    case 'pre-vote-response':
      return true
    default:
      return false
  }
}

function isFromLeader<D>(message: Message<D>): boolean {
  return (
    message.type === 'append' ||
    message.type === 'heartbeat' ||
    message.type === 'snapshot' ||
    message.type === 'quiesce'
  )
}

/** Enters the message's term unless it is only hypothetical. Returns whether to go on with the message. */
function meetHigherTerm<D>(raft: Raft<D>, message: Message<D>): boolean {
  if (message.type === 'vote-request' || message.type === 'pre-vote-request') {
    if (!message.transfer && leaderIsProtected(raft)) {
      // There is a leader: neither its term nor its support is given up for somebody who has lost touch with it.
      if (raft.tracing) traceVote(raft, message, 'vote-ignored')
      return false
    }
  }
  if (message.type === 'pre-vote-request') return true
  if (message.type === 'pre-vote-response' && message.granted) return true
  if (raft.tracing) {
    const { from, type, term } = message
    raft.trace({ kind: 'higher-term-seen', term: raft.term, from, messageTerm: term, message: type })
  }
  const { role, electionElapsed, electionTimeout } = raft
  becomeFollower(raft, message.term, isFromLeader(message) ? message.from : NO_NODE)
  if (message.type === 'vote-request' && role !== 'leader') {
    // Only a vote that is granted starts the wait anew (Raft §5.2): else candidates that cannot win, but come forward
    // sooner, would keep back for ever the one that can.
    raft.electionElapsed = electionElapsed
    raft.electionTimeout = electionTimeout
  }
  return true
}

function meetLowerTerm<D>(raft: Raft<D>, message: Message<D>): void {
  const { checkQuorum, preVote, group } = raft.options
  const { type } = message
  if ((checkQuorum || preVote) && (type === 'append' || type === 'heartbeat' || type === 'quiesce')) {
    // Its sender would never hear of this term otherwise: votes are ignored in its favour, and pre-votes spread no term.
    raft.sendAfterPersist({ type: 'stale-term', group, from: raft.id, to: message.from, term: raft.term })
    return
  }
  if (message.type === 'pre-vote-request') {
    rejectOldPreVote(raft, message)
    return
  }
  if (raft.tracing) {
    const { from, type, term } = message
    raft.trace({ kind: 'lower-term-ignored', term: raft.term, from, messageTerm: term, message: type })
  }
}
