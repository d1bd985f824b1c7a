/**
 * One Raft group: the loop around raft-ts's RawNode that turns its Ready into writes, messages and news.
 *
 * ```
 *  propose / step / tick ──> node ──ready──> messages ──> transport
 *                             ^        ├──> persist  ──> log + hard state ──(durable)──┐
 *                             │        └──> committed, role ──> listener               │
 *                             └───────────────── persisted ────────────────────────────┘
 * ```
 * Several proposals of one turn of the event loop become one Ready; everything is driven from `#drain`, which never
 * waits. Invariant: the node is touched by nobody else; after a failure it is not touched at all.
 * A group of one voter runs the same path: its quorum is itself.
 */
import { type BrokerId, type LeaderEpoch, type Offset, toBrokerId } from '@stratalog/proto'
import { encodeLeaderChange, NO_TIMESTAMP } from '@stratalog/proto/records'
import {
  confStateOf,
  type Entry,
  type Message,
  type PersistRequest,
  type ProposeResult,
  RawNode,
  type Ready,
  type SoftState,
  type StepResult,
} from 'raft-ts'
import type { PartitionLog } from '../log/partition-log.ts'
import { stampEntry } from './entry-codec.ts'
import { type HardStateStore, hardStateKey } from './hard-state-store.ts'
import { LogPersister } from './log-persister.ts'
import type { PeerTransport } from './peer-transport.ts'
import { brokerOfNode, endOffsetAt, leaderEpochOfTerm, nodeOfReplica } from './raft-ids.ts'
import { RaftStorage } from './raft-storage.ts'
import type { Ticked, TickLoop } from './tick-loop.ts'

/** Ticks without word from a leader before an election: with the default tick of 100 ms a second. */
const ELECTION_TICKS = 10
const HEARTBEAT_TICKS = 1
/** An idle group goes silent after this many ticks. */
const QUIESCE_AFTER_TICKS = 20

/** Proposals of this size are handed to the disk at once instead of at the end of the turn. */
const DRAIN_BYTES = 512 * 1024

/** What a group tells its owner. Called synchronously from the loop; must not throw. */
export interface RaftGroupListener {
  /** The high watermark (exclusive end of what is committed) moved up. */
  onCommitted(highWatermark: Offset): void
  /** An entry goes into the log; called in log order, before it is written. */
  onAppended(entry: Entry<Buffer>): void
  /** The log is cut at `endOffset` (exclusive); called before what follows it is appended. */
  onTruncated(endOffset: Offset): void
  /** The log is emptied and begins anew at `startOffset`: the leader has nothing older. */
  onReset(startOffset: Offset): void
  /** Role, leader, term or readiness changed. */
  onLeadership(): void
  /** Storage failed: the group is dead until a restart. Called once. */
  onFailed(error: unknown): void
}

/** What a group is made of. */
export interface RaftGroupOptions {
  readonly topicId: string
  readonly partition: number
  readonly brokerId: BrokerId
  /** Brokers that hold the partition, this one among them. */
  readonly replicas: readonly number[]
  readonly log: PartitionLog
  readonly hardStates: HardStateStore
  readonly transport: PeerTransport
  readonly ticks: TickLoop
  /** Draws from [0, 1). */
  readonly random: () => number
  /** Bytes proposed and not committed, at most; see `overloaded`. */
  readonly uncommittedBytesMax: number
  readonly listener: RaftGroupListener
}

/** See the file's header. Owner: the partition. */
export class RaftGroup implements Ticked {
  readonly #options: RaftGroupOptions
  readonly #node: RawNode<Buffer>
  readonly #storage: RaftStorage
  readonly #persister: LogPersister
  #softState: SoftState = { role: 'follower', leaderId: null, term: 0 }
  #ready = false
  #highWatermark: Offset
  #drainScheduled = false
  #draining = false
  /** Proposed since the last drain. */
  #undrainedBytes = 0
  #ticking = false
  #stopped = false

  constructor(options: RaftGroupOptions) {
    const { log, hardStates, topicId, partition, brokerId, replicas, random, uncommittedBytesMax } = options
    this.#options = options
    const key = hardStateKey(topicId, partition)
    this.#storage = new RaftStorage({
      log,
      hardState: hardStates.get(key),
      confState: confStateOf(replicas),
      onLoaded: () => {
        this.#node.storageReady()
        this.#scheduleDrain()
      },
      onFailed: (error) => this.#fail(error),
    })
    this.#persister = new LogPersister({
      log,
      hardStates,
      hardStateKey: key,
      // Without a timestamp: it is not data, so neither retention nor a look-up by time is to see it.
      leaderBatch: () => encodeLeaderChange({ leaderId: brokerId, voterIds: replicas, timestamp: NO_TIMESTAMP }),
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
      id: nodeOfReplica({ brokerId, generation: 0 }),
      group: key,
      storage: this.#storage,
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: HEARTBEAT_TICKS,
      random,
      maxUncommittedBytes: uncommittedBytesMax,
      leaderEntry: 'unless-empty',
      committed: 'positions',
      catchUp: 'start-position',
      quiesceAfterTicks: QUIESCE_AFTER_TICKS,
      applied: commit,
    })
  }

  /** Exclusive end of what is committed, as far as this broker knows. */
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

  /** Begins. A group that is its own majority need not wait for an election timeout. */
  start(): void {
    const { replicas, brokerId } = this.#options
    if (replicas.length === 1 && replicas[0] === toBrokerId(brokerId)) this.#node.campaign()
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

  /** Takes a message of another broker's node. */
  step(message: Message<Buffer>): StepResult {
    // A message may replace entries: the listener must have heard of those before, to be told that they are cut.
    if (this.#undrainedBytes > 0) this.#drain()
    const result = this.#node.step(message)
    this.#scheduleDrain()
    return result
  }

  tick(): boolean {
    if (this.#stopped) return false
    this.#node.tick()
    this.#drain()
    this.#ticking = !this.#node.status().quiescent
    return this.#ticking
  }

  /** The log has no room: what is under way waits. */
  holdBack(): void {
    this.#persister.holdBack()
  }

  /** The log takes appends again. */
  resume(): void {
    this.#persister.resume()
  }

  /** Stops, once what is under way is durable (or is held back by a full disk). The log stays open. */
  async close(): Promise<void> {
    this.#drain()
    await this.#persister.close()
    this.#stopped = true
    this.#options.ticks.remove(this)
  }

  #scheduleDrain(): void {
    if (!this.#ticking && !this.#stopped) {
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
    const { softState, persist, messages, committed, leaderReady } = ready
    if (softState !== null) {
      const { leaderId, term } = this.#softState
      if (softState.role !== 'leader' || softState.term !== term || softState.leaderId !== leaderId) this.#ready = false
      this.#softState = softState
    }
    for (const message of messages) transport.send(message)
    if (persist !== null) this.#persist(persist)
    if (committed !== null) {
      this.#node.applied(committed.to)
      this.#highWatermark = endOffsetAt(committed.to)
    }
    if (leaderReady !== null) this.#ready = true
    if (softState !== null || leaderReady !== null) listener.onLeadership()
    if (committed !== null) listener.onCommitted(this.#highWatermark)
  }

  #persist(request: PersistRequest<Buffer>): void {
    const { listener } = this.#options
    if (request.truncateTo !== null) {
      this.#storage.noteTruncated(endOffsetAt(request.truncateTo))
      listener.onTruncated(endOffsetAt(request.truncateTo))
    }
    if (request.snapshot !== null) {
      this.#storage.noteTruncated(0)
      listener.onReset(endOffsetAt(request.snapshot.position))
    }
    for (const entry of request.entries) {
      this.#storage.noteAppended(entry.end)
      listener.onAppended(entry)
    }
    this.#persister.submit(request)
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#options.ticks.remove(this)
    this.#options.listener.onFailed(error)
  }
}
