/**
 * The public face of raft-ts: one node of one Raft group, as a synchronous state machine.
 *
 * Inputs are calls (a tick, a message, a proposal, a finished write); outputs gather in a {@link Ready}. There is no I/O,
 * clock, timer, promise or chance in here. The shell's loop:
 *
 * ```
 * on every event: node.tick() | node.step(m) | node.propose(p) | node.persisted(request) | node.applied(position)
 * while (node.hasReady()) {
 *   const ready = node.ready()
 *   send(ready.messages)
 *   if (ready.persist !== null) write and sync it in the background, then node.persisted(ready.persist)
 *   if (ready.committed !== null) apply it, then node.applied(ready.committed.to)
 * }
 * ```
 *
 * Owner: one loop per group; not to be called from within its own trace listener.
 */
import type { ConfChange, ConfState } from './core/conf-change.ts'
import { applyConfChange } from './core/configuration.ts'
import { startElection } from './core/election.ts'
import { forgetLeader } from './core/follower.ts'
import { NO_NODE, type NodeId, type Position, type Term } from './core/ids.ts'
import { reportSnapshot, reportUnreachable, transferLeadership } from './core/leader.ts'
import type { Message, ReadContext } from './core/messages.ts'
import { PRIORITY_MAX, type RaftOptions, RaftOptionsError, resolveOptions } from './core/options.ts'
import { type Proposal, propose, proposeConfChange } from './core/proposals.ts'
import { peerLost } from './core/quiescence.ts'
import type { Raft } from './core/raft.ts'
import { readIndex } from './core/read-index.ts'
import type { PersistRequest, Ready } from './core/ready.ts'
import { applied, ReadyBuilder } from './core/ready-builder.ts'
import { storageReady } from './core/replication.ts'
import type { ProposeResult, ReadIndexResult, ReportResult, StepResult, TransferResult } from './core/results.ts'
import { startRaft } from './core/start.ts'
import type { Status } from './core/status.ts'
import { statusOf } from './core/status-of.ts'
import { step } from './core/step.ts'
import { tick } from './core/tick.ts'
import { validateMessage } from './core/validate.ts'

/** One node of one group. */
export class RawNode<D> {
  readonly #raft: Raft<D>
  readonly #builder: ReadyBuilder<D>

  /** Errors: RaftOptionsError for an option; RaftInvariantError if what is stored contradicts itself. */
  constructor(options: RaftOptions<D>) {
    this.#raft = startRaft(resolveOptions(options))
    this.#builder = new ReadyBuilder(this.#raft)
  }

  /** This node's id. */
  get id(): NodeId {
    return this.#raft.id
  }

  /** This node's term. */
  get term(): Term {
    return this.#raft.term
  }

  /** Exclusive end of this node's log, durable or not. */
  get endPosition(): Position {
    return this.#raft.log.lastEnd()
  }

  /** True while this node leads; it may serve clients once {@link Ready.leaderReady} has said so. */
  get isLeader(): boolean {
    return this.#raft.role === 'leader'
  }

  /** Whom this node follows, itself when leading. */
  get leaderId(): NodeId | null {
    return this.#raft.leaderId === NO_NODE ? null : this.#raft.leaderId
  }

  /** Exclusive end of what is committed: the high watermark. Not necessarily durable on this node's own disk. */
  get commit(): Position {
    return this.#raft.log.committed
  }

  /** The configuration in force. */
  get confState(): ConfState {
    return this.#raft.confState
  }

  /** Whether timers stand still: nothing needs to tick until something happens. */
  get quiescent(): boolean {
    return this.#raft.quiescent
  }

  /** Lets one tick of time pass. */
  tick(): void {
    tick(this.#raft)
  }

  /** Starts an election, with a pre-vote if so configured, whatever this node's priority. */
  campaign(): void {
    this.#raft.wake()
    startElection(this.#raft, this.#raft.options.preVote ? 'pre-vote' : 'vote')
  }

  /** Appends data to the log, if this node leads. Nothing is durable or committed yet when it returns. */
  propose(proposal: Proposal<D>): ProposeResult {
    return propose(this.#raft, proposal)
  }

  /** Appends a change of membership. It takes effect on each node when that node applies it. */
  proposeConfChange(change: ConfChange): ProposeResult {
    return proposeConfChange(this.#raft, change)
  }

  /**
   * Puts the change of a committed config entry into force; call it for each, in order, before `applied`.
   *
   * @param end the entry's end: entries that are in force already (after a restart or a hand-over) are ignored.
   * @returns the configuration now in force, to be stored together with `end`.
   */
  applyConfChange(change: ConfChange, end: Position): ConfState {
    return applyConfChange(this.#raft, change, end)
  }

  /** Handles a message from another node. Never throws on what others send; says why it refused. */
  step(message: Message<D>): StepResult {
    const verdict = validateMessage(this.#raft, message)
    return verdict.kind === 'accepted' ? step(this.#raft, message) : verdict
  }

  /** Whether `ready()` has anything to say. */
  hasReady(): boolean {
    return this.#builder.hasReady()
  }

  /** All work that has come up since the last call. Each part is handed out once. */
  ready(): Ready<D> {
    return this.#builder.ready()
  }

  /** A persist request is durable (as far as its `mustSync` asked). In the order they were handed out. */
  persisted(request: PersistRequest<D>): ReportResult {
    return this.#builder.persisted(request)
  }

  /** The application has applied everything up to `position`. */
  applied(position: Position): ReportResult {
    return applied(this.#raft, position)
  }

  /** Asks for a position that a linearizable read must have applied; it comes back as a read state under `context`. */
  readIndex(context: ReadContext): ReadIndexResult {
    return readIndex(this.#raft, context)
  }

  /** Hands leadership to a voter. Proposals are refused meanwhile, for at most one election timeout. */
  transferLeadership(to: NodeId): TransferResult {
    const raft = this.#raft
    if (raft.role === 'leader') return transferLeadership(raft, to)
    if (raft.leaderId === NO_NODE) return { kind: 'refused', reason: 'not-leader' }
    raft.wake()
    const { group } = raft.options
    raft.send({ type: 'transfer-request', group, from: raft.id, to: raft.leaderId, term: raft.term, target: to })
    return { kind: 'forwarded', to: raft.leaderId }
  }

  /** A message to `id` could not be sent. */
  reportUnreachable(id: NodeId): void {
    reportUnreachable(this.#raft, id)
  }

  /** A snapshot message to `id` was delivered, or failed. A failed one is tried again after a heartbeat. */
  reportSnapshot(id: NodeId, ok: boolean): void {
    reportSnapshot(this.#raft, id, ok)
  }

  /** A follower stops regarding its leader as one, so that it may vote for another at once. */
  forgetLeader(): void {
    forgetLeader(this.#raft)
  }

  /** Entries that storage answered with `pending` can be read now. */
  storageReady(): void {
    storageReady(this.#raft)
  }

  /** Changes how willing this node is to lead; see {@link RaftOptions.priority}. */
  setPriority(priority: number): void {
    if (!(Number.isInteger(priority) && priority >= 0 && priority <= PRIORITY_MAX)) {
      throw new RaftOptionsError('priority', `0..${PRIORITY_MAX}`, priority)
    }
    this.#raft.priority = priority
    this.#raft.resetElectionTimeout()
  }

  /** Lets the timers of a quiescent node run again. */
  wake(): void {
    this.#raft.wake()
  }

  /** The shell's own failure detector has lost node `id`: needed where groups go quiescent, helpful elsewhere. */
  peerLost(id: NodeId): void {
    peerLost(this.#raft, id)
  }

  /** A look inside, for operators and tests. */
  status(): Status {
    return statusOf(this.#raft)
  }
}
