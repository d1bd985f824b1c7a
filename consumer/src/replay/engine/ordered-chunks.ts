/**
 * Puts the chunks of splits that are read side by side back into the order of the splits.
 *
 * Memory: what the workers' credit allows; a chunk gives its credit back when the consumer is done with it.
 * Owner: one replay.
 */
import type { ReplaySplit } from '../manifest.ts'
import type { SplitResult } from './thread-messages.ts'

/** Takes what comes out. */
export interface ChunkConsumer {
  /** Takes a chunk; the next one comes when the promise is resolved. */
  take(split: ReplaySplit, bytes: Buffer): void | Promise<void>
  /** All chunks of a split were taken. */
  finish(split: ReplaySplit, result: SplitResult): void | Promise<void>
}

type Item =
  | { readonly kind: 'chunk'; readonly bytes: Buffer; readonly taken: () => void }
  | { readonly kind: 'end'; readonly result: SplitResult }

/** See the file's header. */
export class OrderedChunks {
  readonly #order: readonly ReplaySplit[]
  readonly #queues: ReadonlyMap<string, Item[]>
  #wake: () => void = () => {}

  constructor(order: readonly ReplaySplit[]) {
    this.#order = order
    this.#queues = new Map(order.map(({ id }) => [id, []]))
  }

  /** A chunk came. */
  chunk(splitId: string, bytes: Buffer, taken: () => void): void {
    this.#push(splitId, { kind: 'chunk', bytes, taken })
  }

  /** The last chunk of a split has come. */
  end(result: SplitResult): void {
    this.#push(result.splitId, { kind: 'end', result })
  }

  /** Hands everything over, in order. Resolves behind the last split; rejects when the consumer fails. */
  async deliver(consumer: ChunkConsumer): Promise<void> {
    for (const split of this.#order) {
      for (let item = await this.#next(split.id); ; item = await this.#next(split.id)) {
        if (item.kind === 'end') {
          await consumer.finish(split, item.result)
          break
        }
        await consumer.take(split, item.bytes)
        item.taken()
      }
    }
  }

  async #next(splitId: string): Promise<Item> {
    const queue = this.#queues.get(splitId) ?? []
    for (;;) {
      const item = queue.shift()
      if (item !== undefined) return item
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #push(splitId: string, item: Item): void {
    this.#queues.get(splitId)?.push(item)
    this.#wake()
  }
}
