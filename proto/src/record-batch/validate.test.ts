import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CompressionName } from './codec.ts'
import { encodeLeaderChange } from './control-batch.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'
import { stampAppendTime, stampBatch, stampCrc } from './stamp.ts'
import { validateBatch } from './validate.ts'

const LIMITS = { maxBatchBytes: 10_000 } as const

test('a sound batch passes and its header is the answer', () => {
  assert.equal(validateBatch(sample(), LIMITS).recordCount, 3)
  assert.equal(validateBatch(sample('zstd'), { ...LIMITS, deep: true }).codec, 'zstd')
})

test('the limit is inclusive, and has an error of its own', () => {
  const batch = sample()
  validateBatch(batch, { maxBatchBytes: batch.length })
  const expected = { code: 'MESSAGE_TOO_LARGE', sizeBytes: batch.length, maxBatchBytes: batch.length - 1 }
  assert.throws(() => validateBatch(batch, { maxBatchBytes: batch.length - 1 }), expected)
})

describe('damage is CORRUPT_MESSAGE', () => {
  const corrupt = (name: string, damage: (batch: Buffer) => Buffer, reason: RegExp, deep = false): void => {
    test(name, () => {
      assert.throws(() => validateBatch(damage(sample()), { ...LIMITS, deep }), { code: 'CORRUPT_MESSAGE', reason })
    })
  }
  corrupt('cut short', (batch) => batch.subarray(0, -1), /are there/)
  corrupt('bytes behind it', (batch) => Buffer.concat([batch, Buffer.of(0)]), /are there/)
  corrupt('two batches', (batch) => Buffer.concat([batch, batch]), /are there/)
  corrupt('empty', () => Buffer.alloc(0), /shorter than a batch header/)
  corrupt('a flipped bit in a value', (batch) => patched(batch, batch.length - 2, '00'), /CRC/)
  corrupt('wrong magic', (batch) => patched(batch, 16, '01'), /magic is 1/)
  corrupt('more records than offsets', (batch) => sealed(batch, 57, '00000004'), /4 records in 3 offsets/)
  corrupt('fewer records than offsets', (batch) => sealed(batch, 57, '00000002'), /2 records but 3 offsets/)
  corrupt('no records', (batch) => sealed(batch, 57, '00000000'), /no records/)
  corrupt(
    'a count that its bytes cannot hold',
    (batch) => sealed(batch, 57, '7fffffff', 23, '7ffffffe'),
    /records in \d+ bytes/,
  )
  corrupt('append time', (batch) => sealed(batch, 22, '08'), /append-time/)
  corrupt('control', (batch) => sealed(batch, 22, '20'), /control batch/)
  corrupt('transactional without producer', (batch) => sealed(batch, 22, '10'), /transactional/)
  corrupt('producer without sequence', (batch) => sealed(batch, 43, '00000000000000010001ffffffff'), /sequence -1/)
  corrupt('producer without epoch', (batch) => sealed(batch, 43, '0000000000000001ffff00000000'), /epoch -1/)
  corrupt('a record length past the end', (batch) => sealed(batch, 61, '7e'), /record length/, true)
})

test('other clients may leave epoch and sequence at 0 without a producer id', () => {
  const header = validateBatch(sealed(sample(), 51, '000000000000'), LIMITS)
  assert.deepEqual([header.producerId, header.producerEpoch, header.baseSequence], [null, null, null])
})

test('from the log: control, stamped and thinned batches pass', () => {
  const log = { ...LIMITS, source: 'log' } as const
  const control = encodeLeaderChange({ leaderId: 1, voterIds: [1], timestamp: 5 })
  assert.equal(validateBatch(control, { ...log, deep: true }).control, true)
  const stamped = sample()
  stampAppendTime(stamped, 0, 99)
  stampBatch(stamped, 0, 12, 3)
  assert.equal(validateBatch(stamped, log).timestampType, 'append')
  assert.equal(validateBatch(sealed(sample(), 23, '00000009'), log).lastOffset, 9)
  const empty = sealed(sample('gzip').subarray(0, 61), 57, '00000000')
  assert.equal(validateBatch(empty, { ...log, deep: true }).recordCount, 0)
})

function sample(codec: CompressionName = 'none'): Buffer {
  const builder = new RecordBatchBuilder({ codec })
  for (let index = 0; index < 3; index++) builder.append({ key: `k${index}`, value: `value ${index}`, timestamp: 1000 })
  return builder.buildSync()
}

function patched(batch: Buffer, at: number, hex: string): Buffer {
  batch.write(hex, at, 'hex')
  return batch
}

/** Changes fields, then makes length and CRC right again. */
function sealed(batch: Buffer, at: number, hex: string, otherAt = 0, otherHex = ''): Buffer {
  patched(patched(batch, at, hex), otherAt, otherHex)
  batch.writeInt32BE(batch.length - 12, 8)
  stampCrc(batch, 0)
  return batch
}
