import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import { usageError } from '../command-error.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { describeFailure, renderFailure } from './failure.ts'
import { progressLine } from './progress.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from './quantity.ts'
import { type PrintableRecord, recordFormat } from './record-format.ts'
import { renderPairs, renderTable } from './table.ts'

const RECORD: PrintableRecord = {
  topic: 'flights',
  partition: 3,
  offset: 42,
  timestamp: 1769860800000,
  key: Buffer.from('ABQ'),
  value: Buffer.from([0x61, 0xff]),
  headers: [{ key: 'h', value: Buffer.from('x') }],
}

function written(format: string, record: PrintableRecord): Buffer {
  const stream = new PassThrough()
  const out = new ChunkWriter(stream)
  recordFormat(format)(record, out)
  out.flush()
  return stream.read() as Buffer
}

test('raw is the value and a newline, a null value an empty line', () => {
  assert.deepEqual(written('raw', RECORD), Buffer.from([0x61, 0xff, 0x0a]))
  assert.deepEqual(written('raw', { ...RECORD, value: null }), Buffer.from('\n'))
})

test('json shows bytes that are not text as base64', () => {
  assert.deepEqual(JSON.parse(String(written('json', RECORD))), {
    topic: 'flights',
    partition: 3,
    offset: 42,
    timestamp: 1769860800000,
    key: 'ABQ',
    valueBase64: 'Yf8=',
    headers: [{ key: 'h', value: 'x' }],
  })
})

test('templates know the letters and escapes, and keep bytes', () => {
  const line = written('%t/%p@%o %k=%v %V %T %D %h %%\\t\\x41\\n', RECORD)
  const expected = [
    Buffer.from('flights/3@42 ABQ='),
    Buffer.from([0x61, 0xff]),
    Buffer.from(' 2 1769860800000 2026-01-31T12:00:00.000Z h=x %\tA\n'),
  ]
  assert.deepEqual(line, Buffer.concat(expected))
  assert.throws(() => recordFormat('%q'), /unknown letter %q/)
  assert.throws(() => recordFormat('xml'), /is no format/)
})

test('the chunk writer keeps order over chunk borders and asks for a pause when the stream is full', async () => {
  const stream = new PassThrough({ highWaterMark: 1024 })
  const out = new ChunkWriter(stream)
  const big = Buffer.alloc(600_000, 7)
  out.appendText('start')
  assert.equal(out.appendBytes(big), true)
  out.appendText('end')
  out.flush()
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  await out.drain()
  assert.equal(out.appendByte(1), false)
  assert.equal(bytes, 5 + big.length + 3)
})

test('tables align and end lines without spaces', () => {
  const table = renderTable(
    [{ title: 'NAME' }, { title: 'SIZE', align: 'right' }],
    [
      ['flights', '5'],
      ['x', '12345'],
    ],
  )
  assert.equal(table, 'NAME      SIZE\nflights      5\nx        12345\n')
  assert.equal(
    renderPairs([
      ['id', 'a'],
      ['longer', 'b'],
    ]),
    'id:      a\nlonger:  b\n',
  )
})

test('quantities', () => {
  assert.deepEqual([0, 1023, 1536, 5 * 1024 ** 3].map(formatBytes), ['0 B', '1023 B', '1.5 KiB', '5.0 GiB'])
  assert.deepEqual([0, 999, 1234567].map(formatCount), ['0', '999', '1,234,567'])
  const durations = [12, 999.7, 12_340, 59_960, 245_000, 12_000_000, 199_000_000]
  const texts = ['12 ms', '1.0 s', '12.3 s', '1 min 0 s', '4 min 5 s', '3 h 20 min', '2 d 7 h']
  assert.deepEqual(durations.map(formatDuration), texts)
  assert.equal(formatRate(1000, 1024, 500), '2,000 records/s, 2.0 KiB/s')
  const line = progressLine('sent', { recordCount: 10, bytes: 512, totalBytes: 1024 }, 1000)
  assert.equal(line, 'sent 10 records, 512 B of 1.0 KiB (50 %), 10 records/s, 512 B/s')
})

test('failures name code, message and hint, and become JSON for scripts', () => {
  const known = describeFailure(new StratalogError('TOPIC_ALREADY_EXISTS', 'topic x exists'))
  assert.equal(known.exitStatus, 4)
  assert.match(renderFailure(known, 'table'), /^error: TOPIC_ALREADY_EXISTS: topic x exists\nhint: .+\n$/)
  assert.equal(JSON.parse(renderFailure(known, 'json')).error.code, 'TOPIC_ALREADY_EXISTS')
  assert.equal(describeFailure(usageError('m', 'h')).exitStatus, 2)
  const unexpected = describeFailure(new TypeError('oops'))
  assert.equal(unexpected.code, 'UNEXPECTED')
  assert.match(renderFailure(unexpected, 'table'), /TypeError: oops\n[\s\S]*error: UNEXPECTED: oops/)
})
