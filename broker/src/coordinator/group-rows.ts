/**
 * The committed state of a coordinator partition as rows of the key-value store: one row per live record, and one that says
 * how far the log is folded into them.
 *
 * ```
 *  groups/<topic id>-<partition>/folded                        FoldPosition, JSON
 *  groups/<topic id>-<partition>/g/<group>/0                   the group
 *  groups/<topic id>-<partition>/g/<group>/{1,2,3}/<member>    a member, its target, what it has now
 *  groups/<topic id>-<partition>/g/<group>/4/<topic>-<n>       a committed offset
 * ```
 * In the order of their keys the rows can be folded into an empty shard. Ids of groups and members are in hexadecimal, so
 * that no id can look like another's row. A value holds the record's key and value as they are in the log:
 * `keyBytes uint32 | key | value`. Pure.
 */
import { invariant } from '@stratalog/proto'
import type { GroupRecord } from './group/group-records.ts'

const PREFIX = 'groups/'
const KEY_LENGTH_BYTES = 4

/** A record as the log has it. */
export interface EncodedRecord {
  readonly key: Buffer
  /** Null for a tombstone. */
  readonly value: Buffer | null
}

/** Of all rows of a coordinator partition. */
export function partitionPrefix(topicId: string, partition: number): string {
  return `${PREFIX}${topicId}-${partition}/`
}

/** Of the rows of live records. */
export function recordsPrefix(prefix: string): string {
  return `${prefix}g/`
}

/** Of the row that says how far the log is folded. */
export function positionKey(prefix: string): string {
  return `${prefix}folded`
}

/** Of all rows of a group. */
export function groupPrefix(prefix: string, groupId: string): string {
  return `${recordsPrefix(prefix)}${hex(groupId)}/`
}

/** Of the row that an upsert sets. */
export function rowKey(prefix: string, record: GroupRecord): string {
  const group = groupPrefix(prefix, record.groupId)
  switch (record.type) {
    case 'group':
      return `${group}0`
    case 'member':
      return `${group}1/${hex(record.memberId)}`
    case 'target':
      return `${group}2/${hex(record.memberId)}`
    case 'current':
      return `${group}3/${hex(record.memberId)}`
    case 'offset':
      return `${group}4/${record.topicId}-${record.partition}`
  }
}

/** Rows that a tombstone removes, but for a group's, which removes all with {@link groupPrefix}. */
export function rowsEnded(prefix: string, record: GroupRecord): readonly string[] {
  if (record.type !== 'member') return [rowKey(prefix, record)]
  const { groupId, memberId } = record
  const kinds = ['member', 'target', 'current'] as const
  return kinds.map((type) => rowKey(prefix, { type, groupId, memberId, value: null }))
}

/** The value of a row. */
export function encodeRow({ key, value }: { readonly key: Buffer; readonly value: Buffer }): Buffer {
  const row = Buffer.allocUnsafe(KEY_LENGTH_BYTES + key.length + value.length)
  row.writeUInt32BE(key.length, 0)
  key.copy(row, KEY_LENGTH_BYTES)
  value.copy(row, KEY_LENGTH_BYTES + key.length)
  return row
}

/** The record of a row: views of it. */
export function decodeRow(row: Buffer): { readonly key: Buffer; readonly value: Buffer } {
  const valueStart = KEY_LENGTH_BYTES + row.readUInt32BE(0)
  invariant(valueStart <= row.length, 'a row of the groups ends before its value')
  return { key: row.subarray(KEY_LENGTH_BYTES, valueStart), value: row.subarray(valueStart) }
}

function hex(id: string): string {
  return Buffer.from(id).toString('hex')
}
