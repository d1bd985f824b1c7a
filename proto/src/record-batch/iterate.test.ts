import assert from 'node:assert/strict'
import { test } from 'node:test'
import { iterateBatches } from './iterate.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'
import { stampBatch } from './stamp.ts'

test('batches come in order with their positions, within the range asked for', () => {
  const buffer = batches(3)
  const found = [...iterateBatches(buffer)]
  assert.deepEqual(
    found.map(({ header }) => header.baseOffset),
    [0, 10, 20],
  )
  assert.equal(found[2]!.position + found[2]!.header.sizeBytes, buffer.length)
  const [, second, third] = found
  const inner = [...iterateBatches(buffer, { start: second!.position, end: third!.position })]
  assert.deepEqual(inner, [second])
  assert.deepEqual([...iterateBatches(Buffer.alloc(0))], [])
})

test('a cut last batch is damage, or the end of a chunk if so asked', () => {
  const buffer = batches(2)
  for (let end = buffer.length / 2 + 1; end < buffer.length; end++) {
    const chunk = buffer.subarray(0, end)
    assert.throws(() => [...iterateBatches(chunk)], { code: 'CORRUPT_MESSAGE', position: buffer.length / 2 })
    assert.equal([...iterateBatches(chunk, { partialTail: 'stop' })].length, 1)
  }
})

test('a damaged length stops the walk at its batch', () => {
  const buffer = batches(2)
  buffer.writeInt32BE(-5, buffer.length / 2 + 8)
  const walk = iterateBatches(buffer, { partialTail: 'stop' })
  assert.equal(walk.next().value?.position, 0)
  assert.throws(() => walk.next(), { code: 'CORRUPT_MESSAGE', reason: 'batch length is -5' })
})

/** `count` batches of the same size, at offsets 0, 10, 20... */
function batches(count: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, index) => {
      const builder = new RecordBatchBuilder()
      builder.append({ value: `batch ${index}` })
      const batch = builder.buildSync()
      stampBatch(batch, 0, index * 10, 1)
      return batch
    }),
  )
}
