/**
 * One partition as the history shows it: which value each offset holds, by acknowledgements and reads together.
 *
 * Invariant: the first value known of an offset stays; another one is an anomaly and is not kept.
 */
import type { AnomalyLedger } from './anomaly.ts'
import { ChunkedNumbers } from './chunked-array.ts'

const NOBODY = 0xffff_ffff

/** See the file's header. */
export class PartitionLedger {
  readonly partition: number
  readonly #anomalies: AnomalyLedger
  readonly #producers = new ChunkedNumbers(NOBODY)
  readonly #sequences = new ChunkedNumbers(0)
  /** Leader epoch plus one; 0 = not read yet. */
  readonly #epochs = new ChunkedNumbers(0)
  /** Highest offset that is acknowledged (by all) or read; -1 = none. */
  #highest = -1
  #highestLeader = 0
  #highestRead = -1
  /** When an offset above 0 was first acknowledged, in ms. */
  firstLaterOkMs: number = Number.POSITIVE_INFINITY
  /** Set by the final event. */
  finalEnd: number | null = null

  constructor(partition: number, anomalies: AnomalyLedger) {
    this.partition = partition
    this.#anomalies = anomalies
  }

  get highest(): number {
    return this.#highest
  }

  /**
   * Lowest term of a leader that told of {@link highest}; infinite while none did that said its term. A leader of a lower
   * term may not know that it is committed, whatever the epoch of its batch: its successor has committed it.
   */
  get highestLeader(): number {
    return this.#highestLeader
  }

  get highestRead(): number {
    return this.#highestRead
  }

  /** One past the highest offset known. */
  get length(): number {
    return this.#producers.length
  }

  /** Whether the offset is known to hold a value. */
  holds(offset: number): boolean {
    return this.#producers.get(offset) !== NOBODY
  }

  /** An offset is said to hold this value, by the leader of this term. */
  note(offset: number, producer: number, sequence: number, leader: number, source: string): void {
    if (offset > this.#highest) {
      this.#highest = offset
      this.#highestLeader = leader
    } else if (offset === this.#highest) this.#highestLeader = Math.min(this.#highestLeader, leader)
    const known = this.#producers.get(offset)
    if (known === NOBODY) {
      this.#producers.set(offset, producer)
      this.#sequences.set(offset, sequence)
    } else if (known !== producer || this.#sequences.get(offset) !== sequence) {
      const other = this.#sequences.get(offset)
      this.#anomalies.add(
        'inconsistent-offsets',
        () =>
          `partition ${this.partition} offset ${offset}: value ${known}/${other}, and by ${source} value ${producer}/${sequence}`,
      )
    }
  }

  /** The offset was read in a batch of this epoch. */
  noteRead(offset: number, epoch: number): void {
    if (offset > this.#highestRead) this.#highestRead = offset
    const known = this.#epochs.get(offset)
    if (known === 0) this.#epochs.set(offset, epoch + 1)
    else if (known !== epoch + 1) {
      this.#anomalies.add(
        'inconsistent-epochs',
        () => `partition ${this.partition} offset ${offset}: read under epoch ${known - 1} and under ${epoch}`,
      )
    }
  }

  /** The first offset in (from, to) that holds a value, or null. */
  valueBetween(from: number, to: number): number | null {
    const end = Math.min(to, this.length)
    for (let offset = from + 1; offset < end; offset++) if (this.holds(offset)) return offset
    return null
  }

  /** What can only be told at the end. */
  finish(): void {
    let highestEpoch = 0
    for (let offset = 0; offset < this.#epochs.length; offset++) {
      const epoch = this.#epochs.get(offset)
      if (epoch === 0) continue
      const before = highestEpoch
      if (epoch < before) {
        this.#anomalies.add(
          'epoch-order',
          () => `partition ${this.partition} offset ${offset}: epoch ${epoch - 1} behind epoch ${before - 1}`,
        )
      } else highestEpoch = epoch
    }
    const { finalEnd, partition } = this
    if (finalEnd === null) return
    if (this.#highest >= finalEnd) {
      this.#anomalies.add(
        'beyond-final-end',
        () => `partition ${partition}: offset ${this.#highest} is known, and the partition ends at ${finalEnd}`,
      )
    }
    if (this.#highestRead < finalEnd - 1) {
      this.#anomalies.add(
        'short-final-read',
        () => `partition ${partition}: read up to offset ${this.#highestRead}, and the partition ends at ${finalEnd}`,
      )
    }
  }
}
