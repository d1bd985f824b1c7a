import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadLedger } from './read-ledger.ts'

test('records are counted by member, and those that come again are noticed', () => {
  const ledger = new ReadLedger()
  const record = { topic: 't', key: Buffer.from('k'), value: Buffer.from('vv') }
  for (const offset of [0, 1, 3]) ledger.add('a', { ...record, partition: 0, offset })
  ledger.add('b', { ...record, partition: 1, offset: 7 })
  assert.equal(ledger.repeatedCount, 0)
  // The partition has moved, and its new owner reads the last record again.
  ledger.add('b', { ...record, partition: 0, offset: 3 })
  ledger.add('b', { ...record, partition: 0, offset: 4 })
  assert.equal(ledger.repeatedCount, 1)
  assert.deepEqual([ledger.recordCount, ledger.bytes], [6, 18])
  assert.deepEqual([ledger.countOf('a'), ledger.countOf('b'), ledger.countOf('c')], [3, 3, 0])
  assert.deepEqual(ledger.samples, ['t-0@0  k  vv', 't-1@7  k  vv'])
})
