/**
 * The rows of one coordinator partition (group-rows.ts) in the key-value store.
 *
 * A write takes effect whole, records and position together, so that no crash can fold a record twice or leave one out.
 * It is not synced: the log is the truth, and what a crash takes from the store is folded again.
 * Owner: the fold of the partition, one call at a time.
 */
import type { KeyValueStore, StoreOperation } from '../storage/key-value-store.ts'
import { keysWithPrefix } from '../storage/key-value-store.ts'
import { decodeFoldPosition, encodeFoldPosition, type FoldPosition, isMark } from './fold-position.ts'
import type { GroupRecord } from './group/group-records.ts'
import { decodeRecord } from './group/record-codec.ts'
import {
  decodeRow,
  type EncodedRecord,
  encodeRow,
  groupPrefix,
  partitionPrefix,
  positionKey,
  recordsPrefix,
  rowKey,
  rowsEnded,
} from './group-rows.ts'

/** Rows that are removed at a time. */
const REMOVED_COUNT_MAX = 10_000

/** A committed record, decoded and as it is in the log. */
export interface FoldedRecord {
  readonly record: GroupRecord
  readonly encoded: EncodedRecord
}

/** See the file's header. */
export class GroupStore {
  readonly #store: KeyValueStore
  readonly #prefix: string

  constructor(store: KeyValueStore, topicId: string, partition: number) {
    this.#store = store
    this.#prefix = partitionPrefix(topicId, partition)
  }

  /** How far the log is folded; null when nothing is. Errors: StoreError. */
  async position(): Promise<FoldPosition | null> {
    const row = await this.#store.get(positionKey(this.#prefix))
    return row === null ? null : decodeFoldPosition(row)
  }

  /** All live records. Errors: StoreError, GroupRecordError. */
  async *records(): AsyncGenerator<GroupRecord> {
    for await (const [, row] of this.#store.iterate(keysWithPrefix(recordsPrefix(this.#prefix)))) {
      const { key, value } = decodeRow(row)
      const record = decodeRecord(key, value)
      if (!isMark(record)) yield record
    }
  }

  /** Folds records into the rows, in their order, and says how far that is. Errors: StoreError. */
  async apply(records: readonly FoldedRecord[], position: FoldPosition): Promise<void> {
    const rows = new Map<string, Buffer | null>()
    for (const { record, encoded } of records) {
      const { key, value } = encoded
      if (value !== null) rows.set(rowKey(this.#prefix, record), encodeRow({ key, value }))
      else if (record.type === 'group') await this.#endGroup(record.groupId, rows)
      else for (const row of rowsEnded(this.#prefix, record)) rows.set(row, null)
    }
    const operations: StoreOperation[] = [...rows].map(([key, value]) =>
      value === null ? { kind: 'delete', key } : { kind: 'put', key, value },
    )
    operations.push({ kind: 'put', key: positionKey(this.#prefix), value: encodeFoldPosition(position) })
    await this.#store.batch(operations, { sync: false })
  }

  /** Removes all rows, the position first: what a crash leaves is not taken for a state. Errors: StoreError. */
  async clear(): Promise<void> {
    await this.#store.batch([{ kind: 'delete', key: positionKey(this.#prefix) }], { sync: false })
    let doomed: StoreOperation[] = []
    for await (const [key] of this.#store.iterate(keysWithPrefix(this.#prefix))) {
      doomed.push({ kind: 'delete', key })
      if (doomed.length < REMOVED_COUNT_MAX) continue
      await this.#store.batch(doomed, { sync: false })
      doomed = []
    }
    if (doomed.length > 0) await this.#store.batch(doomed, { sync: false })
  }

  async #endGroup(groupId: string, rows: Map<string, Buffer | null>): Promise<void> {
    const prefix = groupPrefix(this.#prefix, groupId)
    for (const key of rows.keys()) if (key.startsWith(prefix)) rows.set(key, null)
    for await (const [key] of this.#store.iterate(keysWithPrefix(prefix))) rows.set(key, null)
  }
}
