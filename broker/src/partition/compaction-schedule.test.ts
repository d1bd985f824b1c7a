import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CompactionCandidate, CompactionSchedule } from './compaction-schedule.ts'

interface Copy {
  readonly name: string
}

const A: Copy = { name: 'a' }
const B: Copy = { name: 'b' }

function candidate(copy: Copy, options: Partial<CompactionCandidate<Copy>> = {}): CompactionCandidate<Copy> {
  return {
    copy,
    dirtyRatio: 0.6,
    isWorthwhile: true,
    hasDueTombstones: false,
    deleteRetentionMs: 86_400_000,
    ...options,
  }
}

test('the dirtiest comes first, tombstones last', () => {
  const schedule = new CompactionSchedule<Copy>(100)
  const tombstones = candidate(A, { isWorthwhile: false, dirtyRatio: 0.4, hasDueTombstones: true })
  assert.equal(schedule.next([candidate(A), candidate(B, { dirtyRatio: 0.9 })], 0), B)
  assert.equal(schedule.next([tombstones, candidate(B, { dirtyRatio: 0 })], 0), B)
  assert.equal(schedule.next([tombstones, candidate(B, { isWorthwhile: false })], 0), A)
  assert.equal(schedule.next([candidate(A, { isWorthwhile: false })], 0), null)
  assert.equal(schedule.next([], 0), null)
})

test('one that has failed waits longer each time, up to a limit, until it succeeds', () => {
  const schedule = new CompactionSchedule<Copy>(100)
  schedule.failed(candidate(A), 0)
  assert.equal(schedule.next([candidate(A)], 99), null)
  assert.equal(schedule.next([candidate(A), candidate(B, { dirtyRatio: 0.1 })], 99), B)
  assert.equal(schedule.next([candidate(A)], 100), A)
  schedule.failed(candidate(A), 100)
  assert.equal(schedule.next([candidate(A)], 299), null)
  assert.equal(schedule.next([candidate(A)], 300), A)
  for (let count = 0; count < 40; count++) schedule.failed(candidate(A), 300)
  assert.equal(schedule.next([candidate(A)], 600_299), null)
  assert.equal(schedule.next([candidate(A)], 600_300), A)
  schedule.ended(candidate(A), 600_300)
  assert.equal(schedule.next([candidate(A)], 600_300), A)
})

test('tombstones that could not go are not tried again at once', () => {
  const schedule = new CompactionSchedule<Copy>(100)
  const due = candidate(A, { isWorthwhile: false, hasDueTombstones: true, deleteRetentionMs: 5000 })
  schedule.ended(due, 0)
  assert.equal(schedule.next([due], 4999), null)
  assert.equal(schedule.next([due], 5000), A)
  const long = { ...due, deleteRetentionMs: 1e12 }
  schedule.ended(long, 5000)
  assert.equal(schedule.next([long], 5000 + 3_599_999), null)
  assert.equal(schedule.next([long], 5000 + 3_600_000), A)
})
