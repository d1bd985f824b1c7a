/**
 * One Raft group: the loop around raft-ts's RawNode that turns its Ready into writes, messages and news.
 *
 * ```
 *  propose / step / tick ──> node ──ready──> messages ──> transport
 *                             ^        ├──> persist  ──> log + group state ──(durable)──┐
 *                             │        └──> committed, role ──> listener                │
 *                             └───────────────── persisted ─────────────────────────────┘
 * ```
 * Several proposals of one turn of the event loop become one Ready; everything is driven from `#drain`, which never
 * waits. Invariant: the node is touched by nobody else; after a failure it is not touched at all: it neither votes nor
 * acknowledges. A group of one voter runs the same path: its quorum is itself.
 */
import type { BrokerId, LeaderEpoch, Offset } from '@stratalog/proto'
import {
  type ConfState,
  changeMembership,
  type Entry,
  isVoter,
  type Message,
  type NodeId,
  type PersistRequest,
  type ProposeResult,
  RawNode,
  type Ready,
  type SoftState,
  type StepResult,
  type TransferResult,
} from 'raft-ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { ByteRate } from './byte-rate.ts'
import { EntryBatches, entriesDefect, stampEntry } from './entry-codec.ts'
import type { FlushedMarks, MarkedGroup } from './flushed-marks.ts'
import type { GroupState } from './group-state.ts'
import type { AddressedGroup, RaftGroupTable } from './group-table.ts'
import { LastWords } from './last-words.ts'
import { LogPersister } from './log-persister.ts'
import { LossEvidence } from './loss-evidence.ts'
import { planMembership } from './membership-plan.ts'
import { PeerLiveness } from './peer-liveness.ts'
import type { PeerTransport } from './peer-transport.ts'
import { brokerOfNode, endOffsetAt, leaderEpochOfTerm } from './raft-ids.ts'
import { RaftStorage } from './raft-storage.ts'
import { positionsAskedBy } from './step-positions.ts'
import type { Ticked, TickLoop } from './tick-loop.ts'

/** Ticks without word from a leader before an election: with the default tick of 100 ms a second. */
const ELECTION_TICKS = 10
const HEARTBEAT_TICKS = 1
/** An idle group goes silent after this many ticks. */
const QUIESCE_AFTER_TICKS = 20
/** The preferred leader of a new group stands for election every so many ticks, in the first {@link FOUNDING_TICKS}. */
const FOUNDING_CAMPAIGN_TICKS = 2
const FOUNDING_TICKS = 10

/** One append: large enough for the disk and the socket, small enough to be sent again. */
const MESSAGE_BYTES_MAX = 1024 * 1024
/** On the way to one follower, at most: ten milliseconds of a fast network and disk. */
const INFLIGHT_BYTES_MAX = 16 * 1024 * 1024
const INFLIGHT_COUNT_MAX = 256

/** Proposals of this size are handed to the disk at once instead of at the end of the turn. */
const DRAIN_BYTES = 512 * 1024

/** Messages that wait for a look at the log, at most; Raft sends again what is dropped. */
const LOOKING_COUNT_MAX = 64

/** What a group tells its owner. Called synchronously from the loop; must not throw. */
export interface RaftGroupListener {
  /** The high watermark (exclusive end of what is committed) moved up. */
  onCommitted(highWatermark: Offset): void
  /** An entry goes into the log; called in log order, before it is written. */
  onAppended(entry: Entry<Buffer>): void
  /** The log is to be cut at `endOffset` (exclusive); called before what follows it is appended. */
  onTruncated(endOffset: Offset): void
  /** The log is to be emptied and to begin anew at `startOffset`: the leader has nothing older. */
  onReset(startOffset: Offset): void
  /** What one of the last two announced is done, in their order. */
  onReplaced(): void
  /** Role, leader, term or readiness changed. */
  onLeadership(): void
  /** The members changed. */
  onMembers(): void
  /** There is evidence that a copy has lost what it acknowledged; it may be told more than once. */
  onCopyLost(node: NodeId, detail: string): void
  /** Storage failed: the group is dead until a restart. Called once. */
  onFailed(error: unknown): void
}

/** What a group is made of. */
export interface RaftGroupOptions {
  readonly nodeId: NodeId
  readonly log: PartitionLog
  readonly state: GroupState
  readonly groups: RaftGroupTable
  readonly transport: PeerTransport
  readonly ticks: TickLoop
  readonly marks: FlushedMarks
  /** Limits what is read back from files for followers. */
  readonly catchUp: ByteRate
  /** Draws from [0, 1). */
  readonly random: () => number
  /** Bytes proposed and not committed, at most; see `overloaded`. */
  readonly uncommittedBytesMax: number
  /** Whether this node should lead the group first, if it is new. */
  readonly isPreferredFounder: boolean
  readonly listener: RaftGroupListener
}

/** A member as its leader sees it. */
export interface ReplicaState {
  readonly nodeId: NodeId
  readonly role: 'voter' | 'learner'
  /** Its log is known to match, durably, up to here (exclusive). */
  readonly matchOffset: Offset
  /** Heard from lately. */
  readonly isLive: boolean
  /** Live, and no further behind than what was appended in the last second or two. */
  readonly isCaughtUp: boolean
}

/** How far a change of the members has got. */
export type ReconcileResult = 'done' | 'under-way' | 'not-leader'

/** See the file's header. Owner: the partition. */
export class RaftGroup implements Ticked, AddressedGroup, MarkedGroup {
  readonly key: string
  readonly nodeId: NodeId
  readonly #options: RaftGroupOptions
  readonly #node: RawNode<Buffer>
  readonly #storage: RaftStorage
  readonly #batches: EntryBatches
  readonly #persister: LogPersister
  readonly #liveness: PeerLiveness
  readonly #evidence: LossEvidence
  readonly #lastWords: LastWords
  #softState: SoftState
  #ready = false
  #highWatermark: Offset
  #drainScheduled = false
  #draining = false
  /** Proposed since the last drain. */
  #undrainedBytes = 0
  #lookingCount = 0
  /** Who waits for a majority's word; bounded by the core's pending reads. */
  readonly #confirmations = new Map<number, () => void>()
  #nextConfirmation = 0
  #ticking = false
  #foundingTicksLeft: number
  #stopped = false

  constructor(options: RaftGroupOptions) {
    const { nodeId, log, state, ticks, catchUp, random, uncommittedBytesMax, listener } = options
    this.#options = options
    this.key = state.key
    this.nodeId = nodeId
    this.#storage = new RaftStorage({
      log,
      state,
      catchUp,
      clock: ticks.clock,
      onLoaded: () => {
        if (this.#stopped) return
        this.#node.storageReady()
        this.#scheduleDrain()
      },
      onFailed: (error) => this.#fail(error),
    })
    this.#batches = new EntryBatches(nodeId, () => this.#node.confState)
    this.#persister = new LogPersister({
      log,
      state,
      batches: this.#batches,
      durableCommit: () => Math.min(this.#node.commit, this.#node.status().persistedPosition),
      onReplaced: (begunAt) => {
        if (begunAt !== null) this.#highWatermark = endOffsetAt(Math.max(this.#highWatermark, begunAt))
        listener.onReplaced()
      },
      onPersisted: (request) => {
        if (this.#stopped) return
        this.#node.persisted(request)
        this.#scheduleDrain()
      },
      onFailed: (error) => this.#fail(error),
    })
    const commit = this.#storage.initialState().hardState?.commit ?? this.#storage.startPosition()
    this.#highWatermark = endOffsetAt(commit)
    this.#node = new RawNode({
      id: nodeId,
      group: state.key,
      storage: this.#storage,
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: HEARTBEAT_TICKS,
      random,
      maxBytesPerMessage: MESSAGE_BYTES_MAX,
      maxInflightMessages: INFLIGHT_COUNT_MAX,
      maxInflightBytes: INFLIGHT_BYTES_MAX,
      maxUncommittedBytes: uncommittedBytesMax,
      leaderEntry: 'unless-empty',
      committed: 'positions',
      catchUp: 'start-position',
      persistCommit: false,
      quiesceAfterTicks: QUIESCE_AFTER_TICKS,
      applied: commit,
    })
    this.#softState = { role: 'follower', leaderId: null, term: this.#node.term }
    this.#liveness = new PeerLiveness(ELECTION_TICKS, this.#node.endPosition)
    this.#evidence = new LossEvidence(ticks.clock)
    this.#lastWords = new LastWords(ticks.clock, options.transport)
    this.#foundingTicksLeft = options.isPreferredFounder && this.#node.term === 0 ? FOUNDING_TICKS : 0
  }

  /** Exclusive end of what is committed and durable here, as far as this broker knows. */
  get highWatermark(): Offset {
    return this.#highWatermark
  }

  /** The current term; 0 = no leader ever. */
  get leaderEpoch(): LeaderEpoch {
    return leaderEpochOfTerm(this.#softState.term)
  }

  /** The leader, or null while none is known. */
  get leaderId(): BrokerId | null {
    const { leaderId } = this.#softState
    return leaderId === null ? null : brokerOfNode(leaderId)
  }

  /** Whether this broker leads and has committed an entry of its own term: only then it may serve clients. */
  get isServing(): boolean {
    return this.#ready && this.#softState.role === 'leader' && !this.#stopped
  }

  /** The configuration in force. */
  get members(): ConfState {
    return this.#node.confState
  }

  /** Whether no other node is needed to decide. */
  get isAlone(): boolean {
    const { voters, votersOutgoing } = this.members
    return voters.length === 1 && voters[0] === this.nodeId && votersOutgoing.length === 0
  }

  /** Exclusive end of what this node has told its leader, or counted itself, as being in its log for good. */
  get attestedEnd(): Offset {
    return endOffsetAt(this.#node.status().persistedPosition)
  }

  /** Begins. A group that is its own majority need not wait for an election timeout, nor need a new one. */
  start(): void {
    this.#options.groups.register(this)
    if (this.isAlone || this.#foundingTicksLeft > 0) this.#node.campaign()
    this.#scheduleDrain()
  }

  /**
   * Proposes a validated batch. When accepted it is stamped with its offset and term, and belongs to the log.
   *
   * The listener hears nothing during the call: the proposer first notes what it proposed.
   *
   * @param recordSpan offsets that it covers (lastOffsetDelta + 1).
   */
  propose(batch: Buffer, recordSpan: number): ProposeResult {
    const result = this.#node.propose({ length: recordSpan, bytes: batch.length, data: batch })
    if (result.kind === 'accepted') {
      stampEntry(batch, result)
      this.#undrainedBytes += batch.length
      this.#scheduleDrain()
    }
    return result
  }

  /** To be called when what was proposed has been noted: hands it to the disk if it need not wait for the turn's end. */
  proposed(): void {
    if (this.#undrainedBytes >= DRAIN_BYTES) this.#drain()
  }

  /** Takes a message of another broker's node, at once or after a look at the log (null). */
  step(message: Message<Buffer>): StepResult | null {
    if (this.#stopped) return { kind: 'refused', reason: 'wrong-group', detail: 'the group has stopped' }
    const defect = message.type === 'append' ? entriesDefect(message.entries) : null
    if (defect !== null) return { kind: 'refused', reason: 'malformed', detail: defect }
    const unknown = positionsAskedBy(message, this.#node, this.#storage).filter((at) => !this.#storage.knows(at))
    if (unknown.length === 0) return this.#step(message)
    if (this.#lookingCount < LOOKING_COUNT_MAX) void this.#stepAfterLooking(message, unknown)
    return null
  }

  /** A message to another broker could not be sent. */
  sendFailed({ to }: Message<Buffer>): void {
    if (this.#stopped) return
    this.#node.reportUnreachable(to)
    this.#scheduleDrain()
  }

  /** A broker is gone, as far as this one can see: a silent group must look after itself again. */
  peerLost(brokerId: number): void {
    if (this.#stopped) return
    for (const node of this.#nodesOn(brokerId)) {
      this.#liveness.lost(node)
      this.#node.reportUnreachable(node)
      this.#node.peerLost(node)
      this.#scheduleDrain()
    }
  }

  /** A broker is back: a group that has a copy there and has gone silent without it goes on. */
  peerUp(brokerId: number): void {
    if (this.#nodesOn(brokerId).length > 0) this.wake()
  }

  /** Lets the timers of a silent group run again. */
  wake(): void {
    if (this.#stopped) return
    this.#node.wake()
    this.#scheduleDrain()
  }

  /** Hands leadership to another voter; asked of a follower, it asks its leader. */
  transferLeadership(to: NodeId): TransferResult {
    const result = this.#node.transferLeadership(to)
    this.#scheduleDrain()
    return result
  }

  /** How willing this node is to lead: 10 is normal, lower is later, 0 is only when told to. */
  setPriority(priority: number): void {
    this.#node.setPriority(priority)
  }

  /**
   * Calls `confirmed` once a majority has said that this node still leads, as of a moment after this call. It is never
   * called when leadership is lost: the listener hears of that.
   */
  confirmLeadership(confirmed: () => void): void {
    const context = this.#nextConfirmation++
    this.#confirmations.set(context, confirmed)
    if (this.#node.readIndex(context).kind !== 'pending') this.#confirmations.delete(context)
    this.#scheduleDrain()
  }

  /** The members as this leader sees them; empty elsewhere. */
  replicaStates(): ReplicaState[] {
    return this.#node.status().progress.map(({ id, learner, match }) => {
      const isLive = id === this.nodeId || this.#node.quiescent || this.#liveness.isLive(id)
      const isCaughtUp = id === this.nodeId || (isLive && match >= this.#liveness.caughtUpFrom)
      return { nodeId: id, role: learner ? 'learner' : 'voter', matchOffset: endOffsetAt(match), isLive, isCaughtUp }
    })
  }

  /**
   * Takes the next step towards exactly these members, if none is under way. To be called by the leader's broker
   * whenever something has changed, and now and then.
   */
  reconcile(voters: readonly NodeId[], learners: readonly NodeId[]): ReconcileResult {
    if (this.#stopped || !this.#node.isLeader) return 'not-leader'
    const caughtUp = new Set(this.replicaStates().flatMap(({ nodeId, isCaughtUp }) => (isCaughtUp ? [nodeId] : [])))
    const isCaughtUp = (id: NodeId): boolean => caughtUp.has(id)
    const plan = planMembership(this.members, { self: this.nodeId, voters, learners, isCaughtUp })
    if (plan.kind === 'done') return 'done'
    if (plan.kind === 'transfer') this.#node.transferLeadership(plan.to)
    // A refusal means that the last change is not applied yet, or that too few would be left: the next call tries again.
    if (plan.kind === 'change') this.#node.proposeConfChange(plan.change)
    if (plan.kind !== 'wait') this.#scheduleDrain()
    return 'under-way'
  }

  tick(): boolean {
    if (this.#stopped) return false
    this.#node.tick()
    this.#storage.tick()
    this.#liveness.tick(this.#node.endPosition)
    if (this.#foundingTicksLeft > 0) this.#campaignAsFounder()
    this.#drain()
    this.#ticking = !this.#node.quiescent
    return this.#ticking
  }

  /** The log is flushed further than before. */
  flushed(): void {
    if (!this.#stopped) this.#options.marks.moved(this)
  }

  storeFlushedEnd(): void {
    if (this.#stopped) return
    this.#persister.storeFlushedEnd().catch((error: unknown) => this.#fail(error))
  }

  /** The log has no room: what is under way waits. */
  holdBack(): void {
    this.#persister.holdBack()
  }

  /** The log takes appends again. */
  resume(): void {
    this.#persister.resume()
  }

  /** Stops at once: this copy cannot vouch for itself any more. What is under way is not reported. */
  halt(): void {
    if (this.#stopped) return
    this.#stop()
    const { role, term } = this.#softState
    if (role !== 'leader') return
    const { voters, votersOutgoing, learners } = this.members
    const members = [...new Set([...voters, ...votersOutgoing, ...learners])].filter((node) => node !== this.nodeId)
    this.#lastWords.say({ group: this.key, nodeId: this.nodeId, term, members })
  }

  /** Stops, once what is under way is durable (or is held back by a full disk). The log stays open. */
  async close(): Promise<void> {
    this.#drain()
    await this.#persister.close()
    this.#stop()
    this.#lastWords.stop()
  }

  #stop(): void {
    this.#stopped = true
    this.#options.ticks.remove(this)
    this.#options.marks.forget(this)
    this.#options.groups.unregister(this)
  }

  /** Other members on a broker: two while a copy is being replaced. */
  #nodesOn(brokerId: number): NodeId[] {
    const { voters, votersOutgoing, learners } = this.members
    const isThere = (node: NodeId): boolean => node !== this.nodeId && brokerOfNode(node) === brokerId
    return [...new Set([...voters, ...votersOutgoing, ...learners].filter(isThere))]
  }

  #campaignAsFounder(): void {
    this.#foundingTicksLeft--
    if (this.#node.leaderId !== null) this.#foundingTicksLeft = 0
    else if (this.#foundingTicksLeft % FOUNDING_CAMPAIGN_TICKS === 0) this.#node.campaign()
  }

  #step(message: Message<Buffer>): StepResult {
    // A message may replace entries: the listener must have heard of those before, to be told that they are cut.
    // And a node that is to take over must have put into force what was committed by the message before.
    if (this.#undrainedBytes > 0 || message.type === 'timeout-now') this.#drain()
    this.#liveness.heard(message.from)
    const result = this.#node.step(message)
    const lost = this.#evidence.weigh(message, result, this.#node)
    if (lost !== null) this.#options.listener.onCopyLost(lost.node, lost.detail)
    this.#scheduleDrain()
    return result
  }

  async #stepAfterLooking(message: Message<Buffer>, unknown: readonly number[]): Promise<void> {
    this.#lookingCount++
    try {
      for (const position of unknown) await this.#storage.learn(position)
      if (!this.#stopped) this.#step(message)
    } catch {
      // The log has told its owner of damage; a cut or a retention that came between makes the message an old one.
    } finally {
      this.#lookingCount--
    }
  }

  #scheduleDrain(): void {
    if (this.#stopped) return
    if (!this.#ticking) {
      this.#ticking = true
      this.#options.ticks.add(this)
    }
    if (this.#drainScheduled) return
    this.#drainScheduled = true
    queueMicrotask(() => this.#drain())
  }

  /** Carries out all that the node wants; called from within (by a listener that proposes) it leaves that to the outer call. */
  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    this.#drainScheduled = false
    this.#undrainedBytes = 0
    while (!this.#stopped && this.#node.hasReady()) this.#carryOut(this.#node.ready())
    this.#draining = false
  }

  #carryOut(ready: Ready<Buffer>): void {
    const { listener, transport } = this.#options
    const { softState, persist, messages, committed, leaderReady, readStates } = ready
    if (softState !== null) this.#enter(softState)
    for (const message of messages) transport.send(this.#batches.complete(message))
    if (persist !== null) this.#persist(persist)
    if (committed !== null) {
      for (const entry of committed.entries) this.#applyChange(entry)
      this.#node.applied(committed.to)
      this.#highWatermark = endOffsetAt(Math.max(this.#highWatermark, committed.to))
    }
    if (leaderReady !== null) this.#ready = true
    if (softState !== null || leaderReady !== null) listener.onLeadership()
    if (committed !== null) listener.onCommitted(this.#highWatermark)
    for (const { context } of readStates) this.#confirm(Number(context))
  }

  #enter(softState: SoftState): void {
    const { leaderId, term } = this.#softState
    if (softState.role !== 'leader' || softState.term !== term || softState.leaderId !== leaderId) {
      this.#ready = false
      this.#confirmations.clear()
    }
    this.#softState = softState
  }

  #confirm(context: number): void {
    const confirmed = this.#confirmations.get(context)
    this.#confirmations.delete(context)
    confirmed?.()
  }

  /** Puts a committed change of the members into force. */
  #applyChange({ change, end }: Entry<Buffer>): void {
    if (change === null) return
    const next = changeMembership(this.members, change)
    if (this.#node.isLeader && next.kind === 'changed' && !isVoter(next.confState, this.nodeId))
      this.#nameHeir(next.confState)
    const confState = this.#node.applyConfChange(change, end)
    this.#options.state.applyChange(confState, end).catch((error: unknown) => this.#fail(error))
    this.#options.listener.onMembers()
  }

  /** A leader that is removed asks one who stays to take over at once, rather than leaving an election timeout to pass. */
  #nameHeir({ voters }: ConfState): void {
    const { progress, endPosition } = this.#node.status()
    const heir = progress.find(({ id, match }) => voters.includes(id) && match === endPosition)
    if (heir !== undefined) this.#node.transferLeadership(heir.id)
  }

  #persist(request: PersistRequest<Buffer>): void {
    const { listener } = this.#options
    const { truncateTo, snapshot, entries } = request
    if (truncateTo !== null) {
      this.#storage.noteTruncated(endOffsetAt(truncateTo))
      listener.onTruncated(endOffsetAt(truncateTo))
    }
    if (snapshot !== null) {
      this.#storage.noteTruncated(0)
      listener.onReset(endOffsetAt(snapshot.position))
      listener.onMembers()
    }
    for (const entry of entries) {
      this.#storage.noteAppended(entry.end)
      listener.onAppended(entry)
    }
    this.#persister.submit(request)
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.halt()
    this.#options.listener.onFailed(error)
  }
}
