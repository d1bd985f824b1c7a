/**
 * A key-value store in memory with a power switch: what was not synced is lost in a crash, and writes can be made to fail.
 *
 * It keeps two maps, what readers see and what a disk would hold. Deterministic: no clock, no chance.
 */
import { type KeyRange, type KeyValueStore, StoreError, type StoreOperation } from '../storage/key-value-store.ts'

/** A fake {@link KeyValueStore} for tests and simulations. */
export class MemoryStore implements KeyValueStore {
  #visible: Map<string, Buffer>
  #durable: Map<string, Buffer>
  #failing = false
  #closed = false
  /** Synced batches so far. */
  syncCount = 0
  /** Batches so far, synced or not. */
  batchCount = 0

  constructor(durable: ReadonlyMap<string, Buffer> = new Map()) {
    this.#durable = new Map(durable)
    this.#visible = new Map(durable)
  }

  /** From now on every write fails, as on a broken disk. */
  failWrites(): void {
    this.#failing = true
  }

  /** The store as it is found after a power loss; this one refuses everything from then on. */
  crash(): MemoryStore {
    this.#closed = true
    return new MemoryStore(this.#durable)
  }

  async get(key: string): Promise<Buffer | null> {
    this.#check()
    return this.#visible.get(key) ?? null
  }

  async batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> {
    this.#check()
    if (this.#failing) throw failure('this store was told to fail writes')
    for (const operation of operations) {
      if (operation.kind === 'put') this.#visible.set(operation.key, Buffer.from(operation.value))
      else this.#visible.delete(operation.key)
    }
    this.batchCount++
    await Promise.resolve()
    if (!options.sync) return
    this.#check()
    this.syncCount++
    this.#durable = new Map(this.#visible)
  }

  async *iterate(range: KeyRange): AsyncGenerator<readonly [string, Buffer]> {
    this.#check()
    const keys = [...this.#visible.keys()].filter((key) => key >= range.from && key < range.to).sort()
    const rows = keys.map((key) => [key, this.#visible.get(key)!] as const)
    yield* rows
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#durable = new Map(this.#visible)
  }

  #check(): void {
    if (this.#closed) throw failure('this store is closed')
  }
}

function failure(message: string): StoreError {
  return new StoreError('STORE_FAILED', message, { path: 'memory', hint: 'A test asked for it.' })
}
