/**
 * What a compacted log may hold, in the simplest form: every record ever written, and what reading them amounts to.
 * Property, crash and replication tests run it beside real logs and compare.
 */
import assert from 'node:assert/strict'
import { decodeBatchSync, iterateBatches } from '@stratalog/proto/records'

/** A batch as it was appended. */
interface WrittenBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly epoch: number
  readonly control: boolean
}

interface WrittenRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
}

/** What was found of a log. */
export interface CompactedContent {
  readonly recordCount: number
  /** Records that are not the last of their key. */
  readonly replacedCount: number
  readonly tombstoneCount: number
  readonly emptyBatchCount: number
  readonly endOffset: number
}

/** See the file's header. */
export class CompactedModel {
  readonly #batches: WrittenBatch[] = []
  readonly #records = new Map<number, WrittenRecord>()
  endOffset = 0

  /** Notes what is appended: one or more whole batches. */
  append(bytes: Buffer): void {
    for (const { position, header } of iterateBatches(bytes)) {
      assert.equal(header.baseOffset, this.endOffset)
      const { baseOffset, lastOffset, leaderEpoch: epoch, control } = header
      this.#batches.push({ baseOffset, lastOffset, epoch, control })
      this.endOffset = lastOffset + 1
      if (control) continue
      for (const { offset, key, value, timestamp } of decodeBatchSync(bytes, position)) {
        this.#records.set(offset, {
          key: key?.toString() ?? null,
          value: value?.toString() ?? null,
          timestamp,
        })
      }
    }
  }

  /** The last value of every key among the records in [start, end); ended keys are left out. */
  state(start = 0, end: number = this.endOffset): Map<string, string> {
    const state = new Map<string, string>()
    for (const [offset, { key, value }] of this.#records) {
      if (key === null || offset < start || offset >= end) continue
      if (value === null) state.delete(key)
      else state.set(key, value)
    }
    return state
  }

  /** The first offset of [start, end) that a search for a time may find: the first record not older that `bytes` hold. */
  static firstAt(bytes: Buffer, timestampMs: number): number | null {
    for (const { position, header } of iterateBatches(bytes)) {
      if (header.control) continue
      for (const { offset, timestamp } of decodeBatchSync(bytes, position)) if (timestamp >= timestampMs) return offset
    }
    return null
  }

  /**
   * Asserts that `bytes`, all batches of a log from `start` on, are what was appended, less what compaction may remove.
   *
   * @param start where the log begins: a batch boundary.
   */
  assertHolds(bytes: Buffer, start = 0): CompactedContent {
    const state = new Map<string, string>()
    const lastOffsets = new Map<string, number>()
    const kept = new Set<number>()
    let [tombstoneCount, emptyBatchCount, end] = [0, 0, start]
    let place = this.#batches.findIndex(({ baseOffset }) => baseOffset >= start)
    for (const { position, header } of iterateBatches(bytes)) {
      const { baseOffset, lastOffset, leaderEpoch: epoch, control } = header
      assert.deepEqual(
        { baseOffset, lastOffset, epoch, control },
        this.#batches[place++],
        'a batch has changed its place',
      )
      end = lastOffset + 1
      if (control) continue
      if (header.recordCount === 0) emptyBatchCount++
      for (const { offset, key, value, timestamp } of decodeBatchSync(bytes, position)) {
        const record = { key: key?.toString() ?? null, value: value?.toString() ?? null, timestamp }
        assert.deepEqual(record, this.#records.get(offset), `the record at ${offset} has changed`)
        kept.add(offset)
        if (record.key === null) continue
        lastOffsets.set(record.key, offset)
        if (record.value === null) {
          tombstoneCount++
          state.delete(record.key)
        } else state.set(record.key, record.value)
      }
    }
    assert.deepEqual(sorted(state), sorted(this.state(start, end)), 'the last values of keys differ')
    for (const [offset, { key }] of this.#records) {
      if (key === null && offset >= start && offset < end)
        assert.ok(kept.has(offset), `a record without key, at ${offset}`)
    }
    const keylessCount = [...kept].filter((offset) => this.#records.get(offset)!.key === null).length
    const replacedCount = kept.size - keylessCount - lastOffsets.size
    return { recordCount: kept.size, replacedCount, tombstoneCount, emptyBatchCount, endOffset: end }
  }
}

function sorted(state: ReadonlyMap<string, string>): [string, string][] {
  return [...state].sort(([a], [b]) => (a < b ? -1 : 1))
}
