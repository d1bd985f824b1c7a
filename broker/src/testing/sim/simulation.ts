/**
 * One seed, from empty disks to a healed cluster.
 *
 * First the cluster founds itself and its topics are created; then things go wrong for a while under load; then everything
 * is mended and the cluster must recover. The invariants are checked after every event of all parts.
 */
import { Clients } from './clients.ts'
import { Healing } from './healing.ts'
import type { ClientHistory } from './history.ts'
import { Nemesis } from './nemesis.ts'
import { Observer } from './observer.ts'
import { Operator } from './operator.ts'
import { type BrokerFaultKind, type BrokerSimOptions, drawBrokerOptions } from './options.ts'
import { SimCluster } from './sim-cluster.ts'
import type { InvariantViolation } from './violation.ts'
import { type SimTrace, World } from './world.ts'

/** What a run has seen. */
export interface BrokerSimReport {
  readonly seed: number
  /** Hash of everything that happened: the same for every run of the seed. */
  readonly hash: string
  readonly events: number
  readonly messages: number
  readonly simulatedMs: number
  readonly faults: ReadonlyMap<BrokerFaultKind, number>
  /** Records whose producers were told that they are durable. */
  readonly acknowledged: number
  /** Records that consumers got. */
  readonly read: number
  readonly elections: number
  /** Errors that clients met, by code. */
  readonly errors: ReadonlyMap<string, number>
  /** How long the healed cluster took to recover. */
  readonly recoveryMs: number | null
  /** What was violated, if anything. The run ended there. */
  readonly violation: InvariantViolation | null
}

/** How to run. */
export interface BrokerSimRun {
  readonly trace?: SimTrace | null
  readonly history?: ClientHistory | null
}

const FOUNDING_MS = 60_000

/** Runs one seed, or one set of options. Never throws for what it finds: see {@link BrokerSimReport.violation}. */
export async function simulateBroker(
  seedOrOptions: number | BrokerSimOptions,
  { trace = null, history = null }: BrokerSimRun = {},
): Promise<BrokerSimReport> {
  const options = typeof seedOrOptions === 'number' ? drawBrokerOptions(seedOrOptions) : seedOrOptions
  const world = new World(options.seed, trace)
  const observer = new Observer(world)
  const cluster = new SimCluster(world, options, observer)
  const clients = new Clients(cluster, observer, history)
  const operator = new Operator(cluster, clients)
  const nemesis = new Nemesis(cluster, operator)
  let recoveryMs: number | null = null
  for (const broker of cluster.brokers.values()) world.after(broker.id, () => broker.start())
  operator.createTopics()
  await world.run(() => {
    if (world.now > FOUNDING_MS) world.violate('progress-after-healing', 'the cluster does not found itself')
    return operator.isFounded
  })
  if (world.violation === null) {
    clients.start()
    nemesis.start()
    const untilMs = world.now + options.faultyMs
    await world.run(() => world.now >= untilMs)
    clients.stopProducing()
    nemesis.stop()
  }
  if (world.violation === null) recoveryMs = await new Healing(cluster, operator, clients, observer).run()
  return {
    seed: options.seed,
    hash: world.hash.digest(),
    events: world.timeline.eventCount,
    messages: cluster.network.sentCount,
    simulatedMs: world.now,
    faults: nemesis.counts,
    acknowledged: clients.acknowledgedCount,
    read: clients.readCount,
    elections: observer.electionCount,
    errors: clients.errors,
    recoveryMs: world.violation === null ? recoveryMs : null,
    violation: world.violation,
  }
}
