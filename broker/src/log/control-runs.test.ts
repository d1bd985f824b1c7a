import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { ControlRuns } from './control-runs.ts'

function runsOf(...runs: [number, number][]): ControlRuns {
  const result = new ControlRuns()
  for (const [start, end] of runs) result.add(toOffset(start), toOffset(end))
  return result
}

test('adjacent control batches are one run, and the visible end lies before it', () => {
  const runs = runsOf([0, 1], [5, 6], [6, 7], [7, 8])
  assert.equal(runs.runs.length, 2)
  const visible = [0, 1, 2, 5, 6, 7, 8, 9].map((end) => Number(runs.visibleEnd(toOffset(end))))
  assert.deepEqual(visible, [0, 0, 2, 5, 5, 5, 5, 9])
})

test('a truncation inside a run keeps its beginning', () => {
  const runs = runsOf([2, 3], [3, 4], [9, 10])
  runs.truncateTo(toOffset(3))
  assert.deepEqual(runs.runs, [{ start: 2, end: 3 }])
})

test('only the newest runs are remembered', () => {
  const runs = new ControlRuns()
  for (let start = 0; start < 1_000; start += 10) runs.add(toOffset(start), toOffset(start + 1))
  assert.ok(runs.runs.length <= 32)
  assert.equal(runs.visibleEnd(toOffset(991)), 990)
  assert.equal(runs.visibleEnd(toOffset(1)), 1)
})
