import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readInt64, writeInt64 } from './int64.ts'

test('safe integers are written as BigInt would write them and read back', () => {
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -3, max: 3 })), (value) => {
      const buffer = Buffer.alloc(8)
      writeInt64(buffer, 0, value)
      assert.equal(buffer.readBigInt64BE(), BigInt(value))
      assert.equal(readInt64(buffer, 0, 'field'), value)
    }),
  )
})

test('what does not fit a safe integer is corrupt, not rounded', () => {
  for (const value of [2n ** 53n, 2n ** 63n - 1n, -(2n ** 53n), -(2n ** 63n)]) {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64BE(value)
    assert.throws(() => readInt64(buffer, 0, 'baseOffset'), {
      code: 'CORRUPT_MESSAGE',
      reason: 'baseOffset is beyond 2^53',
    })
  }
})
