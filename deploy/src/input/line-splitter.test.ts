import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineSplitter } from './line-splitter.ts'

function split(chunks: readonly Buffer[], lineBytesMax = 1 << 20): Buffer[] {
  const splitter = new LineSplitter(lineBytesMax)
  const lines = chunks.flatMap((chunk) => [...splitter.push(chunk)])
  const last = splitter.end()
  return last === null ? lines : [...lines, last]
}

test('splits at newline only and keeps every other byte', () => {
  const input = Buffer.from([0x61, 0x0d, 0x0a, 0x00, 0xff, 0xfe, 0x0a, 0x0a, 0xe2, 0x80, 0xa8])
  assert.deepEqual(split([input]), [
    Buffer.from([0x61, 0x0d]),
    Buffer.from([0x00, 0xff, 0xfe]),
    Buffer.alloc(0),
    Buffer.from([0xe2, 0x80, 0xa8]),
  ])
})

test('an empty input has no lines, a lone newline has one empty line', () => {
  assert.deepEqual(split([]), [])
  assert.deepEqual(split([Buffer.from('\n')]), [Buffer.alloc(0)])
})

test('any chunking gives the same lines as splitting the whole', () => {
  const bytes = fc.array(fc.oneof(fc.constant(0x0a), fc.integer({ min: 0, max: 255 })), { maxLength: 200 })
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(40), { maxLength: 20 }), (content, cuts) => {
      const whole = Buffer.from(content)
      const chunks: Buffer[] = []
      let at = 0
      for (const cut of cuts) {
        chunks.push(whole.subarray(at, at + cut))
        at += cut
      }
      chunks.push(whole.subarray(at))
      const lines = split(chunks)
      const joined = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]))
      const closed = whole.length === 0 || whole.at(-1) === 0x0a ? whole : Buffer.concat([whole, Buffer.from('\n')])
      assert.deepEqual(joined, closed)
      assert.ok(lines.every((line) => !line.includes(0x0a)))
    }),
  )
})

test('a line above the limit is refused with its number, however it is chunked', () => {
  const expected = { code: 'INPUT_INVALID', message: 'line 2 is longer than 4 bytes' }
  assert.throws(() => split([Buffer.from('ok\nabcde\n')], 4), expected)
  assert.throws(() => split([Buffer.from('ok\nabc'), Buffer.from('de')], 4), expected)
  assert.equal(split([Buffer.from('ok\nabcd')], 4).length, 2)
})
