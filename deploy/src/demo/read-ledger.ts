/**
 * Keeps account of what the members of the demo's group read: how much, by whom, and whether anything came twice.
 *
 * A partition has one owner at a time and is read in order, so an offset that is not above the last one of its partition
 * has come again. Pure.
 */
const SAMPLE_COUNT = 3

/** What is needed of a record. */
export interface ReadRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** See the file's header. */
export class ReadLedger {
  recordCount = 0
  bytes = 0
  repeatedCount = 0
  /** The first record of some partitions, as lines for people. */
  readonly samples: string[] = []
  readonly #counts = new Map<string, number>()
  readonly #lastOffsets = new Map<number, number>()

  /** Takes note of a record that a member has read. */
  add(member: string, { topic, partition, offset, key, value }: ReadRecord): void {
    const last = this.#lastOffsets.get(partition)
    if (last === undefined && this.samples.length < SAMPLE_COUNT) {
      this.samples.push(`${topic}-${partition}@${offset}  ${key}  ${value}`)
    }
    if (last !== undefined && offset <= last) this.repeatedCount += 1
    else this.#lastOffsets.set(partition, offset)
    this.recordCount += 1
    this.bytes += (key?.length ?? 0) + (value?.length ?? 0)
    this.#counts.set(member, this.countOf(member) + 1)
  }

  /** Records that the member has read. */
  countOf(member: string): number {
    return this.#counts.get(member) ?? 0
  }
}
