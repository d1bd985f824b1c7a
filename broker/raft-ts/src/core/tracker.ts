/**
 * The configuration in force and the progress of its members, kept together so that one cannot change without the other.
 *
 * Invariant: there is a progress for exactly the voters of both halves and the learners.
 * The lists beside the map keep the hot path (commit, broadcast) free of lookups and allocation.
 */
import type { ConfState } from './conf-change.ts'
import type { NodeId, Position } from './ids.ts'
import { Inflights } from './inflights.ts'
import { Progress } from './progress.ts'
import { jointVoteResult, reachedByMajority, type VoteResult } from './quorum.ts'

/** Members, their progress, and the votes of an election. */
export class Tracker {
  confState: ConfState
  /** In order of id. */
  members: readonly Progress[] = []
  readonly votes: Map<NodeId, boolean> = new Map()
  readonly #inflightCountMax: number
  readonly #inflightBytesMax: number
  #byId: Map<NodeId, Progress> = new Map()
  #incoming: Progress[] = []
  #outgoing: Progress[] = []
  readonly #scratch: number[] = []

  constructor(confState: ConfState, inflightCountMax: number, inflightBytesMax: number) {
    this.confState = confState
    this.#inflightCountMax = inflightCountMax
    this.#inflightBytesMax = inflightBytesMax
  }

  get(id: NodeId): Progress | undefined {
    return this.#byId.get(id)
  }

  /**
   * Switches to `confState`, keeping the progress of members that stay.
   *
   * @param fresh members to start over even if known.
   * @param probeFrom position at which members without progress are probed first.
   */
  configure(confState: ConfState, fresh: ReadonlySet<NodeId>, probeFrom: Position): void {
    const ids = new Set([...confState.voters, ...confState.votersOutgoing, ...confState.learners])
    const members: Progress[] = []
    for (const id of [...ids].sort((a, b) => a - b)) {
      const learner = confState.learners.includes(id)
      let progress = fresh.has(id) ? undefined : this.#byId.get(id)
      if (progress === undefined) {
        progress = new Progress(id, probeFrom, learner, new Inflights(this.#inflightCountMax, this.#inflightBytesMax))
      }
      progress.learner = learner
      members.push(progress)
    }
    this.confState = confState
    this.members = members
    this.#byId = new Map(members.map((progress) => [progress.id, progress]))
    this.#incoming = confState.voters.map((id) => this.#byId.get(id)!)
    this.#outgoing = confState.votersOutgoing.map((id) => this.#byId.get(id)!)
  }

  /** Position that a majority (of both halves) matches. Infinity without voters. */
  committed(): Position {
    const incoming = reachedByMajority(this.#matches(this.#incoming))
    if (this.#outgoing.length === 0) return incoming
    return Math.min(incoming, reachedByMajority(this.#matches(this.#outgoing)))
  }

  /** Read round that a majority (of both halves) has confirmed; the leader `self` confirms everything. */
  confirmedReadRound(self: NodeId): number {
    const incoming = reachedByMajority(this.#readRounds(this.#incoming, self))
    if (this.#outgoing.length === 0) return incoming
    return Math.min(incoming, reachedByMajority(this.#readRounds(this.#outgoing, self)))
  }

  /** Whether a majority (of both halves) was heard from lately. */
  quorumActive(): boolean {
    return majorityActive(this.#incoming) && majorityActive(this.#outgoing)
  }

  /** True when one voter alone decides. */
  singleVoter(): boolean {
    return this.#incoming.length === 1 && this.#outgoing.length === 0
  }

  /** Counts the first answer of each voter. */
  recordVote(id: NodeId, granted: boolean): void {
    if (!this.votes.has(id)) this.votes.set(id, granted)
  }

  voteResult(): VoteResult {
    return jointVoteResult(this.confState.voters, this.confState.votersOutgoing, this.votes)
  }

  /** Votes of voters so far, for or against. */
  voteCount(granted: boolean): number {
    let count = 0
    for (const [id, vote] of this.votes) {
      const progress = this.#byId.get(id)
      if (vote === granted && progress !== undefined && !progress.learner) count++
    }
    return count
  }

  #matches(voters: readonly Progress[]): number[] {
    const scratch = this.#scratch
    scratch.length = voters.length
    for (let i = 0; i < voters.length; i++) scratch[i] = voters[i]!.match
    return scratch
  }

  #readRounds(voters: readonly Progress[], self: NodeId): number[] {
    const scratch = this.#scratch
    scratch.length = voters.length
    for (let i = 0; i < voters.length; i++) {
      const voter = voters[i]!
      scratch[i] = voter.id === self ? Number.MAX_SAFE_INTEGER : voter.readRound
    }
    return scratch
  }
}

function majorityActive(voters: readonly Progress[]): boolean {
  let active = 0
  for (const voter of voters) if (voter.recentActive) active++
  return voters.length === 0 || 2 * active > voters.length
}
