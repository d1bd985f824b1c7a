import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KeyMap } from './compaction-key-map.ts'

test('it is a map from keys to their last offsets', () => {
  const key = fc.oneof(fc.uint8Array({ maxLength: 3 }), fc.uint8Array({ minLength: 14, maxLength: 17 }))
  fc.assert(
    fc.property(fc.array(key, { maxLength: 60 }), fc.array(key, { maxLength: 10 }), (puts, others) => {
      const map = new KeyMap(Math.max(1, puts.length))
      const model = new Map<string, number>()
      // Beyond 2^32, where both words of an offset count.
      for (const [index, bytes] of puts.entries()) {
        const offset = 2 ** 40 - 30 + index
        map.put(Buffer.from(bytes), offset)
        model.set(Buffer.from(bytes).toString('hex'), offset)
      }
      assert.equal(map.keyCount, model.size)
      for (const bytes of [...puts, ...others]) {
        const found = map.get(Buffer.from(bytes))
        assert.equal(found, model.get(Buffer.from(bytes).toString('hex')) ?? -1)
      }
    }),
  )
})

test('it takes as many keys as it was made for, and offset 0', () => {
  const map = new KeyMap(1000)
  for (let index = 0; index < 1000; index++) map.put(Buffer.from(String(index)), index)
  for (let index = 0; index < 1000; index++) assert.equal(map.get(Buffer.from(String(index))), index)
  map.put(Buffer.from('7'), 5000)
  assert.equal(map.get(Buffer.from('7')), 5000)
  assert.throws(() => map.put(Buffer.from('another'), 5001), /the key map is full/)
})

test('keys that differ in zeros or length only are different keys', () => {
  const map = new KeyMap(10)
  const keys = ['', '\0', '\0\0', 'a', 'a\0', 'a'.repeat(15), 'a'.repeat(16), 'a'.repeat(17)]
  for (const [index, key] of keys.entries()) map.put(Buffer.from(key), index)
  assert.deepEqual(
    keys.map((key) => map.get(Buffer.from(key))),
    keys.map((_, index) => index),
  )
})
