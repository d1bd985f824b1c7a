/**
 * A key-value store in memory with a power switch: what was not synced may be lost in a crash, and writes can be made to
 * fail or to take their time.
 *
 * It keeps what readers see, what a disk would hold, and a journal of the batches between the two: a crash keeps a
 * beginning of it, as a write-ahead log does. Deterministic: no clock, no chance.
 */
import { type KeyRange, type KeyValueStore, StoreError, type StoreOperation } from '../storage/key-value-store.ts'

/** A fake {@link KeyValueStore} for tests and simulations. */
export class MemoryStore implements KeyValueStore {
  readonly #visible: Map<string, Buffer>
  readonly #durable: Map<string, Buffer>
  /** Batches that are not durable, oldest first; the first one has the serial `#journalStart`. */
  #journal: (readonly StoreOperation[])[] = []
  #journalStart = 0
  #failing = false
  #closed = false
  /** Resolves when a batch has taken its time; null = at once. Never resolves for the dead. */
  pace: ((sync: boolean) => Promise<void> | null) | null = null
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

  /**
   * The store as it is found after a power loss; this one refuses everything from then on.
   *
   * @param kept which part of the unsynced batches survives, 0 to 1.
   */
  crash(kept = 0): MemoryStore {
    this.#closed = true
    const next = new MemoryStore(this.#durable)
    for (const operations of this.#journal.slice(0, Math.round(kept * this.#journal.length))) {
      applyTo(next.#durable, operations)
      applyTo(next.#visible, operations)
    }
    return next
  }

  /** The store as it is found after a stop of the process alone: everything is there, and still unsynced. */
  kill(): MemoryStore {
    this.#closed = true
    const next = this.copy()
    next.#journal = [...this.#journal]
    for (const operations of next.#journal) applyTo(next.#visible, operations)
    return next
  }

  /** A store that holds what a crash now would keep. */
  copy(): MemoryStore {
    return new MemoryStore(this.#durable)
  }

  /** The value that a crash now would keep. */
  durableValue(key: string): Buffer | null {
    return this.#durable.get(key) ?? null
  }

  async get(key: string): Promise<Buffer | null> {
    this.#check()
    return this.#visible.get(key) ?? null
  }

  async batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> {
    this.#check()
    if (this.#failing) throw failure('this store was told to fail writes')
    const own = operations.map((operation) =>
      operation.kind === 'put' ? { ...operation, value: Buffer.from(operation.value) } : operation,
    )
    applyTo(this.#visible, own)
    this.#journal.push(own)
    const serial = this.#journalStart + this.#journal.length
    this.batchCount++
    await (this.pace?.(options.sync) ?? null)
    if (!options.sync) return
    this.#check()
    if (this.#failing) throw failure('this store was told to fail writes')
    this.syncCount++
    this.#harden(serial)
  }

  async *iterate(range: KeyRange): AsyncGenerator<readonly [string, Buffer]> {
    this.#check()
    const keys = [...this.#visible.keys()].filter((key) => key >= range.from && key < range.to).sort()
    const rows = keys.map((key) => [key, this.#visible.get(key)!] as const)
    yield* rows
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#harden(Number.POSITIVE_INFINITY)
  }

  /** Makes the batches below that serial durable. */
  #harden(serial: number): void {
    const hardened = this.#journal.splice(0, Math.max(0, serial - this.#journalStart))
    this.#journalStart += hardened.length
    for (const operations of hardened) applyTo(this.#durable, operations)
  }

  #check(): void {
    if (this.#closed) throw failure('this store is closed')
  }
}

function applyTo(rows: Map<string, Buffer>, operations: readonly StoreOperation[]): void {
  for (const operation of operations) {
    if (operation.kind === 'put') rows.set(operation.key, operation.value)
    else rows.delete(operation.key)
  }
}

function failure(message: string): StoreError {
  return new StoreError('STORE_FAILED', message, { path: 'memory', hint: 'A test asked for it.' })
}
