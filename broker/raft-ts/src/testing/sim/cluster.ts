/**
 * The shell around every simulated node: the loop of raft-ts's README, on virtual time, with everything that can happen
 * to a process between two lines of it.
 *
 * Every input to a node goes through `input`: it is followed by the checks and by all the work that the node then wants
 * done. A node that stands still keeps its inputs for later.
 */
import type { ConfChange, ConfState } from '../../core/conf-change.ts'
import type { NodeId, Position } from '../../core/ids.ts'
import { RaftInvariantError } from '../../core/invariant.ts'
import type { Message, SnapshotMessage } from '../../core/messages.ts'
import type { PersistRequest, Ready } from '../../core/ready.ts'
import { SnapshotReceiver } from '../../core/snapshot-chunks.ts'
import type { Snapshot } from '../../core/storage.ts'
import { MemoryStorage } from '../../memory-storage.ts'
import { RawNode } from '../../raw-node.ts'
import { linearizableRead } from './invariants/commits.ts'
import { configurationsAgree, showConf } from './invariants/membership.ts'
import { Ledger } from './ledger.ts'
import { Observer } from './observer.ts'
import { Random } from './random.ts'
import { SimDisk } from './sim-disk.ts'
import { SimNetwork } from './sim-network.ts'
import { SimNode, STATE_BYTES_MAX } from './sim-node.ts'
import type { SimOptions } from './sim-options.ts'
import { SnapshotTransfer, type TransferEnds } from './sim-snapshots.ts'
import { SimStorage } from './sim-storage.ts'
import { Timeline } from './timeline.ts'
import { messageDigest, type SimTrace } from './trace.ts'
import { TraceHash } from './trace-hash.ts'
import { hold, InvariantViolation } from './violation.ts'

/** Readys in a row after which a node is said never to come to rest. */
const READY_ROUNDS_MAX = 100_000

/**
 * Messages of one run, at most. The busiest of 6,000 seeds sends some 100,000; answers that breed answers, a window of
 * 256 for each, soon send more than this.
 */
const MESSAGE_COUNT_MAX = 300_000

/** Longest time of a sync while a disk is slow, in milliseconds. */
const SLOW_SYNC_MAX_MS = 1500

/** All nodes, their disks and the network between them. */
export class Cluster {
  readonly options: SimOptions
  readonly timeline: Timeline = new Timeline()
  readonly random: Random
  readonly network: SimNetwork
  readonly nodes: Map<NodeId, SimNode> = new Map()
  readonly ledger: Ledger = new Ledger()
  readonly observer: Observer
  readonly hash: TraceHash = new TraceHash()
  /** Reads under way: what had been acknowledged when each was asked. */
  readonly reads: Map<number, number> = new Map()
  readCount = 0
  /** Everything works again: disks are fast, and nothing has to be waited for. */
  healed = false
  readonly trace: SimTrace | null
  readonly #weather: Random
  readonly #transferEnds: TransferEnds

  constructor(options: SimOptions, trace: SimTrace | null) {
    this.options = options
    this.trace = trace
    this.random = new Random(options.seed, 2)
    this.#weather = new Random(options.seed, 3)
    this.observer = new Observer(this.ledger, this.nodes, options)
    this.network = new SimNetwork(this.timeline, new Random(options.seed, 4), options.link, {
      arrived: (message) => this.#arrived(message),
      lost: (message) => this.#lost(message),
      snapshotSent: (message) => new SnapshotTransfer(this.#transferEnds, message).start(),
    })
    this.#transferEnds = this.#makeTransferEnds()
  }

  #makeTransferEnds(): TransferEnds {
    return {
      network: this.network,
      random: new Random(this.options.seed, 9),
      node: (id) => this.nodes.get(id),
      at: (node, run) => this.#now(node, node.life, run),
      after: (node, delayMs, run) => this.after(node, delayMs, run),
      complete: (message) => this.#arrived(message),
      done: (message, ok) => this.#snapshotDone(message, ok),
      note: (node, text) => this.note(node, text),
    }
  }

  /** Adds a node with an empty disk and starts it. */
  add(id: NodeId, confState: ConfState, priority: number): SimNode {
    const disk = new SimDisk(new MemoryStorage<number>({ confState }))
    const skew = 0.85 + this.#weather.next() * 0.3
    const node = new SimNode(id, disk, confState, Math.round(this.options.tickMs * skew), priority)
    this.nodes.set(id, node)
    this.start(node)
    return node
  }

  /** Ids of the nodes that run now. */
  running(): SimNode[] {
    const running: SimNode[] = []
    for (const node of this.nodes.values()) if (node.up) running.push(node)
    return running
  }

  /** A line for whoever watches. */
  note(node: NodeId | null, text: () => string): void {
    this.trace?.(this.timeline.now, node, text())
  }

  /** Starts a node from its disk. */
  start(node: SimNode): void {
    const { written, durable } = node.disk
    node.life++
    node.diskFails = false
    node.states = new SnapshotReceiver(STATE_BYTES_MAX)
    this.#loadApp(node)
    const log = this.options.readsSeeCache ? written : durable
    const storage = new SimStorage({
      log,
      snapshot: () => this.#makeSnapshot(node, log),
      mustLoad: () => this.#mustLoad(node),
      coarse: this.options.coarseBoundaries,
    })
    node.storage = storage
    this.#guard(() => {
      node.raw = new RawNode<number>({
        ...this.options.raft,
        id: node.id,
        storage,
        electionTicks: this.options.electionTicks,
        heartbeatTicks: this.options.heartbeatTicks,
        priority: node.priority,
        random: () => this.#weather.next(),
        applied: node.app.position,
      })
    })
    storage.start()
    this.note(
      node.id,
      () => `starts at term ${durable.hardState?.term ?? 0}, log ${log.startPosition()}..${node.writtenEnd}`,
    )
    this.hash.add(node.id)
    this.hash.add(node.writtenEnd)
    this.observer.started(node)
    this.pump(node)
    this.#planTick(node, node.life)
  }

  /** Where the application begins: at the start of the log, or where it had durably been. */
  #loadApp(node: SimNode): void {
    const { durable } = node.disk
    const { confState, confPosition } = durable.initialState()
    const start = durable.startPosition()
    const commit = durable.hardState?.commit ?? 0
    const { position } = node.app
    // What was applied is only known to last if the membership was stored with it and the commit position as well.
    const remembers =
      this.options.rememberApplied && position > start && position <= commit && confPosition === node.app.confPosition
    const at = remembers ? position : start
    node.app = {
      position: at,
      hash: this.ledger.committedAt(at)?.hash ?? 0,
      confState,
      confPosition: confPosition ?? 0,
    }
  }

  #makeSnapshot(node: SimNode, log: MemoryStorage<number>): Snapshot | 'unavailable' {
    return this.#weather.chance(0.1) ? 'unavailable' : node.snapshot(log)
  }

  #mustLoad(node: SimNode): boolean {
    if (this.healed || !this.#weather.chance(this.options.coldReads)) return false
    this.after(node, this.#weather.between(1, 50), () => {
      node.storage!.loaded()
      this.note(node.id, () => 'entries are loaded')
      this.input(node, (raw) => raw.storageReady())
      node.storage?.cool()
    })
    return true
  }

  /** Plans something for one life of a node; it waits while the node stands still. */
  after(node: SimNode, delayMs: number, run: () => void): void {
    const { life } = node
    this.timeline.after(delayMs, () => this.#now(node, life, run))
  }

  #now(node: SimNode, life: number, run: () => void): void {
    if (node.life !== life || !node.up) return
    if (node.backlog !== null) node.backlog.push(() => this.#now(node, life, run))
    else run()
  }

  #planTick(node: SimNode, life: number): void {
    this.timeline.after(node.tickMs, () => {
      if (node.life !== life || !node.up) return
      this.#planTick(node, life)
      this.#now(node, life, () => this.input(node, (raw) => this.#tick(node, raw)))
    })
  }

  #tick(node: SimNode, raw: RawNode<number>): void {
    const silent = (this.options.raft.quiesceAfterTicks ?? 0) > 0 && raw.status().quiescent
    raw.tick()
    this.observer.ticked(node)
    hold(!silent || !raw.hasReady(), 'quiescent-silence', () => `${node.id} is quiescent, but a tick makes it work`)
    if (silent) this.observer.silent(node)
  }

  /** Gives a node an input, then does what it wants done. */
  input(node: SimNode, act: (raw: RawNode<number>) => void): void {
    const { raw } = node
    if (raw === null) return
    this.#guard(() => {
      act(raw)
      // What a leader commits must be on disks now, before anything else happens.
      if (raw.isLeader) this.observer.commit(node)
      this.pump(node)
    })
  }

  /** A broken invariant of the core itself is a finding like any other. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      if (error instanceof RaftInvariantError) throw new InvariantViolation('core-invariant', error.message)
      throw error
    }
  }

  /** The loop of the README. */
  pump(node: SimNode): void {
    for (let round = 0; node.raw?.hasReady() === true; round++) {
      hold(round < READY_ROUNDS_MAX, 'ready-terminates', () => `${node.id} never runs out of work`)
      this.#handle(node, node.raw.ready())
    }
    if (node.raw !== null) this.observer.commit(node)
  }

  #handle(node: SimNode, ready: Ready<number>): void {
    const { observer } = this
    if (ready.persist !== null) this.#persist(node, ready.persist)
    observer.commit(node)
    if (ready.softState !== null) {
      const { role, term, leaderId } = ready.softState
      this.hash.add(term)
      this.note(node.id, () => `is ${role} at term ${term}, leader ${leaderId ?? 'unknown'}`)
      observer.role(node, ready.softState)
    }
    for (const message of ready.messages) {
      observer.message(node, message)
      this.hash.add(messageDigest(message))
      this.network.send(message)
    }
    const { sentCount } = this.network
    hold(sentCount < MESSAGE_COUNT_MAX, 'answers-die-out', () => `${sentCount} messages, and no end of it`)
    for (const read of ready.readStates) this.#readDone(node, read.context as number, read.position)
    if (ready.committed === null) return
    this.hash.add(ready.committed.to)
    node.applying.push(ready.committed)
    const { applyMaxMs } = this.options
    if (applyMaxMs === 0 || this.healed) this.#applyAll(node)
    else if (!node.applyPlanned) {
      node.applyPlanned = true
      this.after(node, this.#weather.between(0, applyMaxMs), () => {
        node.applyPlanned = false
        this.input(node, () => this.#applyAll(node))
      })
    }
  }

  #persist(node: SimNode, request: PersistRequest<number>): void {
    this.observer.persist(node, request)
    node.disk.submit(request)
    this.observer.written(node, request)
    this.hash.add(node.writtenEnd)
    this.note(node.id, () => {
      const { truncateTo, snapshot, entries, hardState } = request
      const parts = [`writes up to ${node.writtenEnd}`]
      if (truncateTo !== null) parts.push(`after truncating to ${truncateTo}`)
      if (snapshot !== null) parts.push(`snapshot ${snapshot.position}@${snapshot.term}`)
      if (entries.length > 0) parts.push(`entries ${entries.map((e) => `[${e.base},${e.end})@${e.term}`).join(' ')}`)
      if (hardState !== null) parts.push(`term ${hardState.term} vote ${hardState.vote} commit ${hardState.commit}`)
      return parts.join(', ')
    })
    this.#sync(node)
  }

  #sync(node: SimNode): void {
    const { disk } = node
    if (disk.busy || !disk.pending) return
    disk.beginSync(this.options.groupCommit)
    this.after(node, this.#weather.between(1, this.#syncMaxMs(node)), () => this.#synced(node))
  }

  #syncMaxMs(node: SimNode): number {
    if (this.healed) return 2
    return node.slowDiskUntilMs > this.timeline.now ? SLOW_SYNC_MAX_MS : this.options.syncMaxMs
  }

  #synced(node: SimNode): void {
    if (node.diskFails) {
      this.note(node.id, () => 'fails to sync and stops')
      this.crash(node)
      return
    }
    // Each write is reported at the moment when it, and nothing after it, has just become durable.
    for (const request of node.disk.endSync()) this.#hardened(node, request)
    this.#sync(node)
  }

  #hardened(node: SimNode, request: PersistRequest<number>): void {
    const { disk } = node
    disk.harden(request)
    this.note(node.id, () => `has synced up to ${disk.durable.endPosition()}`)
    if (request.snapshot !== null) this.#installSnapshot(node, request.snapshot)
    this.input(node, (raw) => {
      const result = raw.persisted(request)
      hold(result.kind === 'accepted', 'no-impossible-message', () => `${node.id} refuses a finished write`)
    })
    if (node.up) this.observer.persisted(node)
  }

  #installSnapshot(node: SimNode, snapshot: Snapshot): void {
    const { app } = node
    if (app.position < snapshot.position) {
      app.position = snapshot.position
      app.hash = this.ledger.committedAt(snapshot.position)!.hash
    }
    app.confState = snapshot.confState
    app.confPosition = snapshot.confPosition
  }

  #applyAll(node: SimNode): void {
    const { raw } = node
    while (raw !== null && node.applying.length > 0) {
      const batch = node.applying.shift()!
      if (batch.to <= node.app.position) continue
      this.observer.apply(node, batch)
      for (const entry of batch.entries)
        if (entry.change !== null) this.#applyChange(node, raw, entry.change, entry.end)
      raw.applied(batch.to)
    }
  }

  #applyChange(node: SimNode, raw: RawNode<number>, change: ConfChange, end: Position): void {
    const { app } = node
    const confState = raw.applyConfChange(change, end)
    configurationsAgree(this.ledger, node, confState, Math.max(end, app.confPosition))
    if (end <= app.confPosition) return
    this.note(node.id, () => `applies the change at ${end}: ${showConf(confState)}`)
    this.observer.configured(node, app.confState, confState)
    app.confState = confState
    app.confPosition = end
    node.disk.written.saveConfState(confState, end)
    // Never before the entry itself is: a start would take what is left of another log for committed up to there.
    const mayLast = raw.status().persistedPosition >= end
    if (this.#weather.chance(0.7) && mayLast) node.disk.durable.saveConfState(confState, end)
    this.observer.commit(node)
  }

  #readDone(node: SimNode, context: number, position: number): void {
    const floor = this.reads.get(context)
    if (floor === undefined) return
    this.reads.delete(context)
    this.readCount++
    this.hash.add(position)
    linearizableRead(node, position, floor)
  }

  /** Kills a node: what was not synced is lost, or torn. */
  crash(node: SimNode): void {
    if (!node.up) return
    this.note(node.id, () => `crashes with ${node.disk.durable.endPosition()} of ${node.writtenEnd} durable`)
    node.life++
    node.raw = null
    node.leads = false
    node.backlog = null
    node.applying = []
    node.applyPlanned = false
    node.proposals = []
    node.disk = node.disk.crash(this.#weather, this.options.survival)
  }

  /** Lets a node that stood still go on: everything that happened meanwhile happens now. */
  resume(node: SimNode): void {
    const { backlog } = node
    if (backlog === null) return
    node.backlog = null
    this.note(node.id, () => `goes on with ${backlog.length} events to catch up with`)
    for (const run of backlog) run()
  }

  #arrived(message: Message<number>): void {
    const node = this.nodes.get(message.to)
    if (node === undefined || !node.up) {
      this.#lost(message)
      return
    }
    this.hash.add(messageDigest(message))
    this.#now(node, node.life, () => {
      this.trace?.(this.timeline.now, node.id, `receives ${this.trace.describe(message)}`)
      this.input(node, (raw) => {
        const result = raw.step(message)
        this.observer.heard(node, message)
        hold(
          result.kind === 'accepted' || result.reason !== 'impossible',
          'no-impossible-message',
          () => `${node.id} refuses ${message.type}: ${result.kind === 'refused' ? result.detail : ''}`,
        )
      })
    })
  }

  #lost(message: Message<number>): void {
    this.trace?.(this.timeline.now, message.from, `loses ${this.trace.describe(message)}`)
    if (!this.options.reportsUnreachable || !this.#weather.chance(0.1)) return
    const sender = this.nodes.get(message.from)
    if (sender?.up === true) this.after(sender, 1, () => this.input(sender, (raw) => raw.reportUnreachable(message.to)))
  }

  #snapshotDone(message: SnapshotMessage, ok: boolean): void {
    const sender = this.nodes.get(message.from)!
    this.note(sender.id, () => `has ${ok ? 'brought' : 'failed to bring'} its state to ${message.to}`)
    this.input(sender, (raw) => raw.reportSnapshot(message.to, ok))
  }
}
