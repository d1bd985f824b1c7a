import assert from 'node:assert/strict'
import { test } from 'node:test'
import { xxhash32 } from './xxhash32.ts'

test('known hashes of short and long input', () => {
  const vectors: [string, number][] = [
    ['', 0x02cc_5d05],
    ['a', 0x550d_7456],
    ['abc', 0x32d1_53ff],
    ['Nobody inspects the spammish repetition', 0xe229_3b2f],
  ]
  for (const [text, expected] of vectors) {
    const bytes = Buffer.from(`--${text}--`)
    assert.equal(xxhash32(bytes, 2, bytes.length - 2), expected, text)
  }
})
