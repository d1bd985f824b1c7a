/** NDJSON and CSV against what other code makes of them, over any bytes. */
import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { LogRecord } from '@stratalog/proto/records'
import fc from 'fast-check'
import { Collected, encodeAll, record } from '../test/sink-records.ts'
import { type OutputSchema, parseFields } from './columns.ts'
import { CsvEncoder } from './csv-encoder.ts'
import { NdjsonEncoder } from './ndjson-encoder.ts'
import { StreamCompressor } from './stream-compressor.ts'

const PLACE = { topic: 'a"b', partition: 2 }
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array)),
  fc.string({ unit: 'binary', maxLength: 60 }).map((text) => Buffer.from(text)),
)
const records = fc.array(
  fc.record({
    offset: fc.nat(),
    timestamp: fc.integer({ min: -1, max: 2 ** 50 }),
    key: fc.option(bytes),
    value: fc.option(bytes),
    headers: fc.array(fc.record({ key: fc.string(), value: fc.option(bytes) }), { maxLength: 2 }),
  }),
  { maxLength: 20 },
)

function expectedLine({ offset, timestamp, key, value, headers }: LogRecord): string {
  const part = (name: string, each: Buffer | null): Record<string, string | null> => {
    if (each === null) return { [name]: null }
    return isUtf8(each) ? { [name]: each.toString() } : { [`${name}Base64`]: each.toString('base64') }
  }
  return JSON.stringify({
    ...PLACE,
    offset,
    timestamp: timestamp < 0 ? null : timestamp,
    ...part('key', key),
    ...part('value', value),
    ...(headers.length === 0
      ? {}
      : { headers: headers.map((header) => ({ key: header.key, ...part('value', header.value) })) }),
  })
}

test('NDJSON is what JSON.stringify makes of the record, for any bytes', () => {
  fc.assert(
    fc.property(records, (given) => {
      const { bytes: written } = encodeAll((target) => new NdjsonEncoder(target, PLACE, false), given)
      assert.equal(written.toString(), given.map((each) => `${expectedLine(each)}\n`).join(''))
    }),
    { numRuns: 300 },
  )
})

test('NDJSON can hold the value as JSON, digit for digit, on one line', () => {
  const values = ['{"a": 1.50,\n"b": 12345678901234567890}', '[1]', null, '{"a"', Buffer.from([0xff])]
  const { bytes: written, reasons } = encodeAll(
    (target) => new NdjsonEncoder(target, { topic: 't', partition: 0 }, true),
    values.map((value, offset) => record({ offset, value })),
  )
  assert.equal(
    written.toString(),
    [
      '{"topic":"t","partition":0,"offset":0,"timestamp":null,"key":null,"value":{"a": 1.50, "b": 12345678901234567890}}',
      '{"topic":"t","partition":0,"offset":1,"timestamp":null,"key":null,"value":[1]}',
      '{"topic":"t","partition":0,"offset":2,"timestamp":null,"key":null,"value":null}\n',
    ].join('\n'),
  )
  assert.match(reasons.get(3) ?? '', /not JSON/)
  assert.match(reasons.get(4) ?? '', /not UTF-8/)
})

test('records larger than a chunk, and many chunks, stay whole', () => {
  const large = Array.from({ length: 5 }, (_, offset) => record({ offset, value: 'é"\n'.repeat(300_000 + offset) }))
  const { bytes: written } = encodeAll((target) => new NdjsonEncoder(target, PLACE, false), large)
  const lines = written.toString().trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).value.length),
    large.map(({ offset }) => 3 * (300_000 + offset)),
  )
})

/** A small reader of RFC 4180; an empty field without quotes is null. */
function parseCsv(text: string): (string | null)[][] {
  const rows: (string | null)[][] = [[]]
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)) {
    rows.at(-1)?.push(quoted === undefined ? (plain === '' ? null : (plain ?? null)) : quoted.replaceAll('""', '"'))
    if (end === '\n') rows.push([])
  }
  return rows.slice(0, -1)
}

test('CSV comes back through a reader of RFC 4180', () => {
  const schema: OutputSchema = { mode: 'text', fields: [], place: true }
  const text = fc.option(fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', 'é', ' ') }))
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text)), (pairs) => {
      const given = pairs.map(([key, value], offset) => record({ offset, key, value, timestamp: 1_000 }))
      const { bytes: written } = encodeAll((target) => new CsvEncoder(target, schema, 4, true), given)
      const [header, ...rows] = parseCsv(written.toString())
      assert.deepEqual(header, ['partition', 'offset', 'timestamp', 'key', 'value', 'headers'])
      assert.deepEqual(
        rows,
        pairs.map(([key, value], offset) => ['4', String(offset), '1970-01-01T00:00:01.000Z', key, value, null]),
      )
    }),
    { numRuns: 200 },
  )
})

test('CSV has fields of JSON values, bytes as base64, and no second header in a stream', () => {
  const fields = parseFields('a:int64,b:string,c:json')
  const json = encodeAll(
    (target) => new CsvEncoder(target, { mode: 'json', fields, place: false }, 0, true),
    [record({ value: '{"a":9007199254740993,"b":"","c":{"x":"y"}}' }), record({ offset: 1, value: '{"b":null}' })],
  )
  assert.equal(json.bytes.toString(), 'a,b,c\n9007199254740993,"","{""x"":""y""}"\n,,\n')
  const raw = encodeAll(
    (target) => new CsvEncoder(target, { mode: 'raw', fields: [], place: true }, 0, false),
    [record({ key: Buffer.from([0xff]), value: '' })],
  )
  assert.equal(raw.bytes.toString(), '0,0,,/w==,"",\n')
})

test('compressed text is one stream, and a target that fails is told', async () => {
  const text = `first\nsecond\n${'x'.repeat(9_000_000)}`
  for (const [compression, expand] of [
    ['gzip', gunzipSync],
    ['zstd', zstdDecompressSync],
  ] as const) {
    const target = new Collected()
    const compressor = new StreamCompressor(target, compression)
    for (let at = 0; at < text.length; at += 1_000_000) {
      compressor.write(Buffer.from(text.slice(at, at + 1_000_000)))
      await compressor.room()
    }
    await compressor.end()
    assert.ok(expand(target.bytes).equals(Buffer.from(text)), compression)
    const full = new StreamCompressor(failing, compression)
    full.write(randomBytes(3_000_000))
    await assert.rejects(full.end(), /full/)
    assert.throws(() => full.write(Buffer.from('more')), /full/)
  }
})

const failing = {
  write(): void {
    throw new Error('full')
  },
}
