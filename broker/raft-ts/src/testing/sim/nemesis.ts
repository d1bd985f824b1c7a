/**
 * Everything that goes wrong: one fault after the other, drawn from the kinds that the seed allows, each for a while.
 *
 * Invariant: a fault only does what the algorithm must survive. Disks lose what was not synced, never more; a disk that is
 * lost altogether comes back as another node.
 */
import type { Cluster } from './cluster.ts'
import type { Operator } from './operator.ts'
import { bridge, halves, isolate, oneWay, ring } from './partition-shapes.ts'
import { Random } from './random.ts'
import type { SimNode } from './sim-node.ts'
import type { FaultKind, LinkOptions } from './sim-options.ts'

/** Makes faults until it is stopped. */
export class Nemesis {
  readonly #cluster: Cluster
  readonly #operator: Operator
  readonly #random: Random
  /** Faults that took effect, by kind. */
  readonly counts: Map<FaultKind, number> = new Map()
  #running = true
  /** Tells the partition in force from earlier ones, whose end must not mend it. */
  #partition = 0

  constructor(cluster: Cluster, operator: Operator) {
    this.#cluster = cluster
    this.#operator = operator
    this.#random = new Random(cluster.options.seed, 7)
  }

  start(): void {
    const { timeline, options } = this.#cluster
    timeline.after(this.#random.between(1, 2 * options.faultEveryMs), () => {
      if (!this.#running) return
      const kind = this.#random.pick(options.faults)
      if (this.#strike(kind)) {
        this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
        this.#cluster.note(null, () => `---- ${kind}`)
      }
      this.start()
    })
  }

  /** No more faults; those in force end with `Cluster`'s healing. */
  stop(): void {
    this.#running = false
    this.#partition++
  }

  /** Makes one fault. Returns whether anything came of it. */
  #strike(kind: FaultKind): boolean {
    switch (kind) {
      case 'crash':
      case 'stall':
      case 'slow-disk':
      case 'failing-disk':
      case 'skew':
      case 'campaign':
      case 'forget-leader':
      case 'priority':
      case 'wipe':
      case 'compaction':
        return this.#strikeNode(kind)
      case 'power-loss':
        return this.#powerLoss()
      case 'membership':
        return this.#operator.changeMembers()
      case 'transfer':
        return this.#operator.transfer()
      case 'loss':
        return this.#weather({ loss: this.#random.pick([0.1, 0.3, 0.6]) })
      case 'delay':
        return this.#weather({ delayMaxMs: this.#random.pick([300, 1000, 2500]), ordered: false })
      case 'duplication':
        return this.#weather({ duplication: this.#random.pick([0.3, 1]), late: 0.05 })
      case 'flapping':
        return this.#flap()
      default:
        return this.#partitionAs(kind, this.#random.between(500, 6000))
    }
  }

  /** Any node that runs, the leader more often than others. */
  #victim(): SimNode | null {
    const nodes = this.#cluster.running().filter((node) => !node.stalled)
    if (nodes.length === 0) return null
    const leading = nodes.filter((node) => node.leads)
    return leading.length > 0 && this.#random.chance(0.4) ? this.#random.pick(leading) : this.#random.pick(nodes)
  }

  #strikeNode(kind: FaultKind): boolean {
    const node = this.#victim()
    if (node === null) return false
    const { timeline } = this.#cluster
    const random = this.#random
    switch (kind) {
      case 'crash':
        this.#crash(node, random.pick([0, 50, 500, 3000]))
        return true
      case 'stall':
        node.backlog = []
        timeline.after(random.between(100, 4000), () => this.#cluster.resume(node))
        return true
      case 'slow-disk':
        node.slowDiskUntilMs = timeline.now + random.between(500, 6000)
        return true
      case 'failing-disk':
        node.diskFails = true
        this.#restartLater(node, random.between(500, 4000))
        return true
      case 'skew':
        this.#skew(node)
        return true
      case 'campaign':
        this.#cluster.input(node, (raw) => raw.campaign())
        return true
      case 'forget-leader':
        this.#cluster.input(node, (raw) => raw.forgetLeader())
        return true
      case 'priority':
        node.priority = random.pick([0, 1, 5, 10])
        this.#cluster.input(node, (raw) => raw.setPriority(node.priority))
        return true
      case 'wipe':
        return this.#wipe(node)
      default:
        return this.#operator.compact(node)
    }
  }

  #crash(node: SimNode, downMs: number): void {
    this.#cluster.crash(node)
    this.#restartLater(node, downMs + this.#random.below(200))
  }

  #restartLater(node: SimNode, delayMs: number): void {
    this.#cluster.timeline.after(delayMs, () => {
      if (!node.up && !node.wiped && !node.retired) this.#cluster.start(node)
    })
  }

  #powerLoss(): boolean {
    for (const node of this.#cluster.running()) this.#crash(node, this.#random.below(1500))
    return true
  }

  #wipe(node: SimNode): boolean {
    if (this.#cluster.nodes.size > 40 || !this.#operator.mayLose(node.id)) return false
    this.#cluster.crash(node)
    node.wiped = true
    this.#operator.replace(node.id)
    return true
  }

  #skew(node: SimNode): void {
    const usual = node.tickMs
    node.tickMs = Math.max(10, Math.round(usual * this.#random.pick([0.25, 0.5, 2, 4])))
    this.#cluster.timeline.after(this.#random.between(500, 8000), () => {
      if (this.#running) node.tickMs = usual
    })
  }

  #weather(change: Partial<LinkOptions>): boolean {
    const { network, timeline, options } = this.#cluster
    network.link = { ...network.link, ...change }
    timeline.after(this.#random.between(500, 6000), () => {
      if (this.#running) network.link = options.link
    })
    return true
  }

  #flap(): boolean {
    const electionMs = this.#cluster.options.electionTicks * this.#cluster.options.tickMs
    const shape = this.#random.pick(['isolate', 'halves', 'one-way'] as const)
    const times = this.#random.between(2, 6)
    const periodMs = Math.round(electionMs * (0.5 + 1.5 * this.#random.next()))
    for (let i = 0; i < times; i++) {
      this.#cluster.timeline.after(i * periodMs, () => {
        if (this.#running) this.#partitionAs(shape, periodMs >> 1)
      })
    }
    return true
  }

  #partitionAs(kind: FaultKind, durationMs: number): boolean {
    const { network, timeline } = this.#cluster
    const random = this.#random
    const ids = [...this.#cluster.nodes.values()].filter((node) => !node.wiped).map((node) => node.id)
    if (ids.length < 2) return false
    network.mend()
    const cut = (from: number, to: number): void => network.cut(from, to)
    const victim = this.#victim()?.id ?? ids[0]!
    if (kind === 'isolate') isolate(ids, victim, cut)
    else if (kind === 'halves') halves(ids, random, cut)
    else if (kind === 'ring') ring(ids, random, cut)
    else if (kind === 'bridge') bridge(ids, random, cut)
    else oneWay(ids, victim, random, cut)
    const partition = ++this.#partition
    timeline.after(durationMs, () => {
      if (this.#partition === partition) network.mend()
    })
    return true
  }
}
