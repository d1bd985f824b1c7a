import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOffset } from '@stratalog/proto'
import { type CompactionSegment, isWorthwhile, planCompaction } from './compaction-plan.ts'

const CONFIG = { minCompactionLagMs: 0, deleteRetentionMs: 1000, minCleanableDirtyRatio: 0.5 }
const NOW_MS = 100_000

function segment(endOffset: number, options: Partial<CompactionSegment> = {}): CompactionSegment {
  return { endOffset: toOffset(endOffset), sizeBytes: 100, maxTimestamp: 5, sealedAtMs: 10, cleaned: null, ...options }
}

function plan(
  segments: readonly CompactionSegment[],
  options: { cleanedEnd?: number; committedEnd?: number; config?: Partial<typeof CONFIG> } = {},
) {
  const { cleanedEnd = 0, committedEnd = 1000, config } = options
  return planCompaction(segments, toOffset(cleanedEnd), { ...CONFIG, ...config }, NOW_MS, toOffset(committedEnd))
}

test('the active segment, and what is not committed, are left alone', () => {
  const segments = [segment(10), segment(20), segment(30, { sealedAtMs: null })]
  assert.equal(plan(segments).end, 20)
  assert.equal(plan(segments, { committedEnd: 19 }).end, 10)
  assert.equal(plan(segments, { committedEnd: 5 }).end, 0)
})

test('the dirty part is measured against all that may be compacted', () => {
  const segments = [segment(10), segment(20), segment(30), segment(40, { sealedAtMs: null })]
  assert.equal(plan(segments).dirtyRatio, 1)
  const half = plan(segments, { cleanedEnd: 10 })
  assert.deepEqual([half.cleanedEnd, half.end, half.dirtyRatio], [10, 30, 2 / 3])
  assert.equal(isWorthwhile(half, CONFIG), true)
  assert.equal(isWorthwhile(half, { ...CONFIG, minCleanableDirtyRatio: 0.7 }), false)
  const none = plan(segments, { cleanedEnd: 30 })
  assert.deepEqual([none.end, none.dirtyRatio], [30, 0])
  assert.equal(isWorthwhile(none, { ...CONFIG, minCleanableDirtyRatio: 0 }), false)
  // A round that the map was too small for ended inside of a segment.
  assert.equal(plan(segments, { cleanedEnd: 15 }).dirtyRatio, 2 / 3)
})

test('what is younger than the lag, and all behind it, waits', () => {
  const segments = [segment(10), segment(20, { maxTimestamp: NOW_MS - 10, sealedAtMs: NOW_MS }), segment(30)]
  assert.equal(plan(segments, { config: { minCompactionLagMs: 11 } }).end, 10)
  assert.equal(plan(segments, { config: { minCompactionLagMs: 10 } }).end, 30)
  // A date in the future counts as no later than the sealing.
  const future = [segment(10, { maxTimestamp: NOW_MS * 2, sealedAtMs: NOW_MS - 10 })]
  assert.equal(plan(future, { config: { minCompactionLagMs: 10 } }).end, 10)
  assert.equal(plan(future, { config: { minCompactionLagMs: 11 } }).end, 0)
  // Without any date it is the sealing.
  const undated = [segment(10, { maxTimestamp: -1, sealedAtMs: NOW_MS - 10 })]
  assert.equal(plan(undated, { config: { minCompactionLagMs: 11 } }).end, 0)
})

test('tombstones are due when their segment was compacted long enough ago', () => {
  const at = (atMs: number, tombstoneCount: number) => [segment(10, { cleaned: { atMs, tombstoneCount } }), segment(20)]
  assert.equal(plan(at(NOW_MS - 1000, 1), { cleanedEnd: 10 }).hasDueTombstones, true)
  assert.equal(plan(at(NOW_MS - 999, 1), { cleanedEnd: 10 }).hasDueTombstones, false)
  assert.equal(plan(at(NOW_MS - 1000, 0), { cleanedEnd: 10 }).hasDueTombstones, false)
})
