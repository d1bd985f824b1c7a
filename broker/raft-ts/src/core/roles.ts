/**
 * Changes of role, and what each one forgets.
 *
 *              timeout                 pre-vote won             vote won
 *   follower ───────────▶ pre-candidate ───────────▶ candidate ─────────▶ leader
 *      ▲                        │                        │                   │
 *      └────────────────────────┴── a higher term, or a leader of this term ─┴── no quorum, removed
 */
import type { Entry } from './entry.ts'
import { NO_NODE, type NodeId, type Term } from './ids.ts'
import { invariant } from './invariant.ts'
import type { Raft } from './raft.ts'
import { appendOwn } from './replication.ts'

function reset<D>(raft: Raft<D>, term: Term): void {
  invariant(term >= raft.term, () => `term would fall from ${raft.term} to ${term}`)
  if (raft.term !== term) {
    raft.term = term
    raft.vote = NO_NODE
  }
  raft.leaderId = NO_NODE
  raft.electionElapsed = 0
  raft.heartbeatElapsed = 0
  raft.resetElectionTimeout()
  raft.transferTarget = NO_NODE
  raft.tracker.votes.clear()
  const end = raft.log.lastEnd()
  for (const peer of raft.tracker.members) peer.reset(end)
  raft.pendingConfEnd = 0
  raft.uncommittedBytes = 0
  raft.uncommittedSpans = []
  raft.readyAtOnce = false
  raft.pendingReads = []
  raft.readRoundOpen = false
  raft.sendsPending = false
  raft.quiescent = false
  raft.idleTicks = 0
}

/** Follows `leaderId` (or nobody yet) at `term`. */
export function becomeFollower<D>(raft: Raft<D>, term: Term, leaderId: NodeId): void {
  reset(raft, term)
  raft.role = 'follower'
  raft.leaderId = leaderId
  if (raft.tracing) raft.trace({ kind: 'became-follower', term })
}

/** Asks whether an election could be won; term and vote stay as they are. */
export function becomePreCandidate<D>(raft: Raft<D>): void {
  invariant(raft.role !== 'leader', 'a leader cannot become a candidate')
  raft.role = 'pre-candidate'
  raft.tracker.votes.clear()
  raft.leaderId = NO_NODE
  raft.quiescent = false
  if (raft.tracing) raft.trace({ kind: 'became-pre-candidate', term: raft.term })
}

/** Campaigns in a new term, with its own vote. */
export function becomeCandidate<D>(raft: Raft<D>): void {
  invariant(raft.role !== 'leader', 'a leader cannot become a candidate')
  reset(raft, raft.term + 1)
  raft.role = 'candidate'
  raft.vote = raft.id
  if (raft.tracing) raft.trace({ kind: 'became-candidate', term: raft.term })
}

/** Leads. Its first entry lets it commit what came before (Raft §8); over an empty log it may do without. */
export function becomeLeader<D>(raft: Raft<D>): void {
  invariant(raft.role === 'candidate', () => `a ${raft.role} cannot become leader`)
  reset(raft, raft.term)
  raft.role = 'leader'
  raft.leaderId = raft.id
  const own = raft.tracker.get(raft.id)
  invariant(own !== undefined, 'elected without being a member')
  // Its own match counts only what is durable: what is still being written is acknowledged when done.
  own.match = raft.log.unstable.from
  own.becomeReplicate()
  own.next = raft.log.lastEnd()
  own.recentActive = true
  const end = raft.log.lastEnd()
  raft.termStart = end
  // There may be a change of membership in the part that is not committed: wait it out before the next.
  raft.pendingConfEnd = end
  if (raft.options.leaderEntry === 'unless-empty' && end === 0) raft.readyAtOnce = true
  else appendOwn(raft, leaderEntry(raft))
  if (raft.tracing) raft.trace({ kind: 'became-leader', term: raft.term })
}

function leaderEntry<D>(raft: Raft<D>): Entry<D> {
  const base = raft.log.lastEnd()
  return { base, end: base + 1, term: raft.term, kind: 'leader', bytes: 0, data: null, change: null }
}
