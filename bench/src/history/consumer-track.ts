/** Where one consumer stands in one partition, and the offsets that it went over. */
import type { AnomalyLedger } from './anomaly.ts'
import type { PartitionLedger } from './partition-ledger.ts'

interface Gap {
  readonly from: number
  readonly to: number
  readonly isInternal: boolean
}

/** See the file's header. Gaps are few: control batches, one or two for each change of leader. */
export class ConsumerTrack {
  readonly #consumer: number
  readonly #partition: PartitionLedger
  readonly #anomalies: AnomalyLedger
  readonly #gaps: Gap[] = []
  /** Last offset read; null = anything may come next. */
  #last: number | null = null

  constructor(consumer: number, partition: PartitionLedger, anomalies: AnomalyLedger) {
    this.#consumer = consumer
    this.#partition = partition
    this.#anomalies = anomalies
  }

  /** The next read begins at `offset`, or anywhere (-1). */
  place(offset: number): void {
    this.#last = offset < 0 ? null : offset - 1
  }

  /** @param isInternal whether the offset before was in the same batch */
  read(offset: number, isInternal: boolean): void {
    const last = this.#last
    if (last !== null && offset <= last) {
      this.#anomalies.add(
        isInternal ? 'int-nonmonotonic-poll' : 'nonmonotonic-poll',
        () => `${this.#name()} read offset ${offset} after ${last}`,
      )
    } else if (last !== null && offset > last + 1) this.#gaps.push({ from: last, to: offset, isInternal })
    this.#last = offset
  }

  /** Once all values are known: was one of them in a gap? */
  finish(): void {
    for (const { from, to, isInternal } of this.#gaps) {
      const skipped = this.#partition.valueBetween(from, to)
      if (skipped === null) continue
      this.#anomalies.add(
        isInternal ? 'int-poll-skip' : 'poll-skip',
        () => `${this.#name()} went from offset ${from} to ${to}, and ${skipped} holds a value`,
      )
    }
  }

  #name(): string {
    return `consumer ${this.#consumer} on partition ${this.#partition.partition}`
  }
}
