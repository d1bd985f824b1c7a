/** Columns: found, given, and what fits them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { record } from '../test/sink-records.ts'
import { type Column, checkSchema, columnsOf, type OutputSchema, parseFields } from './columns.ts'
import { parseJsonExact } from './json-value.ts'
import { type Cell, RowShaper } from './row-shaper.ts'
import { SchemaInference } from './schema-inference.ts'

function inferred(...values: string[]): Record<string, string> {
  const inference = new SchemaInference()
  for (const value of values) inference.add(parseJsonExact(value))
  return Object.fromEntries(inference.fields().map(({ name, type }) => [name, type]))
}

function shape(fields: readonly Column[], value: string | null): { reason: string | null; row: readonly Cell[] } {
  const shaper = new RowShaper({ mode: 'json', fields, place: false }, 3)
  const reason = shaper.shape(record({ value }))
  return { reason, row: shaper.row }
}

test('each field gets the narrowest type that holds its values, in the order of the first meeting', () => {
  const first = '{"i":1,"d":1.5,"s":"x","b":true,"l":[1],"o":{},"n":null}'
  const all = { i: 'int64', d: 'double', s: 'string', b: 'boolean', l: 'json', o: 'json', n: 'json' }
  assert.deepEqual(inferred(first), all)
  assert.deepEqual(Object.keys(inferred(first, '{"z":1,"i":2}')), ['i', 'd', 's', 'b', 'l', 'o', 'n', 'z'])
  assert.deepEqual(inferred('{"a":1}', '{"a":1.5}', '{"a":null}'), { a: 'double' })
  assert.deepEqual(inferred('{"a":1}', '{"a":"x"}'), { a: 'json' })
  assert.deepEqual(inferred('{"a":null}', '{"a":"x"}'), { a: 'string' })
  assert.deepEqual(inferred('{"a":9007199254740993}'), { a: 'int64' })
  assert.deepEqual(inferred('{"a":9007199254740993}', '{"a":0.5}'), { a: 'json' }, 'a double would lose a digit')
  assert.deepEqual(inferred('{"a":99999999999999999999}'), { a: 'json' }, 'beyond 64 bits')
})

test('integers keep every digit', () => {
  const fields = parseFields('a:int64,b:json,c:double')
  assert.deepEqual(
    shape(fields, '{"a":9223372036854775807,"b":{"x":[12345678901234567890]},"c":9007199254740992}').row,
    [9223372036854775807n, '{"x":[12345678901234567890]}', 9007199254740992],
  )
  assert.match(shape(fields, '{"a":9223372036854775808}').reason ?? '', /field a is 9223372036854775808, .* int64/)
  assert.match(shape(fields, '{"c":9007199254740993}').reason ?? '', /field c .* double/)
})

test('what does not fit says why, and nothing of it is taken', () => {
  const fields = parseFields('a:int64,b:boolean,t:timestamp,n:int32')
  const reasons: [string | null, RegExp][] = [
    [null, /null \(a tombstone\)/],
    ['{"a"', /not JSON/],
    ['[1]', /no object/],
    ['5', /no object/],
    ['{"a":1.5}', /field a is 1.5, the column is int64/],
    ['{"a":"1"}', /field a is "1"/],
    ['{"b":0}', /field b is 0, the column is boolean/],
    ['{"a":1,"extra":2}', /field extra is not in the schema/],
    ['{"t":"yesterday"}', /field t/],
    ['{"t":"2026-01-01T00:00:00"}', /field t/],
    ['{"n":2147483648}', /field n is 2147483648, the column is int32/],
  ]
  for (const [value, reason] of reasons) assert.match(shape(fields, value).reason ?? 'it fits', reason)
  const fitting = shape(fields, '{"t":"2026-01-01T00:00:00Z","n":-5,"b":null}')
  assert.deepEqual(fitting, { reason: null, row: [null, null, Date.UTC(2026, 0, 1), -5] })
  const shaper = new RowShaper({ mode: 'text', fields: [], place: true }, 0)
  assert.match(shaper.shape(record({ key: Buffer.from([0xff]) })) ?? '', /key is not UTF-8/)
  assert.match(shaper.shape(record({ value: Buffer.from([0xc3]) })) ?? '', /value is not UTF-8/)
})

test('what every object inherits is no field', () => {
  const fields = parseFields('constructor:string,__proto__:string,toString:string')
  assert.deepEqual(shape(fields, '{}'), { reason: null, row: [null, null, null] })
  assert.deepEqual(shape(fields, '{"constructor":"a","__proto__":"b"}').row, ['a', 'b', null])
})

test('columns of the place come first, and headers are JSON', () => {
  const schema: OutputSchema = { mode: 'json', fields: parseFields('a'), place: true }
  const shaper = new RowShaper(schema, 7)
  const headers = [
    { key: 'h', value: Buffer.from('v') },
    { key: 'b', value: Buffer.from([0xff]) },
    { key: 'n', value: null },
  ]
  assert.equal(shaper.shape(record({ offset: 5, timestamp: 9, key: 'k', value: '{"a":"x"}', headers })), null)
  const expected = '[{"key":"h","value":"v"},{"key":"b","valueBase64":"/w=="},{"key":"n","value":null}]'
  assert.deepEqual(shaper.row, [7, 5, 9, Buffer.from('k'), expected, 'x'])
  assert.deepEqual(
    columnsOf(schema).map(({ name }) => name),
    ['_partition', '_offset', '_timestamp', '_key', '_headers', 'a'],
  )
})

test('a wrong schema is refused by name', () => {
  const check =
    (fields: readonly Column[], place = true) =>
    () =>
      checkSchema({ mode: 'json', fields, place })
  assert.throws(check(parseFields('a:int64,a:string')), { code: 'INVALID_CONFIG', message: /two columns a/ })
  assert.throws(check(parseFields('_offset')), { code: 'INVALID_CONFIG', message: /two columns _offset/ })
  assert.throws(check(parseFields('a:number')), { code: 'INVALID_CONFIG', message: /column a has the type number/ })
  assert.throws(check(parseFields('')), { code: 'INVALID_CONFIG', message: /no name/ })
  assert.throws(check([], false), { code: 'INVALID_CONFIG', message: /no columns/ })
})
