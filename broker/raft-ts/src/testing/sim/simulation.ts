/**
 * One seed, from an empty group to a healed one.
 *
 * First a minute in which things go wrong while clients work; then everything is mended and the group must recover. The
 * invariants are checked after every event of both parts.
 */
import { confStateOf } from '../../core/conf-change.ts'
import { Clients } from './clients.ts'
import { Cluster } from './cluster.ts'
import { canRecover, Healing } from './healing.ts'
import { Nemesis } from './nemesis.ts'
import { Operator } from './operator.ts'
import { Random } from './random.ts'
import { drawOptions, type FaultKind, type SimOptions } from './sim-options.ts'
import type { SimTrace } from './trace.ts'
import { InvariantViolation } from './violation.ts'

/** What a run has seen. */
export interface SimReport {
  readonly seed: number
  /** Hash of everything that happened: the same for every run of the seed. */
  readonly hash: string
  readonly events: number
  readonly messages: number
  readonly simulatedMs: number
  readonly faults: ReadonlyMap<FaultKind, number>
  readonly acknowledged: number
  readonly reads: number
  readonly elections: number
  /** How long the healed group took to recover; null when too many disks were gone for it to be asked. */
  readonly recoveryMs: number | null
  /** What was violated, if anything. The run ended there. */
  readonly violation: InvariantViolation | null
}

/** Runs one seed, or one set of options. Never throws for what it finds: see {@link SimReport.violation}. */
export function simulate(seedOrOptions: number | SimOptions, trace: SimTrace | null = null): SimReport {
  const options = typeof seedOrOptions === 'number' ? drawOptions(seedOrOptions) : seedOrOptions
  const cluster = new Cluster(options, trace)
  const operator = new Operator(cluster)
  const nemesis = new Nemesis(cluster, operator)
  const clients = new Clients(cluster)
  let violation: InvariantViolation | null = null
  let recoveryMs: number | null = null
  try {
    begin(cluster)
    clients.start()
    nemesis.start()
    while (cluster.timeline.now < options.faultyMs && cluster.timeline.step()) {
      // One event after the other.
    }
    clients.stop()
    nemesis.stop()
    if (canRecover(cluster)) recoveryMs = new Healing(cluster, operator, clients).run()
  } catch (error) {
    if (!(error instanceof InvariantViolation)) throw error
    violation = error
    cluster.note(null, () => `**** ${error.message}`)
  }
  return {
    seed: options.seed,
    hash: cluster.hash.digest(),
    events: cluster.timeline.eventCount,
    messages: cluster.network.sentCount,
    simulatedMs: cluster.timeline.now,
    faults: nemesis.counts,
    acknowledged: cluster.observer.acknowledgedCount,
    reads: cluster.readCount,
    elections: cluster.ledger.leaders.size,
    recoveryMs,
    violation,
  }
}

function begin(cluster: Cluster): void {
  const { voterCount, learnerCount, priorities, seed } = cluster.options
  const random = new Random(seed, 8)
  const ids = Array.from({ length: voterCount + learnerCount }, (_, i) => i + 1)
  const confState = confStateOf(ids.slice(0, voterCount), ids.slice(voterCount))
  cluster.ledger.configs.push({ end: 0, confState })
  for (const id of ids) {
    // The first node is always willing, so that somebody is.
    const priority = priorities && id > 1 ? random.pick([0, 1, 5, 10]) : 10
    cluster.add(id, confState, priority)
  }
}
