/**
 * Campaigning and voting (Raft §5.2, §5.4.1; pre-vote: dissertation 9.6; transfers: 3.10).
 *
 * Invariant: at most one vote per term, recorded before it is sent and sent only once durable.
 * Invariant: a vote goes only to a candidate whose log is at least as complete, so a leader has all that is committed.
 */
import { NO_NODE, type NodeId, type Term } from './ids.ts'
import type { VoteRequestMessage, VoteResponseMessage } from './messages.ts'
import type { Raft } from './raft.ts'
import { broadcastAppend, broadcastHeartbeat } from './replication.ts'
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from './roles.ts'

/** How an election comes about: ask first, campaign, or campaign because the leader said so. */
export type CampaignKind = 'pre-vote' | 'vote' | 'transfer'

/** Starts an election unless this node leads, cannot lead, or has a committed change of membership to apply first. */
export function startElection<D>(raft: Raft<D>, kind: CampaignKind): void {
  const why = refusal(raft)
  if (why !== null) {
    if (raft.tracing) raft.trace({ kind: 'election-refused', term: raft.term, why })
    return
  }
  if (raft.tracing) raft.trace({ kind: 'election-started', term: raft.term })
  campaign(raft, kind)
}

function refusal<D>(raft: Raft<D>): 'already-leader' | 'unpromotable' | 'pending-conf-change' | null {
  if (raft.role === 'leader') return 'already-leader'
  if (!raft.promotable()) return 'unpromotable'
  return raft.log.hasUnappliedConfigEntry() ? 'pending-conf-change' : null
}

function campaign<D>(raft: Raft<D>, kind: CampaignKind): void {
  if (kind === 'pre-vote') becomePreCandidate(raft)
  else becomeCandidate(raft)
  // A pre-vote asks about the next term without entering it.
  const term = kind === 'pre-vote' ? raft.term + 1 : raft.term
  const lastEnd = raft.log.lastEnd()
  const lastTerm = raft.log.lastTerm()
  const request = kind === 'pre-vote' ? 'pre-vote-request' : 'vote-request'
  // Votes are asked for with a log that a crash cannot take back: they may arrive after it, and would then elect a node
  // that has less than they were cast for.
  const held = kind !== 'pre-vote' && !raft.log.unstable.empty
  for (const peer of raft.tracker.members) {
    if (!isVoting(raft, peer.id)) continue
    if (peer.id === raft.id) {
      // Its own vote, too, counts only once it is durable.
      respond(raft, kind === 'pre-vote' ? 'pre-vote-response' : 'vote-response', raft.id, term, true)
      continue
    }
    if (raft.tracing) raft.trace({ kind: 'vote-requested', term: raft.term, to: peer.id, request, lastEnd, lastTerm })
    const message: VoteRequestMessage = {
      type: request,
      group: raft.options.group,
      from: raft.id,
      to: peer.id,
      term,
      lastEnd,
      lastTerm,
      transfer: kind === 'transfer',
      commit: raft.log.committed,
      commitTerm: commitTerm(raft),
    }
    if (held) raft.sendAfterPersist(message)
    else raft.send(message)
  }
}

function isVoting<D>(raft: Raft<D>, id: NodeId): boolean {
  const { voters, votersOutgoing } = raft.confState
  return voters.includes(id) || votersOutgoing.includes(id)
}

function respond<D>(raft: Raft<D>, type: VoteResponseMessage['type'], to: NodeId, term: Term, granted: boolean): void {
  const { committed } = raft.log
  raft.sendAfterPersist({
    type,
    group: raft.options.group,
    from: raft.id,
    to,
    term,
    granted,
    commit: committed,
    commitTerm: commitTerm(raft),
  })
}

function commitTerm<D>(raft: Raft<D>): Term {
  return Math.max(0, raft.log.termAt(raft.log.committed))
}

/**
 * Takes over the commit position of whoever sends a vote, if this log has the very entry that ends there.
 *
 * A node whose log holds a committed change of membership, but does not know that it is committed, campaigns among the
 * wrong voters, perhaps in vain for ever. A candidate that learns of such a change gives up, to apply it first.
 */
export function learnCommit<D>(raft: Raft<D>, message: VoteRequestMessage | VoteResponseMessage): void {
  const { commit, commitTerm: term } = message
  const { log } = raft
  if (raft.role === 'leader' || commit <= log.committed || commit > log.lastEnd()) return
  if (!log.matches(commit, term) || log.insideEntry(commit)) return
  log.commitTo(commit)
  if (raft.role !== 'follower' && log.hasUnappliedConfigEntry()) becomeFollower(raft, raft.term, NO_NODE)
}

/** True while a leader was heard from so lately that no other may be elected (dissertation 4.2.3). */
export function leaderIsProtected<D>(raft: Raft<D>): boolean {
  return raft.options.checkQuorum && raft.leaderId !== NO_NODE && raft.electionElapsed < raft.options.electionTicks
}

/** Grants or rejects a request at this node's term (or, for a pre-vote, at a later one). */
export function handleVoteRequest<D>(raft: Raft<D>, message: VoteRequestMessage): void {
  const preVote = message.type === 'pre-vote-request'
  const free = raft.vote === NO_NODE && raft.leaderId === NO_NODE
  const mayVote = raft.vote === message.from || free || (preVote && message.term > raft.term)
  // Learners vote, too: one may have been promoted without having heard of it yet, and be needed for a majority.
  const granted = mayVote && raft.log.isUpToDate(message.lastEnd, message.lastTerm)
  if (raft.tracing) traceVote(raft, message, granted ? 'vote-cast' : 'vote-rejected')
  const type = preVote ? 'pre-vote-response' : 'vote-response'
  // A grant carries the term asked for, which in a pre-vote is not this node's; a rejection tells this node's term.
  respond(raft, type, message.from, granted ? message.term : raft.term, granted)
  if (granted && !preVote) {
    raft.electionElapsed = 0
    raft.vote = message.from
  }
}

/** Rejects a pre-vote for a term that has passed, so that its sender learns of the present one. */
export function rejectOldPreVote<D>(raft: Raft<D>, message: VoteRequestMessage): void {
  if (raft.tracing) traceVote(raft, message, 'vote-rejected')
  respond(raft, 'pre-vote-response', message.from, raft.term, false)
}

/** Reports a request that was not answered at all, for the sake of the present leader. */
export function traceVote<D>(
  raft: Raft<D>,
  message: VoteRequestMessage,
  kind: 'vote-cast' | 'vote-rejected' | 'vote-ignored',
): void {
  raft.trace({
    kind,
    term: raft.term,
    from: message.from,
    request: message.type,
    vote: raft.vote === NO_NODE ? null : raft.vote,
    lastEnd: raft.log.lastEnd(),
    lastTerm: raft.log.lastTerm(),
    candidateEnd: message.lastEnd,
    candidateTerm: message.lastTerm,
    leaseTicks: kind === 'vote-ignored' ? raft.options.electionTicks - raft.electionElapsed : 0,
  })
}

/** Counts an answer to the election this node is in. */
export function handleVoteResponse<D>(raft: Raft<D>, message: VoteResponseMessage): void {
  raft.tracker.recordVote(message.from, message.granted)
  if (raft.tracing) {
    raft.trace({
      kind: 'vote-received',
      term: raft.term,
      from: message.from,
      response: message.type,
      granted: message.granted,
      grantedCount: raft.tracker.voteCount(true),
      rejectedCount: raft.tracker.voteCount(false),
    })
  }
  const result = raft.tracker.voteResult()
  // With a majority of others it still waits for its own vote to be durable: after a crash it would not know that it has
  // led this term, could be elected to it once more by votes that arrive late, and fill it with other entries.
  if (result === 'won' && raft.role === 'candidate' && !raft.tracker.votes.has(raft.id)) return
  if (result === 'lost') {
    becomeFollower(raft, raft.term, NO_NODE)
  } else if (result === 'won') {
    if (raft.role === 'pre-candidate') {
      campaign(raft, 'vote')
    } else {
      becomeLeader(raft)
      // Without an entry of its own to send, it still lets everybody know at once.
      if (raft.readyAtOnce) broadcastHeartbeat(raft)
      else broadcastAppend(raft)
    }
  }
}
