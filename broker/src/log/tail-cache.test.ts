import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { dataBatch } from '../testing/batches.ts'
import { PartitionTail, TailBudget } from './tail-cache.ts'

const SIZE = dataBatch({ baseOffset: 0 }).length

function push(tail: PartitionTail, from: number, count: number): void {
  for (let offset = from; offset < from + count; offset++) tail.push(dataBatch({ baseOffset: offset }))
}

function firstRead(tail: PartitionTail, from: number): number | null {
  return tail.read(toOffset(from), toOffset(1_000), 1e9, true)?.length ?? null
}

test('the oldest written batches of all partitions go first, pending ones stay', () => {
  const budget = new TailBudget(SIZE * 10)
  const [one, two] = [new PartitionTail(budget), new PartitionTail(budget)]
  push(one, 0, 6)
  push(two, 0, 6)
  assert.equal(budget.sizeBytes, SIZE * 12)
  one.markWritten(6)
  assert.equal(budget.sizeBytes, SIZE * 10)
  assert.equal(firstRead(one, 1), null)
  assert.equal(firstRead(one, 2), 4)
  push(two, 6, 6)
  one.markWritten(0)
  assert.equal(firstRead(one, 5), null)
  assert.equal(two.pendingCount, 12)
  assert.equal(firstRead(two, 0), 12)
  two.markWritten(12)
  assert.ok(budget.sizeBytes <= SIZE * 10)
  assert.ok(firstRead(two, 11) !== null)
})

test('a partition that cannot write does not keep the memory of others', () => {
  const budget = new TailBudget(SIZE * 4)
  const [stuck, busy] = [new PartitionTail(budget), new PartitionTail(budget)]
  push(stuck, 0, 2)
  for (let round = 0; round < 5_000; round++) {
    push(busy, round, 1)
    busy.markWritten(1)
    assert.ok(budget.sizeBytes <= SIZE * 4)
  }
  assert.equal(firstRead(stuck, 0), 2)
})

test('truncation drops from the end and tells pending from written', () => {
  const budget = new TailBudget(SIZE * 100)
  const tail = new PartitionTail(budget)
  push(tail, 0, 6)
  tail.markWritten(4)
  assert.equal(tail.truncateTo(toOffset(3)), 2)
  assert.equal(tail.pendingCount, 0)
  assert.equal(budget.sizeBytes, SIZE * 3)
  push(tail, 3, 1)
  assert.equal(tail.pendingBytes, SIZE)
  assert.equal(firstRead(tail, 0), 4)
  tail.clear()
  assert.equal(budget.sizeBytes, 0)
  assert.equal(firstRead(tail, 0), null)
})
