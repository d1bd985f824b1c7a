import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32c } from './crc32c.ts'
import { crc32cJs } from './crc32c-js.ts'

test('the vectors of RFC 3720 B.4 and the usual check value', () => {
  const vectors: [Buffer, number][] = [
    [Buffer.alloc(0), 0],
    [Buffer.from('123456789'), 0xe306_9283],
    [Buffer.alloc(32), 0x8a91_36aa],
    [Buffer.alloc(32, 0xff), 0x62a8_ab43],
    [Buffer.from(Array.from({ length: 32 }, (_, index) => index)), 0x46dd_794e],
  ]
  for (const [bytes, expected] of vectors) {
    assert.equal(crc32cJs(bytes, 0, bytes.length, 0), expected)
    assert.equal(crc32c(bytes), expected)
  }
})

test('native and JavaScript agree on every range and continue from a seed', () => {
  const bytes = fc.uint8Array({ minLength: 0, maxLength: 3000, size: 'max' })
  fc.assert(
    fc.property(bytes, fc.nat(3000), fc.nat(3000), (input, a, b) => {
      const end = Math.min(input.length, Math.max(a, b))
      const start = Math.min(end, a, b)
      const whole = crc32c(input, 0, end)
      assert.equal(whole, crc32cJs(input, 0, end, 0))
      assert.equal(crc32c(input, start, end, crc32c(input, 0, start)), whole)
      assert.equal(crc32cJs(input, start, end, crc32cJs(input, 0, start, 0)), whole)
    }),
    { numRuns: 200 },
  )
})
