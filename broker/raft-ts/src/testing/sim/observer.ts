/**
 * Watches every node after every event and compares what it does with the ledger.
 *
 * The checks are incremental: each looks only at what an event has changed, so that watching costs about as much as the
 * nodes themselves.
 */
import type { ConfState } from '../../core/conf-change.ts'
import { isVoter } from '../../core/membership.ts'
import type { Message } from '../../core/messages.ts'
import type { Committed, PersistRequest, SoftState } from '../../core/ready.ts'
import {
  acknowledgedIsKept,
  applyEntries,
  commitIsHeldByMajority,
  commitMonotonic,
  committedIsImmutable,
  quiescentIsLevel,
  stateIsTheSame,
  stateMachineSafety,
} from './invariants/commits.ts'
import {
  candidacyIsDurable,
  electedByMajority,
  laterLeadersHaveIt,
  leaderCompleteness,
  leaderHearsMajority,
  leaderIsVoter,
  oneLeaderPerTerm,
  preVoteKeepsTerm,
  termAndVoteMonotonic,
  termHasCandidate,
  transferIsLevel,
  voteIsDurable,
  voteOncePerTerm,
  votesInMessage,
} from './invariants/elections.ts'
import {
  boundedWindow,
  committedIsKept,
  flushedWithinWritten,
  logMatching,
  progressConsistent,
  promiseIsDurable,
  snapshotIsCommitted,
} from './invariants/logs.ts'
import { oneChangeAtATime } from './invariants/membership.ts'
import type { Ledger } from './ledger.ts'
import type { SimNode } from './sim-node.ts'
import type { SimOptions } from './sim-options.ts'
import { hold } from './violation.ts'

/** The checks that look at single events. */
export class Observer {
  readonly #ledger: Ledger
  readonly #nodes: ReadonlyMap<number, SimNode>
  readonly #positionsOnly: boolean
  readonly #proposalsMayRepeat: boolean
  readonly #messageMaxBytes: number
  readonly #electionTicks: number
  /** Quiescent groups have no ticks to count by. */
  readonly #checksQuorum: boolean
  /** Set by the nodes' own word: term of each as last told, to see what a pre-vote does to it. */
  readonly #softTerms: Map<number, number> = new Map()
  acknowledgedCount = 0

  constructor(ledger: Ledger, nodes: ReadonlyMap<number, SimNode>, options: SimOptions) {
    this.#ledger = ledger
    this.#nodes = nodes
    this.#positionsOnly = options.raft.committed === 'positions'
    this.#proposalsMayRepeat = options.raft.forwardProposals === true
    this.#electionTicks = options.electionTicks
    this.#checksQuorum = options.raft.checkQuorum === true && options.raft.quiesceAfterTicks === 0
    this.#messageMaxBytes = options.raft.maxBytesPerMessage ?? Number.POSITIVE_INFINITY
  }

  /** A node has started: its observed state is what its disk says. */
  started(node: SimNode): void {
    const { hardState } = node.disk.durable
    node.term = hardState?.term ?? 0
    node.vote = hardState?.vote ?? null
    node.leads = false
    node.ticks = 0
    node.configuredAt = 0
    node.heardAt.clear()
    node.commit = node.raw!.commit
    this.#softTerms.set(node.id, node.term)
    if (node.commit > node.disk.written.startPosition()) committedIsImmutable(this.#ledger, node, node.commit)
  }

  /** A message has reached a node. */
  heard(node: SimNode, message: Message<number>): void {
    node.heardAt.set(message.from, node.ticks)
  }

  /** A configuration is in force at a node: who is new in it has its time to be heard from. */
  configured(node: SimNode, before: ConfState, after: ConfState): void {
    node.configuredAt = node.ticks
    for (const id of [...after.voters, ...after.learners]) if (!isVoter(before, id)) node.heardAt.set(id, node.ticks)
  }

  /** A node's time has moved on. */
  ticked(node: SimNode): void {
    node.ticks++
    if (node.leads && this.#checksQuorum) leaderHearsMajority(node, this.#electionTicks)
  }

  /** A silent node has ticked, and stayed silent. */
  silent(node: SimNode): void {
    const leader = this.#nodes.get(node.raw!.leaderId ?? node.id)
    if (leader === undefined || leader === node || leader.raw === null || leader.term !== node.term) return
    if (leader.leads && leader.raw.status().quiescent) quiescentIsLevel(node, leader)
  }

  /** A finished write has been reported. */
  persisted(node: SimNode): void {
    flushedWithinWritten(node)
    progressConsistent(node)
  }

  /** A node says which role it has. */
  role(node: SimNode, state: SoftState): void {
    preVoteKeepsTerm(node, state.role, state.term, this.#softTerms.get(node.id) ?? 0)
    this.#softTerms.set(node.id, state.term)
    node.leads = state.role === 'leader'
    if (!node.leads) return
    leaderIsVoter(node, node.app.confState)
    // From here on every voter has its time to be heard from.
    for (const id of this.#nodes.keys()) node.heardAt.set(id, node.ticks)
    oneLeaderPerTerm(this.#ledger, node, state.term)
    voteOncePerTerm(this.#ledger, node.id, state.term, node.id)
    voteIsDurable(node, state.term, node.id)
    electedByMajority(this.#ledger, node, node.app.confState, state.term)
    leaderCompleteness(this.#ledger, node, state.term)
  }

  /** A node wants something written; called before it is. */
  persist(node: SimNode, request: PersistRequest<number>): void {
    committedIsKept(node, request)
    snapshotIsCommitted(this.#ledger, node, request)
    if (request.hardState === null) return
    termHasCandidate(this.#ledger, node, request.hardState)
    if (request.hardState.term > node.term) node.heardAt.clear()
    termAndVoteMonotonic(node, request.hardState)
  }

  /** What was to be written has been handed to the disk. */
  written(node: SimNode, request: PersistRequest<number>): void {
    logMatching(this.#ledger, node, request.entries)
    oneChangeAtATime(node, request.entries)
  }

  /** A message leaves a node. */
  message(node: SimNode, message: Message<number>): void {
    votesInMessage(this.#ledger, node, message)
    promiseIsDurable(this.#ledger, node, message, this.#nodes.get(message.to))
    boundedWindow(node, message, this.#messageMaxBytes)
    candidacyIsDurable(node, message)
    transferIsLevel(node, message, this.#nodes.get(message.to))
  }

  /** Whatever has happened, the commit position may have moved. */
  commit(node: SimNode): void {
    const commit = node.raw!.commit
    if (commit === node.commit) return
    const ledger = this.#ledger
    commitMonotonic(node, commit)
    if (commit > ledger.committedEnd) this.#extend(node, commit)
    committedIsImmutable(ledger, node, commit)
    node.commit = commit
  }

  #extend(node: SimNode, commit: number): void {
    const ledger = this.#ledger
    const { written } = node.disk
    const status = node.raw!.status()
    hold(
      status.role === 'leader',
      'commit-held-by-majority',
      () => `${node.id}, a ${status.role}, commits ${commit} before any leader has`,
    )
    commitIsHeldByMajority(this.#nodes, node, status.confState, commit)
    const entries = written.entries(ledger.committedEnd, commit, Number.POSITIVE_INFINITY)
    hold(
      typeof entries !== 'string' && entries.length > 0 && entries[0]!.base === ledger.committedEnd,
      'committed-immutable',
      () => `${node.id} commits ${commit} without the entries from ${ledger.committedEnd}`,
    )
    for (const entry of entries) {
      const isNew = ledger.commit(entry)
      hold(isNew || this.#proposalsMayRepeat, 'applied-once', () => `#${entry.data} is committed twice`)
    }
    ledger.commits.push({ term: status.term, end: commit })
    laterLeadersHaveIt(ledger, this.#nodes.values(), status.term, commit)
  }

  /** A node applies what is committed. */
  apply(node: SimNode, batch: Committed<number>): void {
    stateMachineSafety(this.#ledger, node, node.app, batch)
    applyEntries(node.app, batch)
    if (this.#positionsOnly) node.app.hash = this.#ledger.committedAt(node.app.position)?.hash ?? 0
    else stateIsTheSame(this.#ledger, node, node.app)
    this.#acknowledge(node)
  }

  #acknowledge(node: SimNode): void {
    const { proposals } = node
    let count = 0
    while (count < proposals.length && proposals[count]!.end <= node.commit) {
      const proposal = proposals[count++]!
      const committed = this.#ledger.committedAt(proposal.end)
      // Another leader's entries took its place: the client is told so, not that it succeeded.
      if (committed === undefined || committed.term !== proposal.term) continue
      acknowledgedIsKept(this.#ledger, node, proposal)
      this.acknowledgedCount++
    }
    if (count > 0) proposals.splice(0, count)
  }
}
