import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeCommittedOffsets, encodeCommittedOffsets } from './committed-offsets.ts'

const topicId = '00112233445566778899aabbccddeeff'

test('what is written is read back', () => {
  const entries = [
    { topic: 'orders', topicId, partition: 0, logStartOffset: 3, committedEnd: 10 },
    { topic: 'a-1', topicId, partition: 12, logStartOffset: 0, committedEnd: 2 ** 53 - 1 },
  ]
  assert.deepEqual(decodeCommittedOffsets(encodeCommittedOffsets(entries)), entries)
  assert.deepEqual(decodeCommittedOffsets(encodeCommittedOffsets([])), [])
})

test('anything else is refused: cut short, of another version, miscounted, or no numbers', () => {
  const text = `0\n1\norders ${topicId} 0 3 10\n`
  assert.notEqual(decodeCommittedOffsets(Buffer.from(text)), null)
  for (let end = 0; end < text.length; end++) assert.equal(decodeCommittedOffsets(Buffer.from(text.slice(0, end))), null)
  for (const [from, to] of [
    ['0\n1', '1\n1'],
    ['0\n1', '0\n2'],
    ['3 10', '11 10'],
    ['3 10', '3 9999999999999999'],
    ['3 10', '3 -1'],
    [topicId, 'x'],
  ]) {
    assert.equal(decodeCommittedOffsets(Buffer.from(text.replace(from!, to!))), null, `${from} -> ${to}`)
  }
})
