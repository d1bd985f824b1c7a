/** Which records a filter takes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RecordParts, record } from '../test/sink-records.ts'
import { parseWhere, type RecordFilter, toReplayFilter } from './record-filter.ts'

function takes(filter: RecordFilter, parts: RecordParts): boolean {
  const resolved = toReplayFilter(filter)
  return resolved?.where?.(record(parts)) ?? true
}

test('no condition is no filter, times go on as they are', () => {
  assert.equal(toReplayFilter(undefined), undefined)
  assert.equal(toReplayFilter({}), undefined)
  assert.deepEqual(toReplayFilter({ fromTimestampMs: 5, toTimestampMs: 9 }), { fromTimestampMs: 5, toTimestampMs: 9 })
})

test('keys by text and by pattern', () => {
  assert.ok(takes({ keys: ['a', 'b'] }, { key: 'b' }))
  assert.ok(!takes({ keys: ['a', 'b'] }, { key: 'c' }))
  assert.ok(!takes({ keys: ['a'] }, { key: null }))
  assert.ok(takes({ keyPattern: '^a.c$' }, { key: 'abc' }))
  assert.ok(!takes({ keyPattern: '^a.c$' }, { key: 'abcd' }))
  assert.ok(!takes({ keyPattern: '.' }, { key: Buffer.from([0xff]) }))
  assert.throws(() => toReplayFilter({ keyPattern: '(' }), { code: 'INVALID_REQUEST', message: /"\(" is no regular/ })
})

test('headers by name and value, all of them', () => {
  const headers = [
    { key: 'a', value: Buffer.from('1') },
    { key: 'a', value: Buffer.from('2') },
    { key: 'n', value: null },
  ]
  assert.ok(takes({ headers: [{ name: 'a', value: '2' }, { name: 'n' }] }, { headers }))
  assert.ok(!takes({ headers: [{ name: 'a', value: '3' }] }, { headers }))
  assert.ok(!takes({ headers: [{ name: 'b' }] }, { headers }))
})

test('conditions on JSON values', () => {
  const value = '{"n":5,"s":"x=1","b":true,"z":null,"o":{"p":["q",{"r":7}]},"big":12345678901234567890}'
  const meets = (...conditions: string[]): boolean => takes({ where: conditions.map(parseWhere) }, { value })
  for (const condition of [
    'n=5',
    'n>4',
    'n>=5',
    'n<=5',
    'n<6',
    'n!=4',
    's=x=1',
    's~^x',
    'b=true',
    'z=null',
    'o.p.1.r=7',
    'o.p.0=q',
    ' n = 5 ',
  ]) {
    assert.ok(meets(condition), condition)
  }
  for (const condition of [
    'n=6',
    'n="5"',
    'n>5',
    's>5',
    'b=false',
    'missing=1',
    'missing!=1',
    'o.p.2=1',
    's~^y',
    'toString=1',
  ]) {
    assert.ok(!meets(condition), condition)
  }
  assert.ok(!meets('n=5', 'n=6'))
  assert.ok(!takes({ where: [parseWhere('a=1')] }, { value: 'no json' }))
  assert.ok(!takes({ where: [parseWhere('a=1')] }, { value: null }))
  for (const wrong of ['', 'a', '=5', 'a..b=5']) {
    assert.throws(() => parseWhere(wrong), { code: 'INVALID_REQUEST', hint: /FIELD=VALUE/ }, wrong)
  }
})
