/**
 * Everything that goes wrong: one fault after the other, drawn from the kinds that the seed allows, each for a while.
 *
 * Invariant: a fault only does what the cluster must survive. Disks lose what was not synced, never more, but for the one
 * broker whose disk may destroy what it holds: a minority of every partition's copies. It is not struck again before its
 * copies have been given up and rebuilt.
 */
import { lastOffsetOf, sizeOf } from '@stratalog/proto/records'
import { bridge, halves, isolate, oneWay, type Random, ring } from 'raft-ts/testing'
import type { Operator } from './operator.ts'
import type { BrokerFaultKind, PeerLink } from './options.ts'
import type { SimBroker } from './sim-broker.ts'
import type { SimCluster } from './sim-cluster.ts'
import type { DiskCopy } from './sim-disk.ts'

/** Makes faults until it is stopped. */
export class Nemesis {
  readonly #cluster: SimCluster
  readonly #operator: Operator
  readonly #random: Random
  /** Faults that took effect, by kind. */
  readonly counts: Map<BrokerFaultKind, number> = new Map()
  /** The broker whose disk may destroy synced bytes. */
  readonly #cursed: SimBroker
  /** A backup of that disk, and the registration under which it was made. */
  #copy: { readonly copy: DiskCopy; readonly runs: readonly string[] } | null = null
  #running = true
  /** Tells the partition in force from earlier ones, whose end must not mend it. */
  #partition = 0

  constructor(cluster: SimCluster, operator: Operator) {
    this.#cluster = cluster
    this.#operator = operator
    this.#random = cluster.world.random(107)
    this.#cursed = cluster.brokers.get(this.#random.between(1, cluster.options.brokerCount))!
  }

  start(): void {
    const { world, options } = this.#cluster
    world.after(this.#random.between(1, 2 * options.faultEveryMs), () => {
      if (!this.#running) return
      const kind = this.#random.pick(options.faults)
      if (this.#strike(kind)) {
        this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
        world.note(null, () => `---- ${kind}`)
      }
      this.start()
    })
  }

  /** No more faults; those in force end with the healing. */
  stop(): void {
    this.#running = false
    this.#partition++
  }

  /** Makes one fault. Returns whether anything came of it. */
  #strike(kind: BrokerFaultKind): boolean {
    switch (kind) {
      case 'power-loss-all':
        return this.#powerLossOfAll()
      case 'wipe':
      case 'old-copy':
      case 'bit-flip':
      case 'cut-file':
        return this.#strikeDisk(kind)
      case 'loss':
        return this.#weather({ loss: this.#random.pick([0.05, 0.2, 0.5]) })
      case 'delay':
        return this.#weather({ delayMaxMs: this.#random.pick([100, 500, 1500]), reorders: this.#random.chance(0.5) })
      case 'duplication':
        return this.#weather({ duplication: this.#random.pick([0.2, 0.7]), reorders: true })
      case 'topics':
        return this.#operator.changeTopics()
      case 'move':
        return this.#operator.move()
      case 'drain':
        return this.#operator.drain()
      case 'transfer':
        return this.#operator.transfer()
      case 'flapping':
        return this.#flap()
      case 'isolate':
      case 'halves':
      case 'ring':
      case 'bridge':
      case 'one-way':
        return this.#partitionAs(kind, this.#random.between(500, 6000))
      default:
        return this.#strikeBroker(kind)
    }
  }

  /** Any broker that runs, one that leads something more often than others. */
  #victim(): SimBroker | null {
    const brokers = this.#cluster.running().filter(({ process }) => process?.isStalled === false)
    if (brokers.length === 0) return null
    const leading = brokers.filter((broker) => broker.leadsAnything())
    return leading.length > 0 && this.#random.chance(0.4) ? this.#random.pick(leading) : this.#random.pick(brokers)
  }

  #strikeBroker(
    kind: 'kill' | 'restart' | 'power-loss' | 'stall' | 'slow-disk' | 'failing-disk' | 'full-disk' | 'skew',
  ): boolean {
    const broker = this.#victim()
    if (broker === null) return false
    const { world } = this.#cluster
    const random = this.#random
    const downMs = random.pick([0, 50, 500, 3000, 8000]) + random.below(200)
    switch (kind) {
      case 'kill':
        broker.kill()
        break
      case 'restart':
        broker.stop()
        break
      case 'power-loss':
        broker.losePower()
        break
      case 'stall':
        broker.process?.stall()
        world.after(random.between(100, 5000), () => broker.process?.resume())
        return true
      case 'slow-disk':
        broker.disk.slowUntilMs = world.now + random.between(500, 6000)
        return true
      case 'failing-disk':
        broker.disk.failing = random.pick(['sync', 'sync', 'write', 'read'])
        broker.disk.failingRate = random.pick([1, 1, 0.5])
        // Either it passes, and the broker helps itself; or somebody looks after it, whatever it has made of the failure.
        if (random.chance(0.5)) {
          world.after(random.between(500, 5000), () => {
            broker.disk.failing = null
          })
          return true
        }
        world.after(random.between(500, 5000), () => {
          if (this.#running && broker.disk.failing !== null && broker.process !== null) broker.kill()
          this.#startLater(broker, downMs)
        })
        return true
      case 'full-disk':
        broker.disk.fileSystem.diskFullAfterBytes(random.pick([0, 1, 500, 20_000]))
        world.after(random.between(500, 5000), () => {
          broker.disk.fileSystem.diskFullAfterBytes(Number.POSITIVE_INFINITY)
        })
        return true
      case 'skew':
        this.#skew(broker)
        return true
    }
    this.#startLater(broker, downMs)
    return true
  }

  #startLater(broker: SimBroker, delayMs: number): void {
    this.#cluster.world.after(delayMs, () => broker.start())
  }

  #powerLossOfAll(): boolean {
    const running = this.#cluster.running()
    for (const broker of running) {
      broker.losePower()
      this.#startLater(broker, this.#random.below(1500))
    }
    return running.length > 0
  }

  #skew(broker: SimBroker): void {
    const { world } = this.#cluster
    broker.clock.run(this.#random.pick([0.5, 0.8, 1.25, 2]))
    if (this.#random.chance(0.5)) broker.clock.set(this.#random.pick([-3_600_000, -5000, 5000, 3_600_000]))
    world.after(this.#random.between(500, 8000), () => broker.clock.run(1))
  }

  /** The cursed broker's disk destroys something, and the broker is started again with what is left. */
  #strikeDisk(kind: 'wipe' | 'old-copy' | 'bit-flip' | 'cut-file'): boolean {
    const broker = this.#cursed
    const random = this.#random
    if (!broker.isWhole()) return false
    if (kind === 'old-copy' && this.#copy === null) {
      this.#copy = { copy: broker.disk.copy(), runs: this.#registeredRuns(broker) }
      return false
    }
    switch (kind) {
      case 'wipe':
        broker.kill()
        broker.damageAll()
        broker.disk.wipe()
        break
      case 'old-copy':
        if (!this.#isKnownToBeOld(this.#copy!)) return false
        broker.kill()
        broker.damageAll()
        broker.disk.restore(this.#copy!.copy)
        this.#copy = null
        break
      case 'bit-flip':
      case 'cut-file': {
        const file = this.#anyLogFile(broker)
        if (file === null) return false
        const { fileSystem } = broker.disk
        broker.damage(file.group)
        const { length } = file
        if (kind === 'bit-flip') {
          fileSystem.flipBit(file.path, random.below(length), random.below(8))
          if (random.chance(0.5)) return true
        } else {
          // Only a process that does not run can lose bytes of an open file.
          broker.kill()
          fileSystem.cutFile(file.path, random.below(length))
        }
        broker.kill()
        break
      }
    }
    this.#startLater(broker, random.below(3000))
    return true
  }

  /**
   * Whether all others have heard of a later registration than the backup is of: a majority that has not, together with the
   * broker that has forgotten it, is as the cluster once was, and nobody could tell.
   */
  #isKnownToBeOld({ runs }: { readonly runs: readonly string[] }): boolean {
    const known = this.#registeredRuns(this.#cursed)
    return known.length === this.#cluster.options.brokerCount && known.every((run) => !runs.includes(run))
  }

  /** The run under which a broker is registered, as each of those that run has it. */
  #registeredRuns({ id }: SimBroker): string[] {
    return this.#cluster.running().flatMap((other) => other.image()?.brokers.get(id)?.run ?? [])
  }

  /**
   * A file of the broker's logs, and how many of its bytes may be destroyed: those that its disk knows to be flushed. What
   * lies behind them cannot be told from a write that a power loss has torn.
   */
  #anyLogFile(broker: SimBroker): { readonly path: string; readonly group: string; readonly length: number } | null {
    const files = [...broker.directories()].flatMap(([group, directory]) =>
      broker.disk.fileSystem
        .namesIn(directory)
        .filter((name) => name.endsWith('.log'))
        .map((name) => `${directory}/${name}`)
        .map((path) => ({ path, group, length: this.#knownLength(broker, group, path) }))
        .filter(({ length }) => length > 0),
    )
    return files.length === 0 ? null : this.#random.pick(files)
  }

  #knownLength(broker: SimBroker, group: string, path: string): number {
    const bytes = broker.disk.fileSystem.contentOf(path)
    const flushedEnd = broker.durableFlushedEnd(group)
    let length = 0
    while (length < bytes.length && lastOffsetOf(bytes, length) < flushedEnd) length += sizeOf(bytes, length)
    return Math.min(length, bytes.length)
  }

  #weather(change: Partial<PeerLink>): boolean {
    const { network, world, options } = this.#cluster
    network.weather({ ...options.link, ...change })
    world.after(this.#random.between(500, 6000), () => {
      if (this.#running) network.weather(options.link)
    })
    return true
  }

  #flap(): boolean {
    const shape = this.#random.pick(['isolate', 'halves', 'one-way'] as const)
    const times = this.#random.between(2, 6)
    const periodMs = Math.round(1000 * (0.5 + 1.5 * this.#random.next()))
    for (let i = 0; i < times; i++) {
      this.#cluster.world.after(i * periodMs, () => {
        if (this.#running) this.#partitionAs(shape, periodMs >> 1)
      })
    }
    return true
  }

  #partitionAs(kind: 'isolate' | 'halves' | 'ring' | 'bridge' | 'one-way', durationMs: number): boolean {
    const { network, world, brokers } = this.#cluster
    const random = this.#random
    const ids = [...brokers.keys()]
    network.mend()
    const cut = (from: number, to: number): void => network.cut(from, to)
    const victim = this.#victim()?.id ?? ids[0]!
    if (kind === 'isolate') isolate(ids, victim, cut)
    else if (kind === 'halves') halves(ids, random, cut)
    else if (kind === 'ring') ring(ids, random, cut)
    else if (kind === 'bridge') bridge(ids, random, cut)
    else oneWay(ids, victim, random, cut)
    const partition = ++this.#partition
    world.after(durationMs, () => {
      if (this.#partition === partition) network.mend()
    })
    return true
  }
}
