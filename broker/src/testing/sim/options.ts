/**
 * What one seed stands for: the size of the cluster, its load, its links and disks, and how hard it is treated.
 *
 * Swarm testing, as in raft-ts: every seed draws its own mix of faults, so that some go deeper than a mix of everything.
 */
import { Random } from 'raft-ts/testing'
import type { DiskSpeed } from './sim-disk.ts'

/** Everything that goes wrong, or is done to the cluster, on purpose. */
export const BROKER_FAULT_KINDS = [
  'kill',
  'restart',
  'power-loss',
  'power-loss-all',
  'stall',
  'slow-disk',
  'failing-disk',
  'full-disk',
  'wipe',
  'old-copy',
  'bit-flip',
  'cut-file',
  'isolate',
  'halves',
  'ring',
  'bridge',
  'one-way',
  'flapping',
  'loss',
  'delay',
  'duplication',
  'skew',
  'topics',
  'move',
  'drain',
  'transfer',
] as const

/** One of {@link BROKER_FAULT_KINDS}. */
export type BrokerFaultKind = (typeof BROKER_FAULT_KINDS)[number]

/** How messages between brokers fare when nothing in particular is wrong. */
export interface PeerLink {
  /** Probability that a message is lost. */
  readonly loss: number
  /** Probability that it arrives twice. */
  readonly duplication: number
  /** Longest usual delay, ms; the shortest is 1. */
  readonly delayMaxMs: number
  /** Messages may overtake each other. */
  readonly reorders: boolean
}

/** One run. Everything in it follows from `seed`. */
export interface BrokerSimOptions {
  readonly seed: number
  readonly brokerCount: number
  readonly controllerCount: number
  readonly topicCount: number
  readonly partitionsPerTopic: number
  readonly replicationFactor: number
  /** Of the topics: segments are closed at this age. */
  readonly segmentMs: number
  /** Length of the part with faults, virtual ms. */
  readonly faultyMs: number
  readonly producerCount: number
  /** Mean time between two batches of a producer, ms. */
  readonly produceEveryMs: number
  readonly recordsMax: number
  readonly valueBytesMax: number
  /** Mean time between two reads of a consumer, ms. */
  readonly readEveryMs: number
  readonly disk: DiskSpeed
  readonly link: PeerLink
  /** Kinds of faults that occur, each as often as it is listed. */
  readonly faults: readonly BrokerFaultKind[]
  /** Mean time between faults, ms. */
  readonly faultEveryMs: number
}

/** Draws the options of a seed. */
export function drawBrokerOptions(seed: number): BrokerSimOptions {
  const random = new Random(seed, 101)
  const brokerCount = random.pick([3, 3, 3, 3, 4, 5])
  return {
    seed,
    brokerCount,
    controllerCount: 3,
    topicCount: random.pick([1, 1, 2]),
    partitionsPerTopic: random.pick([1, 2, 3]),
    replicationFactor: 3,
    segmentMs: random.pick([2_000, 10_000, 3_600_000]),
    faultyMs: random.pick([20_000, 30_000, 60_000]),
    producerCount: random.pick([1, 2, 3]),
    produceEveryMs: random.pick([40, 100, 250]),
    recordsMax: random.pick([1, 3, 10]),
    valueBytesMax: random.pick([24, 100, 2000]),
    readEveryMs: random.pick([100, 300, 1000]),
    disk: { syncMaxMs: random.pick([2, 10, 30]), slowReads: random.pick([0, 0.02, 0.1]) },
    link: {
      loss: random.pick([0, 0, 0.01, 0.05]),
      duplication: random.pick([0, 0, 0.05]),
      delayMaxMs: random.pick([2, 5, 20, 50]),
      reorders: random.chance(0.3),
    },
    faults: drawFaults(random),
    faultEveryMs: random.pick([1000, 2000, 4000]),
  }
}

function drawFaults(random: Random): BrokerFaultKind[] {
  const faults: BrokerFaultKind[] = []
  for (const kind of BROKER_FAULT_KINDS) {
    if (random.chance(0.4)) for (let weight = random.pick([1, 1, 2, 4]); weight > 0; weight--) faults.push(kind)
  }
  if (faults.length < 3) faults.push('kill', 'power-loss', 'isolate')
  return faults
}
