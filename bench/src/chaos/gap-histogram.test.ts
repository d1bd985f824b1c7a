import assert from 'node:assert/strict'
import { test } from 'node:test'
import { percentile, renderGaps } from './gap-histogram.ts'

test('percentiles are values that occurred', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index)
  assert.deepEqual(
    [0.01, 0.5, 0.99, 1].map((share) => percentile(values, share)),
    [1, 50, 99, 100],
  )
  assert.equal(percentile([7], 0.5), 7)
  assert.ok(Number.isNaN(percentile([], 0.5)))
})

test('the histogram shows the buckets between the least and the greatest', () => {
  assert.equal(renderGaps('deaths', [3, 40, 45, 99_000]).split('\n').length, 1 + 14)
  assert.match(
    renderGaps('deaths', [40, 45]),
    /^deaths: 2 gaps, p50 40\.0 ms, p99 45\.0 ms, max 45\.0 ms\n +up to 50 ms +2 +#+$/,
  )
})
