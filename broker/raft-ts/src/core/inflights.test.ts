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
  for (let end = 31 * 3; end <= 40 * 3; end++) assert.equal(window.endsAt(end), end % 3 === 0)
  assert.equal(window.endsAt(90), false)
  window.reset()
  assert.equal(window.endsAt(120), false)
})
