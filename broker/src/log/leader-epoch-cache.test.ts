import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toLeaderEpoch, toOffset } from '@stratalog/proto'
import { decodeEpochCheckpoint, encodeEpochCheckpoint, LeaderEpochCache } from './leader-epoch-cache.ts'

function cacheOf(...entries: [number, number][]): LeaderEpochCache {
  return new LeaderEpochCache(
    entries.map(([epoch, start]) => ({ epoch: toLeaderEpoch(epoch), startOffset: toOffset(start) })),
  )
}

test('an epoch covers offsets from its start to the next one', () => {
  const cache = cacheOf([1, 0], [3, 10], [4, 11])
  assert.deepEqual(
    [0, 9, 10, 11, 500].map((offset) => Number(cache.epochAt(offset))),
    [1, 1, 3, 4, 4],
  )
  assert.equal(cache.startOffsetAt(10), 10)
  assert.equal(cacheOf([2, 5]).epochAt(4), 0)
  assert.equal(new LeaderEpochCache().latestEpoch, 0)
})

test('the end of an epoch is the start of the next newer one', () => {
  const cache = cacheOf([1, 0], [3, 10], [4, 11])
  const end = (epoch: number): unknown => cache.endOffsetFor(epoch, toOffset(20))
  assert.deepEqual(end(1), { epoch: 1, endOffset: 10 })
  assert.deepEqual(end(2), { epoch: 1, endOffset: 10 })
  assert.deepEqual(end(4), { epoch: 4, endOffset: 20 })
  assert.deepEqual(end(9), { epoch: 4, endOffset: 20 })
  assert.equal(end(0), null)
})

test('truncation and deletion keep what is still asked for', () => {
  const cache = cacheOf([1, 0], [3, 10], [4, 11])
  cache.truncateTo(toOffset(11))
  assert.equal(cache.latestEpoch, 3)
  cache.dropBelow(toOffset(10))
  assert.equal(cache.epochAt(9), 1)
  cache.dropBelow(toOffset(11))
  assert.deepEqual(
    cache.entries.map((entry) => Number(entry.epoch)),
    [3],
  )
})

test('an epoch that goes back is an invariant violation', () => {
  assert.throws(() => cacheOf([3, 0], [2, 5]), { name: 'InvariantError' })
  assert.throws(() => cacheOf([3, 5], [4, 5]), { name: 'InvariantError' })
})

test('the checkpoint is the text that Kafka writes, and nothing else is taken for one', () => {
  const { entries } = cacheOf([1, 0], [12, 345])
  const text = encodeEpochCheckpoint(entries)
  assert.equal(text.toString(), '0\n2\n1 0\n12 345\n')
  assert.deepEqual(decodeEpochCheckpoint(text), [...entries])
  assert.deepEqual(decodeEpochCheckpoint(Buffer.from('0\n0\n')), [])
  for (const bad of [
    '',
    '1\n0\n',
    '0\n2\n1 0\n',
    '0\n1\n1 x\n',
    '0\n2\n2 0\n1 5\n',
    '0\n2\n1 5\n2 5\n',
    '0\n1\n-1 0\n',
  ]) {
    assert.equal(decodeEpochCheckpoint(Buffer.from(bad)), null, JSON.stringify(bad))
  }
})
