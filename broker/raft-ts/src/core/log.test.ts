/** Unit tests of log.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MemoryStorage } from '../memory-storage.ts'
import type { Entry } from './entry.ts'
import { RaftInvariantError } from './invariant.ts'
import { RaftLog, TERM_COMPACTED, TERM_UNAVAILABLE } from './log.ts'

/** A log of spans with these lengths and terms, the first `stored` of them in storage. */
function logOf(spans: readonly { length: number; term: number }[], stored: number): RaftLog<string> {
  const entries: Entry<string>[] = []
  let base = 0
  for (const { length, term } of spans) {
    entries.push({ base, end: base + length, term, kind: 'data', bytes: 1, data: '', change: null })
    base += length
  }
  const storage = new MemoryStorage<string>()
  storage.append(entries.slice(0, stored))
  const log = new RaftLog(storage, storage.initialState(), Number.POSITIVE_INFINITY)
  log.append(entries.slice(stored))
  return log
}

const spansArbitrary = fc
  .array(fc.record({ length: fc.integer({ min: 1, max: 4 }), rise: fc.integer({ min: 0, max: 2 }) }), { maxLength: 12 })
  .map((items) => {
    let term = 1
    return items.map(({ length, rise }) => {
      term += rise
      return { length, term }
    })
  })

test('terms, boundaries and slices are the same wherever the log is kept', () => {
  fc.assert(
    fc.property(spansArbitrary, fc.nat(12), (spans, split) => {
      const whole = logOf(spans, 0)
      const parted = logOf(spans, Math.min(split, spans.length))
      for (let position = 0; position <= whole.lastEnd(); position++) {
        assert.equal(parted.termAt(position), whole.termAt(position))
        assert.equal(parted.boundaryAtOrBelow(position), whole.boundaryAtOrBelow(position))
      }
      assert.deepEqual(parted.slice(0, whole.lastEnd(), 1e9), whole.slice(0, whole.lastEnd(), 1e9))
    }),
  )
})

test('the last position of at most a term is what a walk from the end finds', () => {
  fc.assert(
    fc.property(spansArbitrary, fc.nat(30), fc.integer({ min: 1, max: 20 }), (spans, at, term) => {
      const log = logOf(spans, spans.length >> 1)
      const from = Math.min(at, log.lastEnd())
      let walked = log.boundaryAtOrBelow(from)
      while (walked > 0 && log.termAt(walked) > term) walked = log.boundaryAtOrBelow(walked - 1)
      assert.equal(log.lastAtMostTerm(from, term), log.termAt(from) <= term ? from : walked)
    }),
  )
})

test('outside the log there are no terms', () => {
  const log = logOf([{ length: 3, term: 1 }], 1)
  assert.equal(log.termAt(4), TERM_UNAVAILABLE)
  const { storage } = log
  if (storage instanceof MemoryStorage) storage.compactTo(3)
  assert.equal(log.termAt(2), TERM_COMPACTED)
  assert.equal(log.slice(0, 3, 100), 'compacted')
})

test('what is committed is never replaced, and never past the end', () => {
  const log = logOf(
    [
      { length: 2, term: 1 },
      { length: 2, term: 1 },
    ],
    0,
  )
  log.commitTo(2)
  assert.equal(log.commitTo(1), false)
  assert.equal(log.committed, 2)
  assert.throws(() => log.commitTo(5), RaftInvariantError)
  const entry: Entry<string> = { base: 0, end: 2, term: 3, kind: 'data', bytes: 1, data: '', change: null }
  assert.throws(() => log.append([entry]), RaftInvariantError)
})

test('a write over what was handed out says what it cuts', () => {
  const log = logOf(
    [
      { length: 2, term: 1 },
      { length: 2, term: 1 },
    ],
    1,
  )
  assert.equal(log.takeEntries().truncateTo, null)
  log.append([{ base: 2, end: 3, term: 2, kind: 'data', bytes: 1, data: '', change: null }])
  assert.equal(log.takeEntries().truncateTo, 2)
})
