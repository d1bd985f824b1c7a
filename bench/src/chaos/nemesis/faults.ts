/** Every kind of fault, and the plan of a run: which, when, for how long, all from one seed. */
import { seededRandom } from '@stratalog/broker/testing'
import { DISK_FAULTS } from './disk-faults.ts'
import { type FaultKind, pick } from './fault.ts'
import { MEMBERSHIP_FAULTS } from './membership-faults.ts'
import { NETWORK_FAULTS } from './network-faults.ts'
import { FATAL_FAULTS, PROCESS_FAULTS } from './process-faults.ts'

/** By name. */
export const FAULTS: Readonly<Record<string, FaultKind>> = {
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...DISK_FAULTS,
  ...MEMBERSHIP_FAULTS,
}

const ALL_FAULTS: Readonly<Record<string, FaultKind>> = { ...FAULTS, ...FATAL_FAULTS }

/** A fault by its name, one that is never drawn included. */
export function faultNamed(name: string): FaultKind | undefined {
  return ALL_FAULTS[name]
}

/** One fault of a plan. */
export interface PlannedFault {
  readonly name: string
  /** Of the fault's own draws. */
  readonly seed: number
  readonly holdMs: number
  /** Pause after it. */
  readonly restMs: number
  /** Whether the next one waits until the cluster is whole again. */
  readonly waitsForHealth: boolean
}

const REST_MS_MAX = 2000

/** Kinds that a cluster of that size recovers from. Errors: an unknown name. */
export function chooseFaults(names: readonly string[] | null, brokerCount: number): string[] {
  checkFaultNames(names ?? [], Object.keys(FAULTS), (name) => faultNamed(name) !== undefined)
  const possible = (names ?? Object.keys(FAULTS)).filter((name) => faultNamed(name)!.brokersMin <= brokerCount)
  if (possible.length === 0) throw new Error(`none of the faults suits ${brokerCount} brokers`)
  return possible
}

/** Errors: an unknown name. */
export function checkFaultNames(
  names: readonly string[],
  drawn: readonly string[],
  isKnown: (name: string) => boolean,
): void {
  for (const name of names) {
    if (!isKnown(name)) throw new Error(`unknown fault ${name}; there are ${drawn.join(', ')}`)
  }
}

/**
 * The plan, without end: the same for the same seed and kinds. Kinds come in rounds, each kind once a round in a new
 * order (or in the order given), so that even a short run has all of them.
 */
export function* planFaults(
  seed: number,
  names: readonly string[],
  isFixedOrder: boolean,
  kinds: Readonly<Record<string, Pick<FaultKind, 'holdMsMin' | 'holdMsMax'>>> = ALL_FAULTS,
): Generator<PlannedFault> {
  const random = seededRandom(seed)
  for (;;) {
    const round = [...names]
    while (round.length > 0) {
      const name = isFixedOrder ? round[0]! : pick(random, round)
      round.splice(round.indexOf(name), 1)
      const { holdMsMin, holdMsMax } = kinds[name]!
      yield {
        name,
        seed: Math.floor(random() * 2 ** 32),
        holdMs: Math.round(holdMsMin + random() * (holdMsMax - holdMsMin)),
        restMs: Math.round(random() * REST_MS_MAX),
        waitsForHealth: random() < 0.7,
      }
    }
  }
}
