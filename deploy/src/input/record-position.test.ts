import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRecordPosition } from './record-position.ts'

test('reads every form', () => {
  assert.deepEqual(parseRecordPosition('--from', 'earliest'), { kind: 'earliest' })
  assert.deepEqual(parseRecordPosition('--from', 'latest'), { kind: 'latest' })
  assert.deepEqual(parseRecordPosition('--from', '0'), { kind: 'offset', offset: 0 })
  assert.deepEqual(parseRecordPosition('--from', '@1769860800000'), { kind: 'timestamp', timestampMs: 1769860800000 })
  assert.deepEqual(parseRecordPosition('--from', '@2026-01-31T12:00:00Z'), {
    kind: 'timestamp',
    timestampMs: 1769860800000,
  })
})

test('refuses what is none, naming the option and the value', () => {
  for (const text of ['', 'first', '-1', '1.5', '@', '@5th', '@soon', '99999999999999999999', '@2026-13-01']) {
    assert.throws(() => parseRecordPosition('--until', text), {
      code: 'USAGE',
      message: `--until ${JSON.stringify(text)} is not a position`,
    })
  }
})
