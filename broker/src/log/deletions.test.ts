import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeRecordsDeleted, NO_TIMESTAMP, stampBatch } from '@stratalog/proto/records'
import { dataBatch, leaderChangeBatch } from '../testing/batches.ts'
import { Deletions } from './deletions.ts'

/** A request at an offset. */
function request(at: number, beforeOffset: number, batchOffset: number): Buffer {
  const batch = encodeRecordsDeleted({ beforeOffset, batchOffset, timestamp: NO_TIMESTAMP })
  stampBatch(batch, 0, at, 1)
  return batch
}

test('what took effect stays so, and an older offset takes nothing back', () => {
  const deletions = new Deletions()
  assert.equal(deletions.takeEffect(6), true)
  assert.equal(deletions.takeEffect(6), false)
  assert.equal(deletions.takeEffect(2), false)
  deletions.truncateTo(0)
  assert.equal(deletions.deletedEnd, 6)
})

test('a request is due when it took effect and lies below what is committed and durable', () => {
  const deletions = new Deletions()
  deletions.note(request(10, 6, 5), 0)
  deletions.note(request(20, 16, 15), 0)
  assert.equal(deletions.isDue(100), false)
  deletions.takeEffect(6)
  assert.deepEqual([deletions.isDue(10), deletions.isDue(11)], [false, true])
  assert.equal(deletions.takeDue(100), 5)
  assert.equal(deletions.isDue(100), false, 'the second has not taken effect')
  deletions.takeEffect(16)
  assert.equal(deletions.takeDue(21), 15)
  assert.deepEqual(deletions.requests, [])
})

test('batches that ask for nothing are no requests', () => {
  const deletions = new Deletions()
  for (const batch of [dataBatch({ baseOffset: 0 }), leaderChangeBatch(1, 1)]) deletions.note(batch, 0)
  assert.deepEqual(deletions.requests, [])
})

test('a cut takes away requests beyond it', () => {
  const deletions = new Deletions()
  deletions.note(request(10, 6, 5), 0)
  deletions.note(request(20, 16, 15), 0)
  deletions.truncateTo(20)
  assert.deepEqual(
    deletions.requests.map(({ endOffset }) => endOffset),
    [11],
  )
})

test('the checkpoint has what the scan behind it does not find', () => {
  const deletions = new Deletions()
  deletions.note(request(10, 6, 5), 0)
  deletions.note(request(20, 16, 15), 0)
  deletions.takeEffect(3)
  const again = new Deletions(deletions.stored(15))
  assert.equal(again.deletedEnd, 3)
  assert.deepEqual(again.requests, [{ endOffset: 11, beforeOffset: 6, batchOffset: 5 }])
})
