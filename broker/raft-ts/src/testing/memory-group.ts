/**
 * A whole group in memory, driven by hand: every write is durable at once, messages wait until they are delivered, time
 * passes when told to. For tests that say exactly what happens; the simulator is for those that do not.
 */
import { type ConfState, confStateOf } from '../core/conf-change.ts'
import type { Entry } from '../core/entry.ts'
import type { NodeId, Position, Term } from '../core/ids.ts'
import type { Message } from '../core/messages.ts'
import type { RaftOptions } from '../core/options.ts'
import type { ReadState, Ready, SoftState } from '../core/ready.ts'
import type { HardState } from '../core/storage.ts'
import type { TraceEvent } from '../core/trace.ts'
import { MemoryStorage } from '../memory-storage.ts'
import { RawNode } from '../raw-node.ts'

/** One node of a {@link MemoryGroup} and all that it has said so far. */
export interface MemoryMember {
  readonly id: NodeId
  node: RawNode<string>
  storage: MemoryStorage<string>
  /** Committed entries in the order they were handed out. */
  applied: Entry<string>[]
  readStates: ReadState[]
  softStates: SoftState[]
  leaderReady: Position[]
  readonly trace: TraceEvent[]
}

/** What a group is made of. */
export interface MemoryGroupOptions {
  readonly voters: readonly NodeId[]
  readonly learners?: readonly NodeId[]
  /** Further nodes that exist, but are no members yet. */
  readonly spares?: readonly NodeId[]
  /** For every node; times default to 10 ticks for an election and 1 for a heartbeat. */
  readonly raft?: Partial<RaftOptions<string>>
  /** Terms of the one-offset entries that a node's log begins with. */
  readonly logs?: Readonly<Record<NodeId, readonly Term[]>>
  /** Hard states to begin with. */
  readonly hardStates?: Readonly<Record<NodeId, HardState>>
}

/** Entries of one offset each, with these terms, as in the figures of the Raft paper. */
export function logOf(terms: readonly Term[]): Entry<string>[] {
  return terms.map((term, i) => ({
    base: i,
    end: i + 1,
    term,
    kind: 'data',
    bytes: 1,
    data: `${term}:${i}`,
    change: null,
  }))
}

/** A small generator, seeded with the node's id: nodes wait differently, and every run is the same. */
function drawsOf(seed: number): () => number {
  let state = (seed + 1) * 0x9e3779b1
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Nodes, and the messages between them. */
export class MemoryGroup {
  readonly members: Map<NodeId, MemoryMember> = new Map()
  /** Messages on their way, oldest first. */
  queue: Message<string>[] = []
  readonly #options: MemoryGroupOptions
  readonly #confState: ConfState
  readonly #cut: Set<NodeId> = new Set()

  constructor(options: MemoryGroupOptions) {
    this.#options = options
    this.#confState = confStateOf(options.voters, options.learners)
    for (const id of [...options.voters, ...(options.learners ?? [])]) this.#add(id, this.#confState)
    for (const id of options.spares ?? []) this.#add(id, confStateOf([]))
  }

  /** The member with this id. */
  at(id: NodeId): MemoryMember {
    const member = this.members.get(id)
    if (member === undefined) throw new Error(`no node ${id}`)
    return member
  }

  /** Id of the node that leads at the highest term, if any does. */
  leader(): NodeId | null {
    let best: MemoryMember | null = null
    for (const member of this.members.values()) {
      if (!member.node.isLeader) continue
      if (best === null || member.node.status().term > best.node.status().term) best = member
    }
    return best === null ? null : best.id
  }

  /** Makes `id` campaign and the group settle. Throws if it does not win. */
  elect(id: NodeId): void {
    this.at(id).node.campaign()
    this.settle()
    if (this.leader() !== id) throw new Error(`${id} was not elected`)
  }

  /** Proposes data at `id`; see RawNode.propose. */
  propose(id: NodeId, data: string, length = 1): ReturnType<RawNode<string>['propose']> {
    return this.at(id).node.propose({ length, bytes: data.length, data })
  }

  /** Handles everything a node wants done, with its writes durable at once. Messages are queued. */
  pump(id: NodeId): void {
    const member = this.at(id)
    while (member.node.hasReady()) this.handle(member, member.node.ready())
  }

  /** Handles one Ready. */
  handle(member: MemoryMember, ready: Ready<string>): void {
    const { node, storage } = member
    if (ready.softState !== null) member.softStates.push(ready.softState)
    if (ready.leaderReady !== null) member.leaderReady.push(ready.leaderReady)
    member.readStates.push(...ready.readStates)
    this.queue.push(...ready.messages)
    if (ready.persist !== null) {
      storage.write(ready.persist)
      node.persisted(ready.persist)
    }
    if (ready.committed === null) return
    for (const entry of ready.committed.entries) {
      member.applied.push(entry)
      if (entry.change === null) continue
      storage.saveConfState(node.applyConfChange(entry.change, entry.end), entry.end)
    }
    node.applied(ready.committed.to)
  }

  /** Delivers what is queued and pumps, until nothing moves. */
  settle(): void {
    for (let round = 0; round < 10_000; round++) {
      for (const id of this.members.keys()) this.pump(id)
      if (this.queue.length === 0) return
      this.deliver()
    }
    throw new Error('the group does not settle')
  }

  /** Delivers the queued messages that `which` chooses; those to or from isolated nodes are lost. */
  deliver(which: (message: Message<string>) => boolean = () => true): void {
    const due: Message<string>[] = []
    const rest: Message<string>[] = []
    for (const message of this.queue) (which(message) ? due : rest).push(message)
    this.queue = rest
    for (const message of due) {
      if (this.#cut.has(message.from) || this.#cut.has(message.to)) continue
      this.members.get(message.to)?.node.step(message)
    }
  }

  /** Loses the queued messages that `which` chooses. */
  drop(which: (message: Message<string>) => boolean = () => true): void {
    this.queue = this.queue.filter((message) => !which(message))
  }

  /** Cuts nodes off from all others. */
  isolate(...ids: NodeId[]): void {
    for (const id of ids) this.#cut.add(id)
  }

  /** Ends every isolation. */
  heal(): void {
    this.#cut.clear()
  }

  /** Lets ticks pass at one node, pumping after each. */
  tick(id: NodeId, count = 1): void {
    for (let i = 0; i < count; i++) {
      this.at(id).node.tick()
      this.pump(id)
    }
  }

  /** Lets ticks pass everywhere, settling after each. */
  tickAll(count = 1): void {
    for (let i = 0; i < count; i++) {
      for (const id of this.members.keys()) this.tick(id)
      this.settle()
    }
  }

  /** Kills a node and starts it from what its storage has. */
  restart(id: NodeId): void {
    const member = this.at(id)
    member.storage = member.storage.clone()
    member.node = this.#makeNode(id, member.storage, member.trace)
    member.applied = []
  }

  #add(id: NodeId, confState: ConfState): void {
    const storage = new MemoryStorage<string>({ confState })
    storage.append(logOf(this.#options.logs?.[id] ?? []))
    storage.hardState = this.#options.hardStates?.[id] ?? null
    const trace: TraceEvent[] = []
    const node = this.#makeNode(id, storage, trace)
    this.members.set(id, { id, node, storage, applied: [], readStates: [], softStates: [], leaderReady: [], trace })
  }

  #makeNode(id: NodeId, storage: MemoryStorage<string>, trace: TraceEvent[]): RawNode<string> {
    return new RawNode<string>({
      id,
      storage,
      electionTicks: 10,
      heartbeatTicks: 1,
      random: drawsOf(id),
      onTrace: (event) => trace.push(event),
      ...this.#options.raft,
    })
  }
}
