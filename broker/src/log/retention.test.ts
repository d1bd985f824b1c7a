import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { type RetentionSegment, retentionStart } from './retention.ts'

function segment(endOffset: number, maxTimestamp: number, sealedAtMs: number | null = 10_000): RetentionSegment {
  return { endOffset: toOffset(endOffset), sizeBytes: 100, maxTimestamp, sealedAtMs }
}

const NONE = { retentionMs: -1, retentionBytes: -1 }
const END = toOffset(1_000)

test('age: the oldest go as long as each is too old', () => {
  const segments = [segment(10, 100), segment(20, 200), segment(30, 150), segment(40, 400, null)]
  const start = (nowMs: number): number | null => retentionStart(segments, { ...NONE, retentionMs: 50 }, nowMs, END)
  assert.equal(start(150), null)
  assert.equal(start(151), 10)
  assert.equal(start(250), 10)
  assert.equal(start(251), 30)
  assert.equal(start(451), 40)
})

test('size: the oldest go as long as enough stays', () => {
  const segments = [segment(10, 1), segment(20, 1), segment(30, 1), segment(40, 1, null)]
  const start = (retentionBytes: number): number | null => retentionStart(segments, { ...NONE, retentionBytes }, 0, END)
  assert.equal(start(400), null)
  assert.equal(start(300), 10)
  assert.equal(start(150), 20)
  // Size never takes the active segment.
  assert.equal(start(0), 30)
})

test('nothing above the high watermark goes', () => {
  const segments = [segment(10, 1), segment(20, 1), segment(30, 1, null)]
  assert.equal(retentionStart(segments, { retentionMs: 0, retentionBytes: 0 }, 99_999, toOffset(19)), 10)
})

test('records from the future and records without a time do not keep a segment for ever', () => {
  const segments = [segment(10, 9e15, 1_000), segment(20, -1, 1_000), segment(30, -1, null)]
  assert.equal(retentionStart(segments, { ...NONE, retentionMs: 500 }, 1_501, END), 20)
  assert.equal(retentionStart(segments, { ...NONE, retentionMs: 500 }, 1_500, END), null)
})
