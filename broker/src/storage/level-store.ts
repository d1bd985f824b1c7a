/**
 * The key-value port on `level` (LevelDB). One process at a time: LevelDB's own lock file sees to it.
 *
 * Values are checksummed (store-value.ts). A failed write poisons LevelDB until it is opened again; the error says so.
 */
import { Level } from 'level'
import { type KeyRange, type KeyValueStore, StoreError, type StoreOperation } from './key-value-store.ts'
import { openValue, sealValue } from './store-value.ts'

/** Bytes fetched ahead by an iteration; the library's 16 KiB would cost a thread-pool trip per few rows. */
const ITERATE_AHEAD_BYTES = 1 << 20

/** A {@link KeyValueStore} in a folder. */
export class LevelStore implements KeyValueStore {
  readonly path: string
  readonly #level: Level<string, Buffer>

  private constructor(path: string, level: Level<string, Buffer>) {
    this.path = path
    this.#level = level
  }

  /** Opens, or creates, the store in `path`. Errors: STORE_LOCKED (another process has it), STORE_OPEN_FAILED. */
  static async open(path: string): Promise<LevelStore> {
    const level = new Level<string, Buffer>(path, { keyEncoding: 'utf8', valueEncoding: 'buffer' })
    try {
      await level.open()
    } catch (error) {
      throw openError(path, error)
    }
    return new LevelStore(path, level)
  }

  async get(key: string): Promise<Buffer | null> {
    const sealed = await this.#guard('read', () => this.#level.get(key))
    return sealed === undefined ? null : openValue(this.path, key, sealed)
  }

  async batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> {
    const sealed = operations.map((operation) =>
      operation.kind === 'put'
        ? { type: 'put' as const, key: operation.key, value: sealValue(operation.key, operation.value) }
        : { type: 'del' as const, key: operation.key },
    )
    await this.#guard('write', () => this.#level.batch(sealed, { sync: options.sync }))
  }

  async *iterate(range: KeyRange): AsyncGenerator<readonly [string, Buffer]> {
    const iterator = this.#level.iterator({ gte: range.from, lt: range.to, highWaterMarkBytes: ITERATE_AHEAD_BYTES })
    try {
      for (;;) {
        const rows = await this.#guard('read', () => iterator.nextv(1000))
        if (rows.length === 0) return
        for (const [key, sealed] of rows) yield [key, openValue(this.path, key, sealed)]
      }
    } finally {
      await iterator.close()
    }
  }

  async close(): Promise<void> {
    await this.#level.close()
  }

  async #guard<T>(what: 'read' | 'write', run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw new StoreError('STORE_FAILED', `cannot ${what} the store in ${this.path}: ${reason(error)}`, {
        path: this.path,
        hint: 'Check the disk (space, health), then start the broker again: the store refuses writes until then.',
        cause: error,
      })
    }
  }
}

function openError(path: string, error: unknown): StoreError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if ((cause as { code?: string }).code === 'LEVEL_LOCKED') {
    return new StoreError('STORE_LOCKED', `the store in ${path} is in use by another process`, {
      path,
      hint: 'A data folder serves one broker process. Stop the other one, or choose another data folder.',
      cause,
    })
  }
  return new StoreError('STORE_OPEN_FAILED', `cannot open the store in ${path}: ${reason(cause)}`, {
    path,
    hint: 'Check that the folder is readable and writable and that the disk has room; a damaged store must be restored.',
    cause,
  })
}

function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}
