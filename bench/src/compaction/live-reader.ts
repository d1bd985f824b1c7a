/**
 * Reads a compacted topic from its beginning to its end, again and again while it is written and compacted, and checks what
 * every reader may rely on: offsets grow, updates of a key come in their order, and nothing acknowledged before is missing.
 */
import { createConsumer } from '@stratalog/consumer'
import type { KeyUpdate } from './key-writer.ts'

/** What it read. */
export interface LiveReads {
  readonly passCount: number
  readonly recordCount: number
}

/** See the file's header. */
export class LiveReader {
  readonly #bootstrap: string
  readonly #topic: string
  readonly #written: () => ReadonlyMap<string, KeyUpdate>
  #stopped = false

  /** @param written the last acknowledged update of each key, as of now. */
  constructor(bootstrap: string, topic: string, written: () => ReadonlyMap<string, KeyUpdate>) {
    this.#bootstrap = bootstrap
    this.#topic = topic
    this.#written = written
  }

  /** After the pass under way {@link run} resolves. */
  stop(): void {
    this.#stopped = true
  }

  /** Reads until it is stopped. Rejects when a reader was told something wrong. */
  async run(): Promise<LiveReads> {
    let [passCount, recordCount] = [0, 0]
    while (!this.#stopped) {
      recordCount += await this.#pass()
      passCount++
    }
    return { passCount, recordCount }
  }

  async #pass(): Promise<number> {
    const before = new Map(this.#written())
    const seen = new Map<string, number>()
    let [lastOffset, recordCount] = [-1, 0]
    await using consumer = createConsumer({ bootstrap: this.#bootstrap })
    const subscription = await consumer.assign({ topics: [this.#topic], from: 'earliest', until: 'end' })
    for await (const { offset, key, value } of subscription) {
      if (offset <= lastOffset) throw new Error(`offset ${offset} follows ${lastOffset}`)
      lastOffset = offset
      recordCount++
      // The end of a key has no number of its own: it follows what it ends.
      const name = key?.toString() ?? ''
      const sequence = value === null ? (seen.get(name) ?? -1) + 0.5 : Number.parseInt(value.toString(), 10)
      const previous = seen.get(name) ?? -1
      if (sequence <= previous) throw new Error(`update ${sequence} of ${name} at ${offset} follows ${previous}`)
      seen.set(name, sequence)
    }
    for (const [key, { sequence, value }] of before) {
      if (value !== null && (seen.get(key) ?? -1) < sequence) {
        throw new Error(`a pass that began after update ${sequence} of ${key} ended with ${seen.get(key) ?? 'none'}`)
      }
    }
    return recordCount
  }
}
