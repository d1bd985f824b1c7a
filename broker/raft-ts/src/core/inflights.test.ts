/** Unit tests of inflights.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inflights } from './inflights.ts'
import { RaftInvariantError } from './invariant.ts'

test('the window fills by count and by bytes, and frees in order', () => {
  const window = new Inflights(3, 100)
  window.add(1, 10)
  window.add(5, 20)
  assert.equal(window.full(), false)
  window.add(9, 1)
  assert.ok(window.full())
  assert.throws(() => window.add(10, 1), RaftInvariantError)
  window.freeUpTo(5)
  assert.equal(window.count, 1)
  window.add(12, 200)
  assert.ok(window.full())
  window.freeUpTo(12)
  assert.equal(window.count, 0)
})

test('it knows the ends in flight, also after wrapping around', () => {
  const window = new Inflights(64, Number.POSITIVE_INFINITY)
  for (let end = 1; end <= 40; end++) {
    window.add(end * 3, 1)
    if (end > 10) window.freeUpTo((end - 10) * 3)
  }
  for (let end = 31 * 3; end <= 40 * 3; end++) assert.equal(window.endAtOrBelow(end), end - (end % 3))
  assert.equal(window.endAtOrBelow(90), 0)
  window.reset()
  assert.equal(window.endAtOrBelow(120), 0)
})

test('after a setback the window opens anew, one more with each message that arrives', () => {
  const window = new Inflights(4, Number.POSITIVE_INFINITY)
  window.narrow()
  let end = 0
  const sent: number[] = []
  for (let round = 0; round < 5; round++) {
    let count = 0
    for (; !window.full(); count++) window.add(++end, 1)
    sent.push(count)
    window.freeUpTo(end)
  }
  assert.deepEqual(sent, [1, 2, 4, 4, 4])
  window.narrow()
  window.widen()
  window.add(++end, 1)
  assert.equal(window.full(), false)
})
