/**
 * What one seed stands for: the size of the group, its options, and how hard it is treated.
 *
 * Swarm testing: every seed draws its own mix. Leaving most faults out of a run lets the others go deeper than a mix of
 * everything would, and options that exclude each other all get their turn.
 */
import type { RaftOptions } from '../../core/options.ts'
import { Random } from './random.ts'

/** Everything that goes wrong, or is done to the group, on purpose. */
export const FAULT_KINDS = [
  'crash',
  'power-loss',
  'wipe',
  'slow-disk',
  'failing-disk',
  'stall',
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
  'membership',
  'transfer',
  'compaction',
  'campaign',
  'forget-leader',
  'priority',
] as const

/** One of {@link FAULT_KINDS}. */
export type FaultKind = (typeof FAULT_KINDS)[number]

/** How messages fare when nothing in particular is wrong. */
export interface LinkOptions {
  /** Probability that a message is lost. */
  readonly loss: number
  /** Probability that it arrives twice. */
  readonly duplication: number
  /** Longest usual delay, in milliseconds; the shortest is 1. */
  readonly delayMaxMs: number
  /** Probability that it arrives up to ten seconds late, perhaps after a restart of either side. */
  readonly late: number
  /** Messages of one link stay in order, late ones and duplicates excepted. */
  readonly ordered: boolean
}

/** One run. Everything in it follows from `seed`. */
export interface SimOptions {
  readonly seed: number
  readonly voterCount: number
  readonly learnerCount: number
  /** Length of the part with faults, in virtual milliseconds. */
  readonly faultyMs: number
  readonly tickMs: number
  /** Options that all nodes share. */
  readonly raft: Partial<RaftOptions<number>>
  readonly electionTicks: number
  readonly heartbeatTicks: number
  /** Largest number of offsets that a proposal covers. */
  readonly spanMax: number
  /** Largest payload, in bytes. */
  readonly payloadMaxBytes: number
  /** Some nodes are less willing to lead. */
  readonly priorities: boolean
  /** The storage answers reads from what is still being written, instead of only from what is durable. */
  readonly readsSeeCache: boolean
  /** Probability that a read of entries has to be waited for. */
  readonly coldReads: number
  /** The storage knows only some of the boundaries between entries. */
  readonly coarseBoundaries: boolean
  /** Longest time to apply what was committed, in milliseconds; 0 = at once. */
  readonly applyMaxMs: number
  /** Longest usual time of a sync, in milliseconds. */
  readonly syncMaxMs: number
  /** Writes that wait while another is being synced are synced together. */
  readonly groupCommit: boolean
  /** Probability that a write under way survives a crash, in whole or torn. */
  readonly survival: number
  /** A lost message is sometimes noticed by its sender. */
  readonly reportsUnreachable: boolean
  /** A node restarts knowing how far it had applied, instead of applying its log anew. */
  readonly rememberApplied: boolean
  readonly link: LinkOptions
  /** Kinds of faults that occur, each as often as it is listed. */
  readonly faults: readonly FaultKind[]
  /** Mean time between faults, in milliseconds. */
  readonly faultEveryMs: number
  readonly proposeEveryMs: number
  readonly readEveryMs: number
}

/** Draws the options of a seed. */
export function drawOptions(seed: number): SimOptions {
  const random = new Random(seed, 1)
  const voterCount = random.pick([1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5, 6, 7])
  const learnerCount = Math.min(7 - voterCount, random.pick([0, 0, 0, 1, 1, 2]))
  const checkQuorum = !random.chance(0.15)
  const quiescent = random.chance(0.25)
  const syncMaxMs = random.pick([2, 10, 30, 150])
  return {
    seed,
    voterCount,
    learnerCount,
    faultyMs: 60_000,
    tickMs: 100,
    electionTicks: random.pick([5, 10, 10, 20]),
    heartbeatTicks: random.pick([1, 2, 2, 3]),
    raft: drawRaftOptions(random, checkQuorum, quiescent),
    spanMax: random.pick([1, 1, 3, 20]),
    payloadMaxBytes: random.pick([0, 20, 200]),
    priorities: random.chance(0.3),
    readsSeeCache: random.chance(0.5),
    coldReads: random.pick([0, 0, 0.05, 0.3]),
    applyMaxMs: random.pick([0, 0, 20, 300]),
    syncMaxMs,
    // One slow sync after the other could never keep up with the load.
    groupCommit: syncMaxMs > 30 || random.chance(0.5),
    survival: random.pick([0, 0.5, 0.9]),
    reportsUnreachable: random.chance(0.4),
    rememberApplied: random.chance(0.5),
    link: drawLink(random),
    faults: drawFaults(random),
    faultEveryMs: random.pick([700, 1500, 3000, 5000]),
    proposeEveryMs: random.pick([50, 100, 100, 250, 1000]),
    readEveryMs: random.pick([50, 200, 500]),
    coarseBoundaries: random.chance(0.3),
  }
}

function drawRaftOptions(random: Random, checkQuorum: boolean, quiescent: boolean): Partial<RaftOptions<number>> {
  const maxBytesPerMessage = random.pick([0, 100, 1000, 1 << 20])
  return {
    preVote: !random.chance(0.2),
    checkQuorum,
    maxBytesPerMessage,
    maxInflightMessages: random.pick([1, 2, 8, 256]),
    maxInflightBytes: random.chance(0.3) ? Math.max(maxBytesPerMessage, 500) : Number.POSITIVE_INFINITY,
    maxUncommittedBytes: random.pick([1000, 1 << 20, Number.POSITIVE_INFINITY]),
    maxApplyingBytes: random.pick([1, 300, Number.POSITIVE_INFINITY]),
    leaderEntry: random.chance(0.5) ? 'always' : 'unless-empty',
    committed: random.chance(0.5) ? 'entries' : 'positions',
    catchUp: random.chance(0.5) ? 'snapshot' : 'start-position',
    applyBeforePersisted: random.chance(0.2),
    batchAppends: !random.chance(0.2),
    persistCommit: !random.chance(0.3),
    forwardProposals: random.chance(0.2),
    quiesceAfterTicks: quiescent ? random.between(3, 20) : 0,
  }
}

function drawLink(random: Random): LinkOptions {
  return {
    loss: random.pick([0, 0, 0.01, 0.1]),
    duplication: random.pick([0, 0, 0.05, 0.3]),
    delayMaxMs: random.pick([3, 20, 50, 200]),
    late: random.pick([0, 0, 0.005, 0.05]),
    ordered: random.chance(0.5),
  }
}

function drawFaults(random: Random): FaultKind[] {
  const faults: FaultKind[] = []
  for (const kind of FAULT_KINDS) {
    if (random.chance(0.4)) for (let weight = random.pick([1, 1, 2, 4]); weight > 0; weight--) faults.push(kind)
  }
  if (faults.length < 3) faults.push('crash', 'isolate', 'transfer')
  return faults
}
