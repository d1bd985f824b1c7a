/**
 * Invariants of elections: who may lead, and what a vote is worth (Raft §5.2, §5.4).
 */
import type { ConfState } from '../../../core/conf-change.ts'
import type { NodeId, Position, Term } from '../../../core/ids.ts'
import { isVoter } from '../../../core/membership.ts'
import type { Message } from '../../../core/messages.ts'
import { majorityOf } from '../../../core/quorum.ts'
import type { HardState } from '../../../core/storage.ts'
import type { Ledger } from '../ledger.ts'
import type { SimNode } from '../sim-node.ts'
import { hold } from '../violation.ts'

/** At most one node leads a term. */
export function oneLeaderPerTerm(ledger: Ledger, node: SimNode, term: Term): void {
  const known = ledger.leaders.get(term)
  hold(known === undefined || known === node.id, 'one-leader-per-term', () => `${known} and ${node.id} lead ${term}`)
  ledger.leaders.set(term, node.id)
}

/** Only a voter of its own configuration leads. */
export function leaderIsVoter(node: SimNode, confState: ConfState): void {
  hold(isVoter(confState, node.id), 'leader-is-voter', () => `${node.id} leads, but only ${confState.voters} vote`)
}

/** Whoever leads has the votes of a majority of its voters, of both halves in a joint configuration. */
export function electedByMajority(ledger: Ledger, node: SimNode, confState: ConfState, term: Term): void {
  for (const voters of [confState.voters, confState.votersOutgoing]) {
    const votes = voters.filter((id) => ledger.voteOf(id, term) === node.id)
    hold(
      voters.length === 0 || votes.length >= majorityOf(voters.length),
      'elected-by-majority',
      () => `${node.id} leads term ${term} with the votes of ${votes} out of ${voters}`,
    )
  }
}

/** Terms are entered for an election, by its candidate first: nothing else may drive them up. */
export function termHasCandidate(ledger: Ledger, node: SimNode, next: HardState): void {
  if (next.vote === node.id) ledger.campaigns.add(next.term)
  hold(
    next.term === node.term || ledger.campaigns.has(next.term),
    'term-has-candidate',
    () => `${node.id} enters term ${next.term}, in which nobody has campaigned`,
  )
}

/** A leader that hears of no majority for two election timeouts is none any more (dissertation 6.2). */
export function leaderHearsMajority(node: SimNode, electionTicks: number): void {
  // Another majority may be asked for from one tick to the next: it has its time as well.
  if (node.ticks - node.configuredAt <= 2 * electionTicks + 2) return
  const { confState } = node.app
  hold(
    hearsMajority(node, confState.voters, electionTicks) &&
      hearsMajority(node, confState.votersOutgoing, electionTicks),
    'leader-hears-majority',
    () => `${node.id} still leads without having heard from a majority of ${confState.voters}`,
  )
}

/** Whether a leader has lately heard from a majority of these voters, or cannot have yet. */
export function hearsMajority(node: SimNode, voters: readonly NodeId[], electionTicks: number): boolean {
  let heard = 0
  for (const id of voters) {
    const at = node.heardAt.get(id)
    if (id === node.id || at === undefined || node.ticks - at <= 2 * electionTicks + 2) heard++
  }
  return voters.length === 0 || heard >= majorityOf(voters.length)
}

/** Votes are asked for with a log that is durable: they may be counted after a crash of the candidate. */
export function candidacyIsDurable(node: SimNode, message: Message<number>): void {
  if (message.type !== 'vote-request') return
  const end = node.disk.durable.endPosition()
  hold(
    end >= message.lastEnd,
    'promise-durable',
    () => `${node.id} asks for votes with a log up to ${message.lastEnd}, its disk ends at ${end}`,
  )
}

/** Whoever is told to take over has the whole log. */
export function transferIsLevel(node: SimNode, message: Message<number>, target: SimNode | undefined): void {
  if (message.type !== 'timeout-now' || target === undefined) return
  const { durable } = target.disk
  hold(
    target.wiped || durable.endPosition() >= node.writtenEnd,
    'transfer-is-level',
    () =>
      `${node.id} hands its log up to ${node.writtenEnd} over to ${target.id}, which ends at ${durable.endPosition()}`,
  )
}

/** A leader's log has everything that leaders of earlier terms have committed. */
export function leaderCompleteness(ledger: Ledger, node: SimNode, term: Term): void {
  hasCommitted(ledger, node, term, ledger.committedBefore(term))
}

/** What a leader commits is in the logs of those who lead later terms already. */
export function laterLeadersHaveIt(ledger: Ledger, nodes: Iterable<SimNode>, term: Term, end: Position): void {
  for (const node of nodes) {
    if (node.up && node.leads && node.term > term) hasCommitted(ledger, node, node.term, end)
  }
}

function hasCommitted(ledger: Ledger, node: SimNode, term: Term, end: Position): void {
  const { written } = node.disk
  const own = written.termAt(end)
  const expected = ledger.committedAt(end)!.term
  hold(
    own === expected,
    'leader-completeness',
    () => `${node.id} leads term ${term} without what is committed up to ${end}@${expected}: it has ${own} there`,
  )
}

/** A node votes for one candidate in a term, whatever happens to it in between. */
export function voteOncePerTerm(ledger: Ledger, voter: NodeId, term: Term, candidate: NodeId): void {
  const known = ledger.voteOf(voter, term)
  hold(
    known === undefined || known === candidate,
    'vote-once-per-term',
    () => `${voter} voted for ${known} and for ${candidate} in term ${term}`,
  )
  ledger.noteVote(voter, term, candidate)
}

/** A vote is on the voter's disk when others learn of it. */
export function voteIsDurable(node: SimNode, term: Term, candidate: NodeId): void {
  const stored = node.disk.durable.hardState
  const kept = stored !== null && (stored.term > term || (stored.term === term && stored.vote === candidate))
  hold(kept, 'vote-durable', () => `${node.id} voted for ${candidate} in term ${term}, its disk has ${show(stored)}`)
}

/** Term and vote as they are written only move forward: no lower term, no second vote. */
export function termAndVoteMonotonic(node: SimNode, next: HardState): void {
  hold(next.term >= node.term, 'term-monotonic', () => `${node.id} falls from term ${node.term} to ${next.term}`)
  hold(
    next.term > node.term || node.vote === null || next.vote === node.vote,
    'vote-once-per-term',
    () => `${node.id} changes its vote in term ${next.term} from ${node.vote} to ${next.vote}`,
  )
  node.term = next.term
  node.vote = next.vote
}

/** What a message says about its sender's vote and term. */
export function votesInMessage(ledger: Ledger, node: SimNode, message: Message<number>): void {
  if (message.type === 'vote-response' && message.granted) {
    voteOncePerTerm(ledger, node.id, message.term, message.to)
    voteIsDurable(node, message.term, message.to)
  }
}

/** Asking whether an election could be won changes no term and no vote. */
export function preVoteKeepsTerm(node: SimNode, role: string, term: Term, before: Term): void {
  hold(
    role !== 'pre-candidate' || term === before,
    'pre-vote-keeps-term',
    () => `${node.id} went from term ${before} to ${term} as a pre-candidate`,
  )
}

function show(state: HardState | null): string {
  return state === null ? 'nothing' : `term ${state.term}, vote ${state.vote}`
}
