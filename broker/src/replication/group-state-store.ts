/**
 * Term and vote of all Raft groups of a broker, in the key-value store.
 *
 * Changes of all groups that come while a write is under way go out together in the next one: one synced batch serves
 * many groups. Row `raft/<topic id>-<partition>`: version int8 = 1 | term int32 | vote int32 (-1 = none) | commit int64.
 *
 * Invariant: a put resolves only after its row, or a later one of the same group, is on disk.
 */
import { invariant } from '@stratalog/proto'
import type { HardState } from 'raft-ts'
import { type KeyValueStore, keysWithPrefix, type StoreOperation } from '../storage/key-value-store.ts'

const PREFIX = 'raft/'
const ROW_VERSION = 1
const ROW_BYTES = 17

/** Names a group's row: the topic's id, so that a topic created again never finds the votes of its forerunner. */
export function hardStateKey(topicId: string, partition: number): string {
  return `${PREFIX}${topicId}-${partition}`
}

/** See the file's header. Owner: the broker; one per process. */
export class HardStateStore {
  readonly #store: KeyValueStore
  readonly #rows: Map<string, HardState>
  #pending = new Map<string, HardState | null>()
  #nextWrite: Promise<void> | null = null
  #writing: Promise<void> = Promise.resolve()

  private constructor(store: KeyValueStore, rows: Map<string, HardState>) {
    this.#store = store
    this.#rows = rows
  }

  /** Reads all rows at once: one pass over the store instead of a look-up per partition. Errors: those of the store. */
  static async open(store: KeyValueStore): Promise<HardStateStore> {
    const rows = new Map<string, HardState>()
    for await (const [key, value] of store.iterate(keysWithPrefix(PREFIX))) rows.set(key, decodeHardState(value))
    return new HardStateStore(store, rows)
  }

  /** The stored state, as of the last put; null for a group that has never run. */
  get(key: string): HardState | null {
    const pending = this.#pending.get(key)
    return pending === undefined ? (this.#rows.get(key) ?? null) : pending
  }

  /** Stores a group's state; null forgets the group. Durability: fsynced when it resolves. Errors: those of the store. */
  put(key: string, hardState: HardState | null): Promise<void> {
    this.#pending.set(key, hardState)
    this.#nextWrite ??= this.#writing.then(() => this.#write())
    return this.#nextWrite
  }

  async #write(): Promise<void> {
    const changes = this.#pending
    this.#pending = new Map()
    this.#nextWrite = null
    const operations: StoreOperation[] = []
    for (const [key, hardState] of changes) {
      if (hardState === null) this.#rows.delete(key)
      else this.#rows.set(key, hardState)
      operations.push(
        hardState === null ? { kind: 'delete', key } : { kind: 'put', key, value: encodeHardState(hardState) },
      )
    }
    const written = this.#store.batch(operations, { sync: true })
    this.#writing = written.catch(() => undefined)
    await written
  }
}

function encodeHardState({ term, vote, commit }: HardState): Buffer {
  const row = Buffer.alloc(ROW_BYTES)
  row.writeInt8(ROW_VERSION, 0)
  row.writeInt32BE(term, 1)
  row.writeInt32BE(vote ?? -1, 5)
  row.writeBigInt64BE(BigInt(commit), 9)
  return row
}

function decodeHardState(row: Buffer): HardState {
  invariant(
    row.length === ROW_BYTES && row[0] === ROW_VERSION,
    () => `hard state row has version ${row[0]}; this release reads 1`,
  )
  const vote = row.readInt32BE(5)
  return { term: row.readInt32BE(1), vote: vote === -1 ? null : vote, commit: Number(row.readBigInt64BE(9)) }
}
