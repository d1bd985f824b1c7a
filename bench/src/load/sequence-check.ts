/**
 * The proof that every record came once and in order: record number `i` was sent to partition `i % partitionCount`, so a
 * partition holds its first number and then every partitionCount-th, without a gap or a repetition.
 */
import { sequenceOf } from './payload.ts'

/** What was written. */
export interface SequenceCheckOptions {
  readonly partitionCount: number
  readonly valueBytes: number
  readonly recordCount: number
}

/** See the file's header. */
export class SequenceCheck {
  readonly #options: SequenceCheckOptions
  /** By partition: the number that must come next. */
  readonly #next: number[]
  #count = 0

  constructor(options: SequenceCheckOptions) {
    this.#options = options
    this.#next = Array.from({ length: options.partitionCount }, (_, partition) => partition)
  }

  /** @returns the record's number. Throws when it is missing, repeated, out of order or of another size. */
  take(partition: number, { value, offset }: { readonly value: Buffer | null; readonly offset: number }): number {
    const expected = this.#next[partition]
    const isExpected = value !== null && value.length === this.#options.valueBytes && sequenceOf(value) === expected
    if (!isExpected || expected === undefined) {
      throw new Error(`record ${offset} of partition ${partition} is not number ${expected}`)
    }
    this.#next[partition] = expected + this.#options.partitionCount
    this.#count++
    return expected
  }

  /** Whether all have come. */
  get isComplete(): boolean {
    return this.#count >= this.#options.recordCount
  }

  /** Throws when there were fewer or more. */
  assertComplete(): void {
    const { recordCount } = this.#options
    if (this.#count !== recordCount) throw new Error(`read ${this.#count} of ${recordCount} records`)
  }
}
