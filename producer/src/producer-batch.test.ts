import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeBatchSync } from '@stratalog/proto/records'
import { BuilderPool } from './builder-pool.ts'
import { BulkSend } from './delivery.ts'
import { ProducerBatch } from './producer-batch.ts'
import type { RecordAck } from './record-ack.ts'

const ACK = { leaderEpoch: 1, logAppendTimeMs: -1, durability: 'fsynced', duplicate: false } as const

test('a split batch has every record, waiter and reserved byte in one of its parts', async () => {
  const pool = new BuilderPool('none', undefined)
  const batch = new ProducerBatch('t', 0, 8, 0, pool.acquire())
  const sends: (RecordAck | null)[] = []
  const bulk = new BulkSend(3)
  batch.reservedBytes = 1_001
  batch.identity = { producerId: 1, producerEpoch: 0 }
  batch.baseSequence = 2 ** 31 - 2
  for (let value = 0; value < 9; value++) {
    batch.builder!.append({ value: String(value), timestamp: 100 + value })
    if (value < 4) {
      sends.push(null)
      batch.awaitedBy(
        100 + value,
        (ack) => {
          sends[value] = ack
        },
        assert.fail,
      )
    } else if (value < 7) batch.partOf(100 + value, bulk, value - 4)
    else batch.unawaited()
  }
  batch.finish(pool)
  const parts = batch.split(4, pool)
  assert.equal(batch.done, true)
  assert.deepEqual(
    parts.map(({ recordCount, ordinal, baseSequence }) => [recordCount, ordinal, baseSequence]),
    [
      [2, 8, 2 ** 31 - 2],
      [2, 8.25, 0],
      [2, 8.5, 2],
      [3, 8.75, 4],
    ],
  )
  assert.equal(
    parts.reduce((total, { reservedBytes }) => total + reservedBytes, 0),
    1_001,
  )
  assert.deepEqual(
    parts.map(({ unawaitedCount }) => unawaitedCount),
    [0, 0, 0, 2],
  )
  let baseOffset = 50
  for (const part of parts) {
    const values = Array.from(decodeBatchSync(part.finish(pool)), (record) => Number(record.value))
    assert.equal(values[0], baseOffset - 50)
    part.acknowledge({ ...ACK, baseOffset })
    baseOffset += values.length
  }
  const acks = [...sends, ...(await bulk.promise)]
  assert.deepEqual(
    acks.map((ack) => [ack?.offset, ack?.timestamp]),
    acks.map((_, index) => [50 + index, 100 + index]),
  )
})
