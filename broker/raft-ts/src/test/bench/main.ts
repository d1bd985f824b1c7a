/**
 * `pnpm bench`: the speed of the core alone, so that a broker's cost can be told from the library's.
 *
 * A group of three in memory, writes durable at once, messages handed over by reference: proposals a second with 1, 16 and
 * 256 in flight; then 10,000 idle groups ticking, with heartbeats and silent. `--cpu-prof` of node gives the profile.
 */
import { confStateOf } from '../../core/conf-change.ts'
import type { Message } from '../../core/messages.ts'
import type { RaftOptions } from '../../core/options.ts'
import { MemoryStorage } from '../../memory-storage.ts'
import { RawNode } from '../../raw-node.ts'

const PAYLOAD = new Uint8Array(1024)

/** Milliseconds of processor time that this process has used: a busy machine does not count against it. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** One node with its storage. */
interface Bench {
  readonly node: RawNode<Uint8Array>
  readonly storage: MemoryStorage<Uint8Array>
}

/** Three nodes whose messages are delivered by {@link settle}. */
class Trio {
  readonly nodes: Bench[]
  committed = 0
  #inbox: Message<Uint8Array>[] = []

  constructor(options: Partial<RaftOptions<Uint8Array>> = {}) {
    this.nodes = [0, 1, 2].map((id) => {
      const storage = new MemoryStorage<Uint8Array>({ confState: confStateOf([0, 1, 2]) })
      const base = { id, storage, electionTicks: 10, heartbeatTicks: 1, random: () => id / 3 }
      return {
        storage,
        node: new RawNode<Uint8Array>({ ...base, committed: 'positions', persistCommit: false, ...options }),
      }
    })
    this.nodes[0]!.node.campaign()
    this.settle()
  }

  get leader(): RawNode<Uint8Array> {
    return this.nodes[0]!.node
  }

  /** Handles all that there is to do. */
  settle(): void {
    for (;;) {
      for (const bench of this.nodes) this.#pump(bench)
      if (this.#inbox.length === 0) return
      const due = this.#inbox
      this.#inbox = []
      for (const message of due) this.nodes[message.to]!.node.step(message)
    }
  }

  /** Lets a tick pass everywhere. */
  tick(): void {
    for (const { node } of this.nodes) node.tick()
    for (const { node } of this.nodes) {
      if (node.hasReady()) {
        this.settle()
        return
      }
    }
  }

  #pump({ node, storage }: Bench): void {
    while (node.hasReady()) {
      const ready = node.ready()
      for (const message of ready.messages) this.#inbox.push(message)
      if (ready.persist !== null) {
        storage.write(ready.persist)
        node.persisted(ready.persist)
      }
      if (ready.committed !== null) node.applied(ready.committed.to)
    }
  }
}

function benchProposals(inFlight: number, seconds: number): void {
  const trio = new Trio()
  const { leader } = trio
  const run = (until: number): void => {
    let count = 0
    while (cpuMs() < until) {
      for (let i = 0; i < inFlight; i++) leader.propose({ length: 1, bytes: PAYLOAD.length, data: PAYLOAD })
      trio.settle()
      count += inFlight
      if (count % 65_536 < inFlight) for (const { node, storage } of trio.nodes) storage.compactTo(node.commit)
    }
  }
  run(cpuMs() + 500)
  const started = cpuMs()
  const before = leader.commit
  run(started + seconds * 1000)
  const elapsed = (cpuMs() - started) / 1000
  const rate = Math.round((leader.commit - before) / elapsed)
  console.log(
    `proposals, ${String(inFlight).padStart(3)} in flight: ${rate.toLocaleString('en')} committed entries per second of one core, all three nodes on it`,
  )
}

function benchIdle(groups: number, quiesceAfterTicks: number): void {
  const trios = Array.from({ length: groups }, () => new Trio({ quiesceAfterTicks }))
  for (let i = 0; i < 30; i++) for (const trio of trios) trio.tick()
  const rounds = 20
  const heapBefore = process.memoryUsage().heapUsed
  const started = cpuMs()
  for (let i = 0; i < rounds; i++) for (const trio of trios) trio.tick()
  const tickMs = (cpuMs() - started) / rounds
  const perNode = tickMs / 3
  const grown = (process.memoryUsage().heapUsed - heapBefore) / rounds / groups / 3
  const name = quiesceAfterTicks === 0 ? 'each heartbeat built, delivered and answered' : 'silent'
  console.log(
    `${groups.toLocaleString('en')} idle groups, ${name}: ${perNode.toFixed(2)} ms of a core per node and tick, ` +
      `${perNode.toFixed(2)} % at 100 ms ticks, ${Math.max(0, Math.round(grown))} bytes allocated per group and tick`,
  )
}

for (const inFlight of [1, 16, 256]) benchProposals(inFlight, 2)
benchIdle(10_000, 10)
benchIdle(10_000, 0)
