/**
 * When records of an open loop are due: at a fixed rate from a start, whatever becomes of those before.
 *
 * Records are due in groups at most GROUPS_PER_SECOND_MAX times a second, as no process can be woken much more often
 * without taking a core for it: at 6,000 a second three of them are due together, 2,000 times a second. A record's
 * latency counts from the moment it was due, so a sender, a client or a broker that stood still is charged for
 * everything that was due meanwhile (no coordinated omission).
 */

/** Most moments in a second at which records are due. */
export const GROUPS_PER_SECOND_MAX = 2000
const NS_PER_SECOND = 1e9

/** Pure: times are ns from the schedule's start. */
export class Schedule {
  readonly #ratePerSecond: number
  readonly #groupsPerSecond: number

  /** @param ratePerSecond records, above 0 */
  constructor(ratePerSecond: number) {
    this.#ratePerSecond = ratePerSecond
    this.#groupsPerSecond = Math.min(ratePerSecond, GROUPS_PER_SECOND_MAX)
  }

  /** Time between two moments at which records are due. */
  get groupNs(): number {
    return NS_PER_SECOND / this.#groupsPerSecond
  }

  /** When the record number `sequence` (from 0) is due. */
  dueNs(sequence: number): number {
    const group = Math.floor((sequence * this.#groupsPerSecond) / this.#ratePerSecond + ROUNDING)
    return group * this.groupNs
  }
}

/** So that the first record of a group, computed a hair too low, is not put into the group before. */
const ROUNDING = 1e-9
