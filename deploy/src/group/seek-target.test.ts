import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSeekTarget } from './seek-target.ts'

const NOW_MS = Date.parse('2026-01-31T12:00:00Z')

test('every way to say where a group goes', () => {
  const parse = (text: string): unknown => parseSeekTarget(text, NOW_MS)
  assert.deepEqual(parse('earliest'), 'earliest')
  assert.deepEqual(parse('latest'), 'latest')
  assert.deepEqual(parse('1500'), { offset: 1500 })
  assert.deepEqual(parse('+10'), { shift: 10 })
  assert.deepEqual(parse('-10'), { shift: -10 })
  assert.deepEqual(parse('group:other:one'), { group: 'other:one' })
  assert.deepEqual(parse('2026-01-31T11:00:00Z'), { timestamp: NOW_MS - 3_600_000 })
  assert.deepEqual(parse('@1769860800000'), { timestamp: 1_769_860_800_000 })
  assert.deepEqual(parse('1d2h3m4s5ms'), { timestamp: NOW_MS - 93_784_005 })
})

test('what is no place is refused with the forms there are', () => {
  for (const text of [
    '',
    'begin',
    '1.5',
    '2 h',
    '-2h',
    'h',
    'group:',
    '2026-13-01',
    '@',
    '99999999d',
    '9'.repeat(20),
  ]) {
    assert.throws(() => parseSeekTarget(text, NOW_MS), { code: 'USAGE', hint: /earliest, latest, an offset/ }, text)
  }
})
