import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OffsetAnswer } from '@stratalog/client'
import type { RecordPosition } from '../input/record-position.ts'
import { choosePartitions, planQueries, planRanges, type ReadRequest } from './read-plan.ts'

function request(from: RecordPosition, until: RecordPosition | null, follow = false): ReadRequest {
  return { topic: 't', from, until, follow }
}

function answer(offset: number | null): OffsetAnswer {
  const bounds = { logStartOffset: 10, visibleEnd: 100, highWatermark: 101, leaderEpoch: 1, timestamp: null }
  return { topic: 't', partition: 0, error: null, offset, ...bounds }
}

function range(from: RecordPosition, until: RecordPosition | null, follow = false, answers = [10, 100]): unknown {
  const [start = 0, end = 0] = answers
  const [only] = planRanges(request(from, until, follow), [answer(start), answer(end)])
  return [only?.start, only?.end]
}

const EARLIEST: RecordPosition = { kind: 'earliest' }
const LATEST: RecordPosition = { kind: 'latest' }
const at = (offset: number): RecordPosition => ({ kind: 'offset', offset })
const TIME: RecordPosition = { kind: 'timestamp', timestampMs: 5 }

test('every form of beginning and end', () => {
  assert.deepEqual(range(EARLIEST, null), [10, 100])
  assert.deepEqual(range(LATEST, null), [100, 100])
  assert.deepEqual(range(at(50), at(60)), [50, 60])
  assert.deepEqual(range(at(50), at(500)), [50, 100])
  assert.deepEqual(range(at(50), at(20)), [50, 50])
  assert.deepEqual(range(EARLIEST, EARLIEST), [10, 10])
  assert.deepEqual(range(TIME, TIME, false, [30, 40]), [30, 40])
  assert.deepEqual(range(at(100), null), [100, 100])
})

test('following has no end, or one that need not exist yet', () => {
  assert.deepEqual(range(EARLIEST, null, true), [10, null])
  assert.deepEqual(range(EARLIEST, at(500), true), [10, 500])
  assert.throws(() => planQueries(request(EARLIEST, TIME, true), [0]), { code: 'USAGE' })
})

test('a time later than every record is the end', () => {
  const [only] = planRanges(request(TIME, null), [answer(null), answer(100)])
  assert.deepEqual(only, { partition: 0, start: 100, end: 100 })
})

test('an offset that does not exist is an error that says what does', () => {
  for (const offset of [9, 101]) {
    assert.throws(() => range(at(offset), null), { code: 'OFFSET_OUT_OF_RANGE', message: /holds 10 to 100/ })
  }
})

test('partitions are chosen once each, and must exist', () => {
  assert.deepEqual(choosePartitions('t', [0, 1, 2]), [0, 1, 2])
  assert.deepEqual(choosePartitions('t', [0, 1, 2], [2, 0, 2]), [2, 0])
  assert.throws(() => choosePartitions('t', [0, 1], [2]), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
})
