import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError } from '@stratalog/proto'
import { ByteBudget } from './byte-budget.ts'

test('a budget is over from its limit on; waiters wake at half of it, once, all of them', () => {
  const budget = new ByteBudget(100)
  budget.take(99)
  assert.equal(budget.isOver, false)
  budget.take(1)
  assert.equal(budget.isOver, true)
  const woken: string[] = []
  budget.whenHalf(() => woken.push('a'))
  budget.whenHalf(() => woken.push('b'))
  budget.give(49)
  assert.deepEqual(woken, [])
  budget.give(1)
  assert.deepEqual(woken, ['a', 'b'])
  budget.give(50)
  assert.deepEqual(woken, ['a', 'b'])
  assert.equal(budget.usedBytes, 0)
})

test('a waiter may take and wait again while others are being woken', () => {
  const budget = new ByteBudget(10)
  const woken: string[] = []
  budget.take(10)
  budget.whenHalf(() => {
    woken.push('greedy')
    budget.take(10)
    budget.whenHalf(() => woken.push('greedy again'))
  })
  budget.whenHalf(() => woken.push('patient'))
  budget.give(10)
  assert.deepEqual(woken, ['greedy', 'patient'])
  budget.give(10)
  assert.deepEqual(woken, ['greedy', 'patient', 'greedy again'])
})

test('giving back more than was taken, or waiting for room that is there, is a broken invariant', () => {
  const budget = new ByteBudget(10)
  assert.throws(() => budget.give(1), InvariantError)
  assert.throws(() => new ByteBudget(10).whenHalf(() => {}), InvariantError)
})
