import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ScrubSchedule } from './scrub-schedule.ts'

const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]

test('copies that were never checked come first, then the one checked longest ago', () => {
  const schedule = new ScrubSchedule<{ name: string }>(100)
  assert.equal(schedule.next([a, b], 0), a)
  schedule.ended(a, 10)
  assert.equal(schedule.next([a, b], 10), b)
  schedule.ended(b, 20)
  assert.equal(schedule.next([a, b, c], 200), c)
  schedule.ended(c, 200)
  assert.equal(schedule.next([b, c, a], 200), a)
})

test('nothing is due before the interval has passed, unless the clock was set back', () => {
  const schedule = new ScrubSchedule<{ name: string }>(100)
  schedule.ended(a, 50)
  assert.equal(schedule.next([a], 149), null)
  assert.equal(schedule.next([a], 150), a)
  assert.equal(schedule.next([a], 49), a)
  assert.equal(schedule.next([], 150), null)
})
