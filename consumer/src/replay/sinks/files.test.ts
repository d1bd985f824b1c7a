/** Files of a split: nothing has its final name before it is whole, and a full disk is an error that says so. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { FakeFiles } from '../test/fake-files.ts'
import { splitOf } from '../test/memory-source.ts'
import { Collected, record } from '../test/sink-records.ts'
import { rejectFilePath, splitFilePath } from './file-names.ts'
import { PackedEncoder, unpackRecords } from './packed-records.ts'
import { RejectFile } from './reject-file.ts'
import { SplitFile } from './split-file.ts'

test('a file has its name only when it is whole, synced and summed', () => {
  const files = new FakeFiles()
  const file = new SplitFile(files, 'out', 'topic=t/part=0/a.csv')
  file.write(Buffer.from('one'))
  file.write(Buffer.from('two'))
  assert.match(files.paths.join(), /^out\/topic=t\/part=0\/a\.csv\.[0-9a-f]{12}\.tmp$/)
  const sha256 = createHash('sha256').update('onetwo').digest('hex')
  assert.deepEqual(file.commit(), { path: 'topic=t/part=0/a.csv', bytes: 6, sha256 })
  files.losePower()
  assert.deepEqual(files.paths, ['out/topic=t/part=0/a.csv'])
  assert.equal(files.text('out/topic=t/part=0/a.csv'), 'onetwo')
})

test('a full disk is OUTPUT_FAILED with path and cause, and leaves nothing', () => {
  const files = new FakeFiles()
  files.roomBytes = 5
  const file = new SplitFile(files, 'out', 'a.csv')
  file.write(Buffer.from('1234'))
  assert.throws(() => file.write(Buffer.from('5678')), {
    code: 'OUTPUT_FAILED',
    message: 'the disk of out/a.csv is full',
    metadata: { path: 'out/a.csv', code: 'ENOSPC' },
    hint: /resume/,
  })
  file.discard()
  assert.deepEqual(files.paths, [])
})

test('what does not fit has a file of its own, with the reason and all of the record', () => {
  const files = new FakeFiles()
  const split = splitOf('t', 4, 10, 20)
  const rejects = new RejectFile(files, 'out', rejectFilePath(split), split)
  assert.equal(rejects.commit(), null)
  rejects.add(record({ offset: 12, key: Buffer.from([0xff]), value: '{', headers: [{ key: 'h', value: null }] }), 'why')
  const path = '_rejected/topic=t/part=4/00000000000000000010-00000000000000000020.ndjson'
  assert.equal(rejects.commit()?.path, path)
  assert.deepEqual(JSON.parse(files.text(`out/${path}`)), {
    topic: 't',
    partition: 4,
    offset: 12,
    reason: 'why',
    timestamp: null,
    keyBase64: '/w==',
    value: '{',
    headers: [{ key: 'h', value: null }],
  })
  assert.equal(splitFilePath(split, '.parquet'), 'topic=t/part=4/00000000000000000010-00000000000000000020.parquet')
})

test('packed records come out as they went in', () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
  const records = fc.array(
    fc.record(
      {
        offset: fc.maxSafeNat(),
        timestamp: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
        key: fc.option(bytes),
        value: fc.option(bytes),
        headers: fc.array(
          fc.record({ key: fc.string({ unit: 'grapheme' }), value: fc.option(bytes) }, { noNullPrototype: true }),
          { maxLength: 3 },
        ),
      },
      { noNullPrototype: true },
    ),
  )
  fc.assert(
    fc.property(records, (given) => {
      const target = new Collected()
      const encoder = new PackedEncoder(target)
      for (const each of given) assert.equal(encoder.append(each), null)
      encoder.finish()
      assert.deepEqual([...unpackRecords(target.bytes)], given)
    }),
  )
})
