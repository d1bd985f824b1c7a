import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RepairSchedule } from './repair-schedule.ts'

/** Times at which a copy that stays out is tried, when asked every 100 ms. */
function tries(schedule: RepairSchedule, fromMs: number, untilMs: number): number[] {
  const times: number[] = []
  for (let nowMs = fromMs; nowMs < untilMs; nowMs += 100) if (schedule.isDue('a', nowMs)) times.push(nowMs - fromMs)
  return times
}

test('a copy that stays out is tried after twice as long each time, up to a minute', () => {
  const times = tries(new RepairSchedule(() => 0), 0, 300_000)
  assert.deepEqual(times, [1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000, 183_000, 243_000])
})

test('chance shortens a delay by half at most', () => {
  const times = tries(new RepairSchedule(() => 0.999), 0, 10_000)
  assert.deepEqual(times, [600, 1700, 3800, 7900])
})

test('a copy that has worked for long, or is new, begins anew; a clock that was set back delays nothing', () => {
  const schedule = new RepairSchedule(() => 0)
  tries(schedule, 0, 100_000)
  assert.equal(tries(schedule, 1_000_000, 1_005_000)[0], 1000)
  assert.equal(tries(schedule, 500, 5000)[0], 1000)
  schedule.forget('a')
  assert.equal(tries(schedule, 5000, 9000)[0], 1000)
})
