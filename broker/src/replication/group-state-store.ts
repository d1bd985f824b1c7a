/**
 * What the Raft groups of a broker must remember beside their logs, in the key-value store: one row per group.
 *
 * Changes of all groups that come while a write is under way go out together in the next one: one synced batch serves
 * many groups. Row `raft/<topic id>-<partition>`: JSON, version 2. Version 1, which had term and vote only, is still read.
 *
 * Invariant: a put resolves only after its row, or a later one of the same group, is on disk.
 */
import { invariant } from '@stratalog/proto'
import type { ConfChange, ConfState, HardState, Position, Term } from 'raft-ts'
import { type KeyValueStore, keysWithPrefix, type StoreOperation } from '../storage/key-value-store.ts'

const PREFIX = 'raft/'
const ROW_VERSION = 2

/** Version 1: version int8 = 1 | term int32 | vote int32 (-1 = none) | commit int64. */
const FIRST_ROW_VERSION = 1
const FIRST_ROW_BYTES = 17

/** A change of membership that is in the log, committed or not, and not in force yet. */
export interface PendingChange {
  /** End of its entry, exclusive. */
  readonly end: Position
  readonly term: Term
  readonly change: ConfChange
}

/** Who the members are, as far as this copy knows. */
export interface GroupConf {
  /** In force; without voters while nobody has told this copy. */
  readonly confState: ConfState
  /** End of the last entry that is contained in `confState`. */
  readonly confPosition: Position
  /** Changes above `confPosition`, in order. */
  readonly pending: readonly PendingChange[]
}

/** What is stored of a group. */
export interface GroupStateRow {
  /** Which of this broker's copies it speaks of. */
  readonly generation: number
  /** Null before the first term. */
  readonly hardState: HardState | null
  /** Null only in rows of the first release. */
  readonly conf: GroupConf | null
  /** The log is durable at least up to here: a shorter one has lost something. */
  readonly flushedEnd: Position
  /** The log is to be emptied and begun anew here; set while that is under way. */
  readonly resetTo: { readonly position: Position; readonly term: Term } | null
}

/**
 * Names a group, in its row and in its messages: by the topic's id, so that a topic created again never finds the votes
 * of its forerunner, and without the generation, so that all copies are of one group.
 */
export function groupKey(topicId: string, partition: number): string {
  return `${PREFIX}${topicId}-${partition}`
}

/** See the file's header. Owner: the broker; one per process. */
export class GroupStateStore {
  readonly #store: KeyValueStore
  readonly #rows: Map<string, GroupStateRow>
  #pending = new Map<string, GroupStateRow | null>()
  #nextWrite: Promise<void> | null = null
  #writing: Promise<void> = Promise.resolve()

  private constructor(store: KeyValueStore, rows: Map<string, GroupStateRow>) {
    this.#store = store
    this.#rows = rows
  }

  /** Reads all rows at once: one pass over the store instead of a look-up per partition. Errors: those of the store. */
  static async open(store: KeyValueStore): Promise<GroupStateStore> {
    const rows = new Map<string, GroupStateRow>()
    for await (const [key, value] of store.iterate(keysWithPrefix(PREFIX))) rows.set(key, decodeRow(value))
    return new GroupStateStore(store, rows)
  }

  /** The stored state, as of the last put; null for a group that has never run here. */
  get(key: string): GroupStateRow | null {
    const pending = this.#pending.get(key)
    return pending === undefined ? (this.#rows.get(key) ?? null) : pending
  }

  /** Keys of all groups that have a row. */
  keys(): string[] {
    const keys = new Set([...this.#rows.keys(), ...this.#pending.keys()])
    return [...keys].filter((key) => this.get(key) !== null)
  }

  /** Stores a group's state; null forgets the group. Durability: fsynced when it resolves. Errors: those of the store. */
  put(key: string, row: GroupStateRow | null): Promise<void> {
    this.#pending.set(key, row)
    this.#nextWrite ??= this.#writing.then(() => this.#write())
    return this.#nextWrite
  }

  async #write(): Promise<void> {
    const changes = this.#pending
    this.#pending = new Map()
    this.#nextWrite = null
    const operations: StoreOperation[] = []
    for (const [key, row] of changes) {
      if (row === null) this.#rows.delete(key)
      else this.#rows.set(key, row)
      operations.push(row === null ? { kind: 'delete', key } : { kind: 'put', key, value: encodeRow(row) })
    }
    const written = this.#store.batch(operations, { sync: true })
    this.#writing = written.catch(() => undefined)
    await written
  }
}

function encodeRow(row: GroupStateRow): Buffer {
  return Buffer.from(JSON.stringify({ version: ROW_VERSION, ...row }))
}

function decodeRow(bytes: Buffer): GroupStateRow {
  if (bytes[0] === FIRST_ROW_VERSION && bytes.length === FIRST_ROW_BYTES) return decodeFirstRow(bytes)
  const { version, ...row } = JSON.parse(bytes.toString()) as GroupStateRow & { readonly version: number }
  invariant(version === ROW_VERSION, () => `group state row has version ${version}; this release reads 1 and 2`)
  return row
}

function decodeFirstRow(row: Buffer): GroupStateRow {
  const vote = row.readInt32BE(5)
  const hardState = {
    term: row.readInt32BE(1),
    vote: vote === -1 ? null : vote,
    commit: Number(row.readBigInt64BE(9)),
  }
  return { generation: 0, hardState, conf: null, flushedEnd: 0, resetTo: null }
}
