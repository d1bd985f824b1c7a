import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { CompressionName } from './codec.ts'
import { decodeBatchSync } from './decode.ts'
import { readBatchHeader } from './header.ts'
import { lacksTombstones } from './header-fields.ts'
import { RECORD_BATCH_OVERHEAD_BYTES } from './layout.ts'
import { copyRecord, type RecordInput } from './record.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'
import { stampAppendTime, stampBatch } from './stamp.ts'
import { thinBatch } from './thin.ts'
import { validateBatch } from './validate.ts'

const CODECS: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

function build(records: readonly RecordInput[], codec: CompressionName = 'none'): Buffer {
  const builder = new RecordBatchBuilder({ codec })
  for (const record of records) builder.append(record)
  const batch = builder.buildSync({ producerId: 7, producerEpoch: 3, baseSequence: 2_147_483_640 })
  stampBatch(batch, 0, 1000, 9)
  return batch
}

const recordArbitrary = fc.record({
  key: fc.option(fc.uint8Array({ maxLength: 20 })),
  value: fc.option(fc.uint8Array({ maxLength: 60 })),
  headers: fc.array(
    fc.record({ key: fc.string({ maxLength: 5 }), value: fc.option(fc.uint8Array({ maxLength: 5 })) }),
    {
      maxLength: 2,
    },
  ),
  timestamp: fc.integer({ min: -1, max: 2 ** 45 }),
})

test('the records that stay are what they were, and so is the place of the batch', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(recordArbitrary, fc.boolean()), { minLength: 1, maxLength: 12 }),
      fc.constantFrom(...CODECS),
      fc.nat(20),
      (drawn, codec, position) => {
        const batch = build(
          drawn.map(([record]) => record),
          codec,
        )
        const before = [...decodeBatchSync(batch)].map(copyRecord)
        const stays = (offset: number): boolean => drawn[offset - 1000]![1]
        const buffer = Buffer.concat([Buffer.alloc(position, 1), batch])
        const original = Buffer.from(buffer)
        const thinned = thinBatch(buffer, position, ({ offset }) => stays(offset))
        assert.ok(buffer.equals(original), 'what is given does not change')
        if (drawn.every(([, isKept]) => isKept)) {
          assert.equal(thinned, null)
          return
        }
        const header = validateBatch(thinned!, { maxBatchBytes: 1 << 20, source: 'log', deep: true })
        const expected = before.filter(({ offset }) => stays(offset))
        assert.deepEqual([...decodeBatchSync(thinned!)].map(copyRecord), expected)
        const { sizeBytes: _, crc: __, recordCount, maxTimestamp, ...kept } = header
        const {
          sizeBytes: ___,
          crc: ____,
          recordCount: _____,
          maxTimestamp: ______,
          ...was
        } = readBatchHeader(batch, 0)
        assert.deepEqual(kept, was)
        assert.equal(recordCount, expected.length)
        assert.equal(maxTimestamp, Math.max(-1, ...expected.map(({ timestamp }) => timestamp)))
        // Once more, with what is left.
        assert.equal(
          thinBatch(thinned!, 0, () => true),
          null,
        )
      },
    ),
    { numRuns: 300 },
  )
})

for (const codec of CODECS) {
  test(`a batch of codec ${codec} that loses all its records is a header alone, and may be thinned again`, () => {
    const batch = build([{ key: 'a', value: 'x'.repeat(500) }], codec)
    const thinned = thinBatch(batch, 0, () => false)!
    assert.equal(thinned.length, RECORD_BATCH_OVERHEAD_BYTES)
    const header = validateBatch(thinned, { maxBatchBytes: 100, source: 'log', deep: true })
    assert.deepEqual([header.baseOffset, header.lastOffset, header.leaderEpoch], [1000, 1000, 9])
    assert.deepEqual([header.recordCount, header.maxTimestamp, header.codec], [0, -1, codec])
    assert.equal(
      thinBatch(thinned, 0, () => false),
      null,
    )
  })
}

test('the timestamp of the append stays with the records that have it', () => {
  const batch = build([
    { key: 'a', value: '1', timestamp: 5 },
    { key: 'b', value: '2', timestamp: 6 },
  ])
  stampAppendTime(batch, 0, 777)
  const thinned = thinBatch(batch, 0, ({ offset }) => offset === 1000)!
  assert.deepEqual(
    [...decodeBatchSync(thinned)].map(({ offset, timestamp }) => [offset, timestamp]),
    [[1000, 777]],
  )
})

test('the mark of tombstones that went stays for good', () => {
  const batch = build([
    { key: 'a', value: null },
    { key: 'b', value: '2' },
    { key: 'c', value: '3' },
  ])
  const unmarked = thinBatch(batch, 0, ({ isTombstone }) => !isTombstone)!
  assert.equal(lacksTombstones(unmarked, 0), false)
  const marked = thinBatch(batch, 0, ({ isTombstone }) => !isTombstone, { hasRemovedTombstones: () => true })!
  assert.equal(lacksTombstones(marked, 0), true)
  const again = thinBatch(marked, 0, ({ offset }) => offset === 1002)!
  assert.equal(lacksTombstones(again, 0), true)
  assert.equal(readBatchHeader(again, 0).codec, 'none')
})

test('a batch whose records cannot be read is an error, not a loss', () => {
  const batch = build([{ key: 'a', value: '1' }])
  batch[61] = 0x7f
  assert.throws(() => thinBatch(batch, 0, () => false), { code: 'CORRUPT_MESSAGE' })
})
