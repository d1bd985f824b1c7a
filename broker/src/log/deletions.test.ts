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

test('a request takes effect when it is committed, and not before', () => {
  const deletions = new Deletions()
  deletions.note(request(10, 6, 5), 0)
  assert.equal(deletions.commit(10), false)
  assert.equal(deletions.deletedEnd, 0)
  assert.equal(deletions.commit(11), true)
  assert.equal(deletions.deletedEnd, 6)
  assert.equal(deletions.commit(12), false, 'it did before')
})

test('other batches are none, and an older offset takes nothing back', () => {
  const deletions = new Deletions()
  for (const batch of [dataBatch({ baseOffset: 0 }), leaderChangeBatch(1, 1)]) deletions.note(batch, 0)
  assert.equal(deletions.isDue(100), false)
  deletions.note(request(2, 2, 2), 0)
  deletions.note(request(3, 1, 1), 0)
  deletions.commit(4)
  assert.equal(deletions.deletedEnd, 2)
  assert.equal(deletions.takeDue(4), 2)
})

test('what is due is what ends below; the rest waits', () => {
  const deletions = new Deletions()
  deletions.note(request(10, 6, 5), 0)
  deletions.note(request(20, 16, 15), 0)
  assert.equal(deletions.isDue(10), false)
  assert.equal(deletions.isDue(11), true)
  assert.equal(deletions.takeDue(11), 5)
  assert.equal(deletions.deletedEnd, 6, 'what is carried out is in effect')
  assert.equal(deletions.isDue(20), false)
  assert.equal(deletions.takeDue(21), 15)
})

test('a cut takes away requests that were not committed', () => {
  const deletions = new Deletions()
  deletions.note(request(10, 6, 5), 0)
  deletions.note(request(20, 16, 15), 0)
  deletions.truncateTo(20)
  deletions.commit(100)
  assert.equal(deletions.deletedEnd, 6)
})

test('the checkpoint has what the scan behind it does not find', () => {
  const deletions = new Deletions()
  deletions.note(request(10, 6, 5), 0)
  deletions.note(request(20, 16, 15), 0)
  deletions.commit(11)
  const again = new Deletions(deletions.stored(15))
  assert.equal(again.deletedEnd, 6)
  assert.equal(again.isDue(11), true)
  again.commit(100)
  assert.equal(again.deletedEnd, 6)
  again.note(request(20, 16, 15), 0)
  again.commit(100)
  assert.equal(again.deletedEnd, 16)
})
