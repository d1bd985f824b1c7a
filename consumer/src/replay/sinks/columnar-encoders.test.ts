/** Parquet and Arrow read back by other code: values, types, nulls, several row groups. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { LogRecord } from '@stratalog/proto/records'
import { tableFromIPC } from '@uwdata/flechette'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { encodeAll, record } from '../test/sink-records.ts'
import { loadArrow } from './arrow-encoder.ts'
import { type OutputSchema, parseFields } from './columns.ts'
import { loadParquet, type ParquetCodec } from './parquet-encoder.ts'

const JSON_SCHEMA: OutputSchema = {
  mode: 'json',
  fields: parseFields('i:int64,n:int32,d:double,b:boolean,s,j:json,t:timestamp'),
  place: true,
}
const RAW: OutputSchema = { mode: 'raw', fields: [], place: true }

const GIVEN = [
  record({
    offset: 10,
    timestamp: 1_700_000_000_123,
    key: 'k',
    value: '{"i":9223372036854775807,"n":-1,"d":0.1,"b":true,"s":"é","j":{"x":[1]},"t":5}',
  }),
  record({ offset: 11, key: null, value: '{}', headers: [{ key: 'h', value: Buffer.from('v') }] }),
  record({ offset: 12, key: '', value: '{"i":-5,"s":"","b":false,"d":-0.0,"j":"text","t":"2026-01-31T00:00:00Z"}' }),
]
const EXPECTED = [
  {
    _partition: 3,
    _offset: 10n,
    _timestamp: 1_700_000_000_123,
    _key: 'k',
    _headers: null,
    i: 9223372036854775807n,
    n: -1,
    d: 0.1,
    b: true,
    s: 'é',
    j: { x: [1] },
    t: 5,
  },
  {
    _partition: 3,
    _offset: 11n,
    _timestamp: null,
    _key: null,
    _headers: [{ key: 'h', value: 'v' }],
    i: null,
    n: null,
    d: null,
    b: null,
    s: null,
    j: null,
    t: null,
  },
  {
    _partition: 3,
    _offset: 12n,
    _timestamp: null,
    _key: '',
    _headers: null,
    i: -5n,
    n: null,
    d: -0,
    b: false,
    s: '',
    j: 'text',
    t: Date.UTC(2026, 0, 31),
  },
]

async function parquet(schema: OutputSchema, records: Iterable<LogRecord>, codec: ParquetCodec = 'zstd') {
  const make = await loadParquet()
  const { bytes, reasons } = encodeAll((target) => make(target, schema, 3, codec), records)
  const file = new Uint8Array(bytes).buffer
  const compressors = {
    ZSTD: (input: Uint8Array) => new Uint8Array(zstdDecompressSync(input)),
    GZIP: (input: Uint8Array) => new Uint8Array(gunzipSync(input)),
  }
  const rows = await parquetReadObjects({ file, compressors, utf8: false })
  return { rows, metadata: parquetMetadata(file), reasons }
}

/** Rows with times as ms, JSON text parsed, and no nulls that are undefined. */
function plain(row: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (value instanceof Date) return [name, value.getTime()]
      // Arrow has JSON as text; the reader of Parquet gives the bytes of what it has no type for.
      if ((name === 'j' || name === '_headers') && value) return [name, JSON.parse(Buffer.from(value).toString())]
      return [name, value ?? null]
    }),
  )
}

test('Parquet holds every type, and nulls', async () => {
  for (const codec of ['none', 'snappy', 'gzip', 'zstd'] as const) {
    const { rows } = await parquet(JSON_SCHEMA, GIVEN, codec)
    assert.deepEqual(rows.map(plain), EXPECTED, codec)
  }
})

test('Parquet has raw bytes, several row groups, and leaves out what does not fit', async () => {
  const count = 300_000
  const records = Array.from({ length: count }, (_, offset) =>
    record({ offset, value: Buffer.from([0xff, offset & 0xff]) }),
  )
  const { rows, metadata } = await parquet(RAW, records)
  assert.ok(metadata.row_groups.length > 1)
  assert.equal(rows.length, count)
  for (const offset of [0, 1, 131_072, count - 1]) {
    assert.deepEqual(plain(rows[offset]!), {
      partition: 3,
      offset: BigInt(offset),
      timestamp: null,
      key: null,
      value: new Uint8Array([0xff, offset & 0xff]),
      headers: null,
    })
  }
  const mixed = await parquet(JSON_SCHEMA, [record({ offset: 1, value: '{"i":"x"}' }), ...GIVEN])
  assert.equal(mixed.rows.length, GIVEN.length)
  assert.deepEqual([...mixed.reasons.keys()], [1])
})

test('Arrow holds every type, and nulls', async () => {
  const make = await loadArrow()
  for (const codec of ['none', 'zstd'] as const) {
    const { bytes } = encodeAll((target) => make(target, JSON_SCHEMA, 3, codec), GIVEN)
    const rows = tableFromIPC(new Uint8Array(bytes), { useBigInt: true }).toArray()
    assert.deepEqual(
      rows.map((row) => plain(row)),
      EXPECTED,
    )
  }
})

test('Arrow is one stream of several batches', async () => {
  const make = await loadArrow()
  const count = 300_000
  const records = Array.from({ length: count }, (_, offset) => record({ offset, value: String(offset) }))
  const { bytes } = encodeAll((target) => make(target, { ...RAW, mode: 'text' }, 3, 'none'), records)
  const table = tableFromIPC(new Uint8Array(bytes))
  assert.equal(table.numRows, count)
  const values = table.getChild('value')
  for (const offset of [0, 131_071, 131_072, count - 1]) assert.equal(values.at(offset), String(offset))
  const empty = encodeAll((target) => make(target, RAW, 3, 'none'), [])
  assert.equal(tableFromIPC(new Uint8Array(empty.bytes)).numRows, 0)
})
