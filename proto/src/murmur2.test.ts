import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { murmur2, partitionForKey } from './murmur2.ts'

test("murmur2 gives the values of Kafka's own test (UtilsTest.testMurmur2)", () => {
  const vectors: ReadonlyArray<readonly [string, number]> = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, hash] of vectors) assert.equal(murmur2(Buffer.from(text)), hash, text)
})

test('a key keeps its partition, within the number of partitions', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 10_000 }), (key, partitionCount) => {
      const partition = partitionForKey(key, partitionCount)
      assert.ok(Number.isInteger(partition) && partition >= 0 && partition < partitionCount)
      assert.equal(partitionForKey(Buffer.from(key), partitionCount), partition)
    }),
  )
  assert.equal(partitionForKey(Buffer.from('foobar'), 6), (-790332482 & 0x7fffffff) % 6)
})
