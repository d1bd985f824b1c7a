import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type InputShape, readInputRecord } from './input-record.ts'

const LINES: InputShape = { format: 'lines', keySeparator: null, keyField: null, headers: [], partition: undefined }
const JSONL: InputShape = { ...LINES, format: 'jsonl' }

test('a plain line is the value, byte for byte', () => {
  const line = Buffer.from([0xff, 0x00, 0x0d])
  const record = readInputRecord(line, 1, LINES)
  assert.deepEqual(record.value, line)
  assert.equal(record.key, null)
  assert.deepEqual(readInputRecord(Buffer.alloc(0), 1, LINES).value, Buffer.alloc(0))
})

test('a separator cuts at its first place and may be several bytes', () => {
  const record = readInputRecord(Buffer.from('k::v::w'), 1, { ...LINES, keySeparator: Buffer.from('::') })
  assert.equal(String(record.key), 'k')
  assert.equal(String(record.value), 'v::w')
  assert.throws(() => readInputRecord(Buffer.from('none'), 7, { ...LINES, keySeparator: Buffer.from('::') }), {
    code: 'INPUT_INVALID',
    message: 'line 7 has no key separator "::"',
  })
})

test('a key field is read from the line while the value keeps its bytes', () => {
  const line = Buffer.from('{ "origin":"ABQ",  "delay": 3 }')
  assert.equal(String(readInputRecord(line, 1, { ...LINES, keyField: 'origin' }).key), 'ABQ')
  assert.equal(String(readInputRecord(line, 1, { ...LINES, keyField: 'delay' }).key), '3')
  assert.deepEqual(readInputRecord(line, 1, { ...LINES, keyField: 'origin' }).value, line)
  assert.throws(() => readInputRecord(line, 2, { ...LINES, keyField: 'gate' }), /line 2 has no field "gate"/)
})

test('jsonl spells out every part', () => {
  const text = '{"key":"k","value":{"a":1},"headers":{"h":"x","n":null},"timestamp":5,"partition":2}'
  const record = readInputRecord(Buffer.from(text), 1, JSONL)
  assert.equal(String(record.key), 'k')
  assert.equal(String(record.value), '{"a":1}')
  assert.deepEqual(record.headers, [
    { key: 'h', value: Buffer.from('x') },
    { key: 'n', value: null },
  ])
  assert.equal(record.timestamp, 5)
  assert.equal(record.partition, 2)
})

test('jsonl carries arbitrary bytes, tombstones and repeated headers', () => {
  const text = '{"keyBase64":"/w==","value":null,"headers":[{"key":"h","value":"1"},{"key":"h","valueBase64":"AA=="}]}'
  const record = readInputRecord(Buffer.from(text), 1, JSONL)
  assert.deepEqual(record.key, Buffer.from([0xff]))
  assert.equal(record.value, null)
  assert.deepEqual(record.headers, [
    { key: 'h', value: Buffer.from('1') },
    { key: 'h', value: Buffer.from([0]) },
  ])
})

test('jsonl refuses what it would have to guess', () => {
  const refused: [string, RegExp][] = [
    ['nonsense', /line 3 is not JSON/],
    ['[]', /not a JSON object/],
    ['{"vlaue":1}', /unknown field "vlaue"/],
    ['{"value":"x","timestamp":"soon"}', /timestamp that is not an integer/],
    ['{"value":"x","partition":-1}', /partition that is not an integer/],
    ['{"valueBase64":"?"}', /valueBase64 that is not base64/],
    ['{"value":"x","headers":[{"value":"x"}]}', /header without a "key"/],
  ]
  for (const [text, complaint] of refused) assert.throws(() => readInputRecord(Buffer.from(text), 3, JSONL), complaint)
})
