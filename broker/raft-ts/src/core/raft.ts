/**
 * The state of one node of one group, and the few operations every role shares: sending, tracing, waking.
 *
 * What the node does with it lives in one file per role (`follower`, `candidate`, `leader`) and per concept
 * (`replication`, `election`, `proposals`, `configuration`, `read-index`, `snapshots`, `quiescence`).
 *
 * Invariant: `term` never decreases; `vote` is set at most once per term; `log.committed` never decreases.
 * Invariant: a message that promises something (a vote, an accepted append) sits in `afterPersist` until all state it
 * was made from is durable; everything in `messages` may leave at once.
 * Owner: RawNode; single-threaded, synchronous, without clock, chance or I/O of its own.
 */
import type { ConfState } from './conf-change.ts'
import { NO_NODE, type NodeId, type Position, type Term } from './ids.ts'
import { RaftLog } from './log.ts'
import type { Message, ReadContext } from './messages.ts'
import { PRIORITY_MAX, type ResolvedOptions } from './options.ts'
import type { ReadState, Role } from './ready.ts'
import type { InitialState } from './storage.ts'
import type { TraceEvent, TraceListener } from './trace.ts'
import { Tracker } from './tracker.ts'

/** A read that waits: for a round of heartbeats, or (round 0) for the leader's first commit. */
export interface PendingRead {
  readonly context: ReadContext
  /** Who asked; the leader itself for local reads. */
  readonly from: NodeId
  readonly position: Position
  readonly round: number
}

/** Bytes of one uncommitted proposal. */
interface UncommittedSpan {
  readonly end: Position
  readonly bytes: number
}

/** Everything a node knows. */
export class Raft<D> {
  readonly id: NodeId
  readonly options: ResolvedOptions<D>
  readonly log: RaftLog<D>
  readonly tracker: Tracker

  role: Role = 'follower'
  term: Term = 0
  vote: NodeId = NO_NODE
  leaderId: NodeId = NO_NODE

  messages: Message<D>[] = []
  afterPersist: Message<D>[] = []
  readStates: ReadState[] = []

  /** Ticks since this node was made. */
  ticks = 0
  electionElapsed = 0
  heartbeatElapsed = 0
  /** Ticks without word from a leader after which this node campaigns; drawn anew on each change of role. */
  electionTimeout = 0
  priority: number

  /** Leader: end of the log when elected. What commits beyond it is of the leader's own term. */
  termStart: Position = 0
  /** Leader: elected over an empty log without an entry of its own, so there is nothing to wait for. */
  readyAtOnce = false
  /** Leader: whom leadership is being handed to. */
  transferTarget: NodeId = NO_NODE
  /** Leader: ticks since that was asked for. Apart from `electionElapsed`, or transfers would put off quorum checks. */
  transferElapsed = 0
  /** Leader: no change of membership may be proposed until this position is applied. */
  pendingConfEnd: Position = 0
  uncommittedBytes = 0
  uncommittedSpans: UncommittedSpan[] = []

  /** Leader: appends are due at the next Ready, gathered into as few messages as will do. */
  sendsPending = false
  /**
   * Leader: a change of membership is being put into force. Whoever applies it learns of the new configuration only when
   * that is done: a snapshot made before would have the change behind it, and the old configuration in it.
   */
  snapshotsHeld = false

  /** Leader: latest read round; its heartbeats may not have left yet while `readRoundOpen`. */
  readRound = 0
  readRoundOpen = false
  pendingReads: PendingRead[] = []

  /** No timers run: the group is idle and every log is equal. */
  quiescent = false
  /** Heartbeat intervals for which the group has been idle. */
  idleTicks = 0

  readonly #trace: TraceListener | null

  constructor(options: ResolvedOptions<D>, initial: InitialState<D>) {
    this.id = options.id
    this.options = options
    this.priority = options.priority
    this.#trace = options.onTrace
    this.log = new RaftLog(options.storage, initial, options.maxApplyingBytes)
    this.tracker = new Tracker(initial.confState, options.maxInflightMessages, options.maxInflightBytes)
  }

  get confState(): ConfState {
    return this.tracker.confState
  }

  get tracing(): boolean {
    return this.#trace !== null
  }

  /** True if this node could win an election: a voter whose log is whole. */
  promotable(): boolean {
    const own = this.tracker.get(this.id)
    return own !== undefined && !own.learner && this.log.unstable.snapshot === null
  }

  /** True once a leader may serve: an entry of its own term is committed, or there was nothing before it. */
  committedInOwnTerm(): boolean {
    return this.readyAtOnce || this.log.committed > this.termStart
  }

  /** Queues a message that may leave at once. */
  send(message: Message<D>): void {
    this.messages.push(message)
  }

  /** Queues a message that may only leave once everything known so far is durable. */
  sendAfterPersist(message: Message<D>): void {
    this.afterPersist.push(message)
  }

  /** Call only under `tracing`, so that the event is not even built otherwise. */
  trace(event: TraceEvent): void {
    this.#trace?.(event)
  }

  /** Lets timers run again. A leader heartbeats at its next tick. */
  wake(): void {
    if (!this.quiescent) return
    this.idleTicks = 0
    this.quiescent = false
    this.heartbeatElapsed = this.options.heartbeatTicks
    if (this.tracing) this.trace({ kind: 'woken', term: this.term })
  }

  /** Draws a new election timeout from [n, 2n), and more for nodes that should lead less. */
  resetElectionTimeout(): void {
    const { electionTicks, random } = this.options
    const drawn = electionTicks + Math.min(electionTicks - 1, Math.floor(random() * electionTicks))
    this.electionTimeout = drawn + Math.ceil(((PRIORITY_MAX - this.priority) * electionTicks) / 4)
  }
}
