/** Unit tests of unstable-log.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { confStateOf } from './conf-change.ts'
import type { Entry } from './entry.ts'
import { RaftInvariantError } from './invariant.ts'
import { TERM_UNKNOWN, UnstableLog } from './unstable-log.ts'

function entry(base: number, end: number, term: number): Entry<string> {
  return { base, end, term, kind: 'data', bytes: 1, data: `${base}`, change: null }
}

function ends(entries: readonly Entry<string>[]): string {
  return entries.map((item) => `${item.end}@${item.term}`).join(' ')
}

test('spans are found by any position within them', () => {
  const log = new UnstableLog<string>(10)
  log.truncateAndAppend([entry(10, 13, 1), entry(13, 14, 1), entry(14, 20, 2)])
  assert.deepEqual(
    [11, 13, 14, 15, 20].map((position) => log.termAt(position)),
    [1, 1, 1, 2, 2],
  )
  assert.deepEqual(
    [10, 12, 13, 19, 20].map((position) => log.boundaryAtOrBelow(position)),
    [10, 10, 13, 14, 20],
  )
  assert.equal(log.termAt(21), TERM_UNKNOWN)
  assert.equal(ends(log.slice(13, 20)), '14@1 20@2')
  assert.throws(() => log.slice(12, 20), RaftInvariantError)
})

test('entries are handed out once, and those that replace them again', () => {
  const log = new UnstableLog<string>(0)
  log.truncateAndAppend([entry(0, 1, 1), entry(1, 2, 1), entry(2, 3, 1)])
  assert.equal(ends(log.takeEntries()), '1@1 2@1 3@1')
  assert.equal(log.hasNewEntries(), false)
  log.truncateAndAppend([entry(1, 4, 2)])
  assert.equal(ends(log.takeEntries()), '4@2')
})

test('a write attests only what is still there: the term counts, not the position alone', () => {
  const log = new UnstableLog<string>(0)
  log.truncateAndAppend([entry(0, 1, 1), entry(1, 2, 1)])
  log.takeEntries()
  log.truncateAndAppend([entry(1, 2, 3)])
  assert.equal(log.stableTo(2, 1), 'replaced')
  assert.equal(log.from, 0)
  assert.equal(log.stableTo(2, 3), 'stable')
  assert.equal(log.stableTo(2, 3), 'already-stable')
  assert.equal(log.termAt(2), 3)
})

test('replacing from below what storage holds starts over there', () => {
  const log = new UnstableLog<string>(5)
  log.truncateAndAppend([entry(5, 6, 1)])
  log.truncateAndAppend([entry(3, 9, 2)])
  assert.equal(log.from, 3)
  assert.equal(log.termAt(3), TERM_UNKNOWN)
  assert.equal(ends(log.takeEntries()), '9@2')
})

test('a gap is an impossible state', () => {
  const log = new UnstableLog<string>(0)
  log.truncateAndAppend([entry(0, 1, 1)])
  assert.throws(() => log.truncateAndAppend([entry(2, 3, 1)]), RaftInvariantError)
})

test('many small entries come and go', () => {
  const log = new UnstableLog<string>(0)
  for (let end = 1; end <= 1000; end++) {
    log.truncateAndAppend([entry(end - 1, end, 1)])
    log.takeEntries()
    if (end > 50) assert.equal(log.stableTo(end - 50, 1), 'stable')
  }
  assert.equal(log.from, 950)
  assert.equal(log.slice(950, 1000).length, 50)
})

test('a snapshot takes the place of everything', () => {
  const log = new UnstableLog<string>(0)
  log.truncateAndAppend([entry(0, 3, 1)])
  const snapshot = { position: 9, term: 4, confState: confStateOf([1]), confPosition: 9, data: null }
  log.restore(snapshot)
  assert.deepEqual([log.lastEnd(), log.termAt(9), log.takeSnapshot()], [9, 4, snapshot])
  assert.equal(log.takeSnapshot(), null)
  log.stableSnapshotTo(9)
  assert.equal(log.snapshot, null)
  assert.equal(log.termAt(9), 4)
})
