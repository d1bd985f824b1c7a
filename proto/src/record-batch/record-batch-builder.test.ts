import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { InvariantError } from '../invariant.ts'
import { Compression, type CompressionName } from './codec.ts'
import { decodeBatch, decodeBatchSync } from './decode.ts'
import { readBatchHeader } from './header.ts'
import { copyRecord, type RecordBytes, type RecordInput } from './record.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'
import { estimateRecordBytes } from './record-size.ts'
import { validateBatch } from './validate.ts'

const NAMES = Object.keys(Compression) as CompressionName[]
const LIMITS = { maxBatchBytes: 1 << 20, deep: true } as const

const recordBytes: fc.Arbitrary<RecordBytes> = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.uint8Array({ maxLength: 300 }),
)
const recordInput: fc.Arbitrary<RecordInput> = fc.record({
  key: recordBytes,
  value: recordBytes,
  headers: fc.option(
    fc.array(fc.record({ key: fc.string({ unit: 'binary' }), value: recordBytes }), { maxLength: 4 }),
    {
      nil: undefined,
    },
  ),
  timestamp: fc.option(fc.integer({ min: -1, max: 2 ** 45 }), { nil: undefined }),
})

describe('round trip', () => {
  for (const codec of NAMES) {
    test(codec, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(recordInput, { minLength: 1, maxLength: 30 }), async (inputs) => {
          const builder = new RecordBatchBuilder({ codec, initialBytes: 64 })
          for (const [index, input] of inputs.entries()) {
            const before = builder.sizeBytes
            assert.equal(builder.append(input), index)
            const estimate = estimateRecordBytes(input.key ?? null, input.value, input.headers)
            assert.ok(builder.sizeBytes - before <= estimate)
          }
          const batch = await builder.build()
          assert.equal(validateBatch(batch, LIMITS).recordCount, inputs.length)
          const expected = inputs.map(stored)
          assert.deepEqual([...decodeBatchSync(batch)].map(copyRecord), expected)
          assert.deepEqual([...(await decodeBatch(batch))].map(copyRecord), expected)
        }),
        { numRuns: 40 },
      )
    })
  }
})

test('the header says what was asked for', () => {
  const builder = new RecordBatchBuilder({ codec: 'lz4' })
  builder.append({ value: 'a', timestamp: 50 })
  builder.append({ value: 'b', timestamp: 70 })
  builder.append({ value: 'c', timestamp: 60 })
  const batch = builder.buildSync({ producerId: 2 ** 40, producerEpoch: 32_767, baseSequence: 2 ** 31 - 1 })
  const { crc, ...header } = readBatchHeader(batch, 0)
  assert.ok(crc > 0)
  assert.deepEqual(header, {
    baseOffset: 0,
    sizeBytes: batch.length,
    leaderEpoch: -1,
    magic: 2,
    attributes: 3,
    codec: 'lz4',
    timestampType: 'create',
    transactional: false,
    control: false,
    lastOffsetDelta: 2,
    lastOffset: 2,
    baseTimestamp: 50,
    maxTimestamp: 70,
    producerId: 2 ** 40,
    producerEpoch: 32_767,
    baseSequence: 2 ** 31 - 1,
    recordCount: 3,
  })
})

test('append time gives every record the largest timestamp', () => {
  const builder = new RecordBatchBuilder()
  builder.append({ value: 'a', timestamp: 50 })
  builder.append({ value: 'b', timestamp: 70 })
  const batch = builder.buildSync({ timestampType: 'append' })
  assert.deepEqual(
    Array.from(decodeBatchSync(batch), (record) => record.timestamp),
    [70, 70],
  )
})

test('a builder makes batch after batch; a built one is never written again', async () => {
  for (const codec of NAMES) {
    const builder = new RecordBatchBuilder({ codec, initialBytes: 200 })
    const pending: Promise<Buffer>[] = []
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index <= round; index++)
        builder.append({ key: `k${round}`, value: `value ${round}.${index}` })
      assert.equal(builder.recordCount, round + 1)
      pending.push(builder.build())
      assert.equal(builder.recordCount, round + 1)
      builder.reset()
      assert.equal(builder.recordCount, 0)
      assert.equal(builder.sizeBytes, 61)
    }
    for (const [round, batch] of (await Promise.all(pending)).entries()) {
      validateBatch(batch, LIMITS)
      const values = Array.from(decodeBatchSync(batch), (record) => record.value?.toString())
      assert.deepEqual(
        values,
        Array.from({ length: round + 1 }, (_, index) => `value ${round}.${index}`),
      )
    }
  }
})

test('a small batch does not keep a large slab alive, a full one is not copied', () => {
  const builder = new RecordBatchBuilder({ initialBytes: 10_000 })
  builder.append({ value: 'small' })
  const small = builder.buildSync()
  assert.equal(small.buffer.byteLength, small.length)
  builder.reset()
  builder.append({ value: Buffer.alloc(9_000) })
  const large = builder.buildSync()
  assert.equal(large.buffer.byteLength, 10_000)
})

test('a builder goes on in the slabs that it is given, and takes a compressed batch out of its own', async () => {
  const slab = Buffer.alloc(4_000)
  const asked: number[] = []
  const takeSlab = (bytesMin: number): Buffer | null => {
    asked.push(bytesMin)
    return bytesMin <= slab.length && bytesMin > 1_000 ? slab : null
  }
  const plain = new RecordBatchBuilder({ initialBytes: 1_000, takeSlab })
  for (let index = 0; index < 4; index++) plain.append({ value: Buffer.alloc(700, index) })
  const batch = plain.buildSync()
  assert.equal(batch.buffer, slab.buffer)
  assert.deepEqual(
    Array.from(decodeBatchSync(batch), ({ value }) => value?.[0]),
    [0, 1, 2, 3],
  )
  assert.equal(asked.length, 2)
  const packed = new RecordBatchBuilder({ codec: 'gzip', initialBytes: 2_000, takeSlab })
  for (let round = 0; round < 3; round++) {
    packed.append({ value: Buffer.alloc(700, round) })
    const built = round < 2 ? await packed.build() : packed.buildSync()
    assert.equal(decodeBatchSync(built).next()?.value?.[0], round)
    packed.reset()
  }
  assert.equal(asked.length, 3)
})

test('use out of turn stops at once', () => {
  const builder = new RecordBatchBuilder()
  assert.throws(() => builder.buildSync(), InvariantError)
  builder.append({ value: 'x' })
  assert.throws(() => builder.buildSync({ producerId: 3 }), InvariantError)
  builder.reset()
  builder.append({ value: 'x' })
  builder.buildSync()
  assert.throws(() => builder.append({ value: 'y' }), InvariantError)
  assert.throws(() => builder.buildSync(), InvariantError)
})

/** The record that must come back for an input, as the n-th of its batch. */
function stored(input: RecordInput, offset: number): ReturnType<typeof copyRecord> {
  return {
    offset,
    timestamp: input.timestamp ?? -1,
    key: storedBytes(input.key ?? null),
    value: storedBytes(input.value),
    headers: (input.headers ?? []).map(({ key, value }) => ({
      key: Buffer.from(key).toString(),
      value: storedBytes(value),
    })),
  }
}

function storedBytes(bytes: RecordBytes): Buffer | null {
  if (bytes === null) return null
  return typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes)
}
