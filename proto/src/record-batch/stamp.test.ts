import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError } from '../invariant.ts'
import { decodeBatchSync } from './decode.ts'
import { readBatchHeader } from './header.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'
import { patchProducer, stampAppendTime, stampBatch } from './stamp.ts'
import { verifyBatchCrc } from './validate.ts'

test('offset and epoch are stamped outside the CRC: only their twelve bytes change', () => {
  const before = sample()
  const after = Buffer.from(before)
  stampBatch(after, 0, 2 ** 53 - 100, 2 ** 31 - 1)
  assert.ok(verifyBatchCrc(after, 0, after.length))
  assert.equal(readBatchHeader(after, 0).lastOffset, 2 ** 53 - 99)
  assert.equal(readBatchHeader(after, 0).leaderEpoch, 2 ** 31 - 1)
  assert.ok(before.subarray(16).equals(after.subarray(16)))
  assert.ok(before.subarray(8, 12).equals(after.subarray(8, 12)))
})

test('append time and producer stamps keep the CRC right', () => {
  const batch = Buffer.concat([Buffer.alloc(7), sample()])
  stampAppendTime(batch, 7, 123_456_789_012)
  assert.ok(verifyBatchCrc(batch, 7, batch.length - 7))
  assert.deepEqual(
    Array.from(decodeBatchSync(batch, 7), (record) => record.timestamp),
    [123_456_789_012, 123_456_789_012],
  )
  const retried = sample()
  patchProducer(retried, { producerId: 4, producerEpoch: 1, baseSequence: 0 })
  assert.ok(verifyBatchCrc(retried, 0, retried.length))
  const { producerId, producerEpoch, baseSequence } = readBatchHeader(retried, 0)
  assert.deepEqual([producerId, producerEpoch, baseSequence], [4, 1, 0])
})

test('values that no leader or producer can have are a broken invariant', () => {
  const batch = sample()
  assert.throws(() => stampBatch(batch, 0, -1, 0), InvariantError)
  assert.throws(() => stampBatch(batch, 0, 2 ** 53, 0), InvariantError)
  assert.throws(() => stampBatch(batch, 0, 0, -1), InvariantError)
  assert.throws(() => stampAppendTime(batch, 0, -1), InvariantError)
  assert.throws(() => patchProducer(batch, { producerId: 1, producerEpoch: 32_768, baseSequence: 0 }), InvariantError)
  assert.throws(() => patchProducer(batch, { producerId: 1, producerEpoch: 0, baseSequence: -1 }), InvariantError)
})

function sample(): Buffer {
  const builder = new RecordBatchBuilder()
  builder.append({ key: 'k', value: 'v', timestamp: 1 })
  builder.append({ key: 'k', value: 'w', timestamp: 2 })
  return builder.buildSync()
}
