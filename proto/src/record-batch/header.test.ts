import assert from 'node:assert/strict'
import { test } from 'node:test'
import { peekBatchSize, readBatchHeader } from './header.ts'
import * as fields from './header-fields.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'
import { stampBatch } from './stamp.ts'

const PREFIX_BYTES = 5

test('the single-field readers agree with the whole header, anywhere in a buffer', () => {
  for (const producer of [{}, { producerId: 9, producerEpoch: 3, baseSequence: 100 }]) {
    const buffer = sample(producer)
    const header = readBatchHeader(buffer, PREFIX_BYTES)
    assert.equal(header.baseOffset, 2 ** 40)
    assert.equal(header.leaderEpoch, 7)
    assert.deepEqual(
      {
        baseOffset: fields.baseOffsetOf(buffer, PREFIX_BYTES),
        lastOffset: fields.lastOffsetOf(buffer, PREFIX_BYTES),
        sizeBytes: fields.sizeOf(buffer, PREFIX_BYTES),
        leaderEpoch: fields.leaderEpochOf(buffer, PREFIX_BYTES),
        baseTimestamp: fields.baseTimestampOf(buffer, PREFIX_BYTES),
        maxTimestamp: fields.maxTimestampOf(buffer, PREFIX_BYTES),
        control: fields.isControl(buffer, PREFIX_BYTES),
        recordCount: fields.recordCountOf(buffer, PREFIX_BYTES),
        producerId: fields.producerIdOf(buffer, PREFIX_BYTES),
        producerEpoch: fields.producerEpochOf(buffer, PREFIX_BYTES),
        baseSequence: fields.baseSequenceOf(buffer, PREFIX_BYTES),
      },
      {
        baseOffset: header.baseOffset,
        lastOffset: header.lastOffset,
        sizeBytes: header.sizeBytes,
        leaderEpoch: header.leaderEpoch,
        baseTimestamp: header.baseTimestamp,
        maxTimestamp: header.maxTimestamp,
        control: header.control,
        recordCount: header.recordCount,
        producerId: header.producerId,
        producerEpoch: header.producerEpoch,
        baseSequence: header.baseSequence,
      },
    )
  }
})

test('only the header needs to be there', () => {
  const buffer = sample({})
  const head = buffer.subarray(0, PREFIX_BYTES + 61)
  assert.deepEqual(readBatchHeader(head, PREFIX_BYTES), readBatchHeader(buffer, PREFIX_BYTES))
  assert.throws(() => readBatchHeader(buffer.subarray(0, PREFIX_BYTES + 60), PREFIX_BYTES), { code: 'CORRUPT_MESSAGE' })
})

test('impossible fields are named', () => {
  const cases: [string, number, string][] = [
    ['negative base offset', 0, 'ffffffffffffffff'],
    ['base offset beyond 2^53', 0, '0020000000000000'],
    ['last offset beyond 2^53', 0, '001fffffffffffff'],
    ['negative length', 8, 'ffffffff'],
    ['length below a header', 8, '00000030'],
    ['absurd length', 8, '7fffffff'],
    ['negative leader epoch', 12, 'fffffffe'],
    ['magic 0', 16, '00'],
    ['magic 1', 16, '01'],
    ['magic 3', 16, '03'],
    ['negative last offset delta', 23, 'ffffffff'],
    ['negative base timestamp', 27, 'fffffffffffffffe'],
    ['max timestamp beyond 2^53', 35, '7fffffffffffffff'],
    ['negative producer id', 43, 'fffffffffffffffe'],
    ['negative record count', 57, 'ffffffff'],
  ]
  for (const [name, at, hex] of cases) {
    const buffer = sample({})
    buffer.write(hex, PREFIX_BYTES + at, 'hex')
    assert.throws(
      () => readBatchHeader(buffer, PREFIX_BYTES),
      { name: 'CorruptMessageError', code: 'CORRUPT_MESSAGE' },
      name,
    )
  }
  const magic = sample({})
  magic[PREFIX_BYTES + 16] = 1
  assert.throws(() => readBatchHeader(magic, PREFIX_BYTES), {
    reason: 'magic is 1, not 2',
    position: PREFIX_BYTES + 16,
  })
})

test('codecs that do not exist have an error of their own', () => {
  for (const codecId of [5, 6, 7]) {
    const buffer = sample({})
    buffer[PREFIX_BYTES + 22] = codecId
    assert.throws(() => readBatchHeader(buffer, PREFIX_BYTES), { code: 'UNSUPPORTED_COMPRESSION_TYPE', codecId })
  }
})

test('the size is known from twelve bytes on', () => {
  const buffer = sample({})
  const sizeBytes = buffer.length - PREFIX_BYTES
  assert.equal(peekBatchSize(buffer, PREFIX_BYTES, 11), null)
  assert.equal(peekBatchSize(buffer, PREFIX_BYTES, 12), sizeBytes)
  assert.equal(peekBatchSize(buffer, PREFIX_BYTES, sizeBytes, sizeBytes), sizeBytes)
  assert.throws(() => peekBatchSize(buffer, PREFIX_BYTES, sizeBytes, sizeBytes - 1), { code: 'CORRUPT_MESSAGE' })
})

function sample(producer: object): Buffer {
  const builder = new RecordBatchBuilder()
  builder.append({ key: 'k', value: 'v', timestamp: 1000 })
  builder.append({ key: 'k', value: 'w', timestamp: 2000 })
  const buffer = Buffer.concat([Buffer.alloc(PREFIX_BYTES), builder.buildSync(producer)])
  stampBatch(buffer, PREFIX_BYTES, 2 ** 40, 7)
  return buffer
}
