import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { LatencyHistogram } from './latency-histogram.ts'

test('percentiles are within three figures', () => {
  const histogram = new LatencyHistogram()
  for (let us = 1; us <= 10_000; us++) histogram.record(us * 1000)
  const { count, p50, p99, p999, max } = histogram.summary()
  equal(count, 10_000)
  for (const [found, expected] of [
    [p50, 5000],
    [p99, 9900],
    [p999, 9990],
    [max, 10_000],
  ] as const) {
    ok(Math.abs(found / expected - 1) < 0.002, `${found} is not ${expected}`)
  }
})

test('takes what is out of range to its edge, and is all zero when empty', () => {
  deepEqual(new LatencyHistogram().summary(), { count: 0, min: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 })
  const histogram = new LatencyHistogram()
  histogram.record(-5)
  histogram.record(1e12)
  const { min, max } = histogram.summary()
  equal(min, 0.001)
  ok(Math.abs(max / 60e6 - 1) < 0.002)
})
