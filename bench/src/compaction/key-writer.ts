/**
 * Writes updates of keys to one partition and remembers the last one of each, with its offset: what compaction must leave.
 *
 * The value of a record is its number, padded, so that the last update of a key is the one with the greatest number.
 */
import { createProducer, type Producer } from '@stratalog/producer'

/** The last update of a key. */
export interface KeyUpdate {
  readonly sequence: number
  /** Null when it ended the key. */
  readonly value: string | null
  readonly offset: number
}

/** What to write. */
export interface KeyWriterOptions {
  readonly bootstrap: string
  readonly topic: string
  readonly updateCount: number
  readonly keyCount: number
  readonly valueBytes: number
  /** One update of so many ends its key. */
  readonly tombstoneEvery: number
}

/** Sent at once, and awaited together. */
const BULK_COUNT = 2_000

/** See the file's header. */
export class KeyWriter {
  /** By key. */
  readonly last: Map<string, KeyUpdate> = new Map()
  /** Updates acknowledged so far. */
  writtenCount = 0
  readonly #options: KeyWriterOptions

  constructor(options: KeyWriterOptions) {
    this.#options = options
  }

  /** Writes all updates, each acknowledged by a majority when it resolves. */
  async run(): Promise<void> {
    const { bootstrap, updateCount } = this.#options
    await using producer = createProducer({ bootstrap }, { deliveryTimeoutMs: 120_000 })
    for (let first = 0; first < updateCount; first += BULK_COUNT) {
      await this.#bulk(producer, first, Math.min(first + BULK_COUNT, updateCount))
    }
  }

  async #bulk(producer: Producer, first: number, end: number): Promise<void> {
    const { topic, keyCount, tombstoneEvery, valueBytes } = this.#options
    const records = Array.from({ length: end - first }, (_, index) => {
      const sequence = first + index
      // Every key is updated equally often, in an order that does not repeat itself.
      const key = `key ${(sequence * 7919 + Math.floor(sequence / keyCount) * 104_729) % keyCount}`
      const value = sequence % tombstoneEvery === tombstoneEvery - 1 ? null : String(sequence).padEnd(valueBytes, '.')
      return { topic, partition: 0, key, value }
    })
    const acks = await producer.sendBatch(records)
    for (const [index, { key, value }] of records.entries()) {
      this.last.set(key, { sequence: first + index, value, offset: acks[index]!.offset })
    }
    this.writtenCount = end
  }
}
