/**
 * The second part of a run: everything works again, and the cluster must show it.
 *
 * Within a bounded time every partition has a leader that serves, everything produced is acknowledged, moves and drains
 * have ended, every copy is level with its leader and holds the same bytes, consumers have read to the end, and all
 * brokers show the same metadata.
 */
import type { Clients } from './clients.ts'
import { groupOf, type Observer } from './observer.ts'
import type { Operator } from './operator.ts'
import type { SimBroker } from './sim-broker.ts'
import type { SimCluster } from './sim-cluster.ts'
import { hold } from './violation.ts'

/** Time in which a healed cluster must have recovered, virtual ms. */
const RECOVERY_MS = 120_000
const STEP_MS = 200

/** See the file's header. */
export class Healing {
  readonly #cluster: SimCluster
  readonly #operator: Operator
  readonly #clients: Clients
  readonly #observer: Observer

  constructor(cluster: SimCluster, operator: Operator, clients: Clients, observer: Observer) {
    this.#cluster = cluster
    this.#operator = operator
    this.#clients = clients
    this.#observer = observer
  }

  /** Runs until the cluster has recovered. Resolves with how long it took, ms. */
  async run(): Promise<number> {
    const { world } = this.#cluster
    const fromMs = world.now
    this.#mend()
    this.#operator.settleDown()
    await this.#await(() => this.#operator.problem())
    // What was acknowledged before must not have been the last that anybody could write.
    this.#clients.probe()
    await this.#await(() => this.#operator.problem() ?? this.#clientProblem() ?? this.#damageProblem())
    const tookMs = world.now - fromMs
    if (world.violation === null) this.#finish()
    return tookMs
  }

  #mend(): void {
    const { network, brokers, options } = this.#cluster
    this.#cluster.healed = true
    network.mend()
    network.weather({ loss: 0, duplication: 0, reorders: false, delayMaxMs: Math.min(5, options.link.delayMaxMs) })
    this.#clients.link.loss = 0
    for (const broker of brokers.values()) {
      broker.heal()
      broker.start()
    }
  }

  async #await(problem: () => string | null): Promise<void> {
    const { world } = this.#cluster
    const deadlineMs = world.now + RECOVERY_MS
    let nextMs = world.now + STEP_MS
    await world.run(() => {
      if (world.now < nextMs) return false
      nextMs = world.now + STEP_MS
      const found = problem()
      if (found !== null && world.now > deadlineMs) world.violate('progress-after-healing', found)
      return found === null
    })
  }

  #clientProblem(): string | null {
    const { pendingCount, consumers } = this.#clients
    if (pendingCount > 0) return `${pendingCount} batches are not acknowledged`
    for (const { partition, position } of consumers) {
      if (this.#clients.isGone(partition)) continue
      const end = this.#operator.visibleEndOf(partition)
      if (end !== null && position < end) {
        return `the consumer of ${partition.topic}-${partition.partition} stands at ${position} of ${end}`
      }
    }
    return null
  }

  #finish(): void {
    const { world } = this.#cluster
    try {
      this.#observer.finish((group) => this.#operator.isGone(group))
      for (const [group, ledger] of this.#observer.ledgers) {
        if (this.#operator.isGone(group)) continue
        for (const broker of this.#cluster.brokers.values()) {
          if (!isOpen(broker, group)) continue
          const end = this.#observer.contentOf(broker, group)?.end ?? 0
          hold(
            end >= ledger.end,
            'acknowledged-kept',
            () => `broker ${broker.id} has ${group} up to ${end} after healing; committed is ${ledger.end}`,
          )
        }
        const differing = this.#differing(group)
        hold(differing === null, 'replicas-identical', () => `${group}: ${differing}`)
      }
      for (const partition of this.#clients.partitions) {
        if (!partition.recorded || this.#clients.isGone(partition)) continue
        const { number, topicId } = partition
        const ledger = this.#observer.ledgers.get(`raft/${topicId.toString('hex')}-${partition.partition}`)
        const end = this.#operator.visibleEndOf(partition) ?? 0
        const final = { partition: number, visibleEnd: end, highWatermark: ledger?.end ?? 0 }
        this.#clients.tell(partition, { kind: 'final', at: world.now, ...final })
      }
    } catch (error) {
      if (!(error instanceof Error && 'invariant' in error)) throw error
      world.violate(error.invariant as 'acknowledged-kept', error.message)
    }
  }

  /** Copies that were damaged on purpose and whose damage nobody has found yet: reading, or the check that runs beside. */
  #damageProblem(): string | null {
    for (const broker of this.#cluster.brokers.values()) {
      for (const group of broker.damagedGroups) {
        const differing = this.#operator.isGone(group) || !isOpen(broker, group) ? null : this.#differing(group)
        if (differing !== null) return `the damage of ${group} on broker ${broker.id} is not repaired: ${differing}`
      }
    }
    return null
  }

  /** Whether copies differ, byte for byte, whatever the segments they are in; null when they do not. */
  #differing(group: string): string | null {
    let first: { readonly id: number; readonly bytes: Buffer } | null = null
    for (const broker of this.#cluster.brokers.values()) {
      const directory = broker.directoryOf(group)
      if (directory === null || !isOpen(broker, group)) continue
      const { fileSystem } = broker.disk
      const files = fileSystem.namesIn(directory).filter((name) => name.endsWith('.log'))
      const bytes = Buffer.concat(files.map((name) => fileSystem.contentOf(`${directory}/${name}`)))
      first ??= { id: broker.id, bytes }
      // One may have been handed the log from a later offset on.
      const same = first.bytes.length === bytes.length ? first.bytes.equals(bytes) : endsAlike(first.bytes, bytes)
      if (!same) return `brokers ${first.id} and ${broker.id} hold other bytes`
    }
    return null
  }
}

function endsAlike(a: Buffer, b: Buffer): boolean {
  const length = Math.min(a.length, b.length)
  return length > 0 && a.subarray(a.length - length).equals(b.subarray(b.length - length))
}

/** Whether the broker has a copy of the group. */
function isOpen(broker: SimBroker, group: string): boolean {
  return [...broker.partitions()].some((partition) => groupOf(partition) === group)
}
