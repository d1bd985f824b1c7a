import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import { RecordBatchBuilder } from '@stratalog/proto/records'
import { BulkSend } from './delivery.ts'
import { ProducerBatch } from './producer-batch.ts'
import type { RecordAck } from './record-ack.ts'

function batchOf(attach: readonly ((batch: ProducerBatch) => void)[]): ProducerBatch {
  const batch = new ProducerBatch('orders', 2, 0, 0, new RecordBatchBuilder())
  for (const each of attach) {
    batch.builder!.append({ value: 'v', timestamp: 1 })
    each(batch)
  }
  return batch
}

const ack = { baseOffset: 100, leaderEpoch: 3, logAppendTimeMs: -1, durability: 'fsynced', duplicate: false } as const

test('each record of a mixed batch gets its own offset and timestamp', async () => {
  const sent: RecordAck[] = []
  const push = (one: RecordAck): void => void sent.push(one)
  const bulk = new BulkSend(2)
  const batch = batchOf([
    (one) => one.awaitedBy(10, push, assert.fail),
    (one) => one.awaitedBy(11, push, assert.fail),
    (one) => one.partOf(12, bulk, 1),
    (one) => one.unawaited(),
    (one) => one.partOf(14, bulk, 0),
    (one) => one.awaitedBy(15, push, assert.fail),
  ])
  assert.equal(batch.unawaitedCount, 1)
  batch.acknowledge(ack)
  assert.deepEqual(
    sent.map(({ offset, timestamp }) => [offset, timestamp]),
    [
      [100, 10],
      [101, 11],
      [105, 15],
    ],
  )
  assert.deepEqual(
    (await bulk.promise).map(({ offset, timestamp }) => [offset, timestamp]),
    [
      [104, 14],
      [102, 12],
    ],
  )
})

test('the broker`s time and an offset that it did not tell reach the sender', () => {
  const sent: RecordAck[] = []
  const batch = batchOf([(one) => one.awaitedBy(10, (value) => sent.push(value), assert.fail)])
  batch.acknowledge({ ...ack, baseOffset: -1, logAppendTimeMs: 99, duplicate: true })
  assert.deepEqual(sent, [
    {
      topic: 'orders',
      partition: 2,
      offset: -1,
      timestamp: 99,
      durability: 'fsynced',
      leaderEpoch: 3,
      duplicate: true,
    },
  ])
})

test('a batch that fails fails all who wait, and is settled once', async () => {
  const errors: StratalogError[] = []
  const bulk = new BulkSend(1)
  const batch = batchOf([
    (one) =>
      one.awaitedBy(
        10,
        () => assert.fail('it failed'),
        (error) => errors.push(error),
      ),
    (one) => one.partOf(12, bulk, 0),
  ])
  const error = new StratalogError('MESSAGE_TOO_LARGE')
  batch.fail(error)
  assert.deepEqual(errors, [error])
  await assert.rejects(bulk.promise, { name: 'SendBatchError', results: [error] })
  assert.throws(() => batch.fail(error), { name: 'InvariantError' })
})
