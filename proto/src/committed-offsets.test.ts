import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CommittedOffsets, decodeCommittedOffsets, encodeCommittedOffsets } from './committed-offsets.ts'
import { encodeCommittedOffsetsLine } from './index.ts'

const ORDERS: CommittedOffsets = {
  topic: 'orders',
  topicId: '6f1d2c3b4a5968778695a4b3c2d1e0f0',
  partition: 3,
  logStartOffset: 1_000,
  committedEnd: 52_000,
}
const LARGEST = { ...ORDERS, topic: 'a.b_c-1', partition: 2 ** 31 - 1, committedEnd: Number.MAX_SAFE_INTEGER }

function encode(...all: CommittedOffsets[]): Buffer {
  return encodeCommittedOffsets(all.map(encodeCommittedOffsetsLine))
}

test('what is written is read back', () => {
  assert.deepEqual(decodeCommittedOffsets(encode()), [])
  assert.deepEqual(decodeCommittedOffsets(encode(ORDERS, LARGEST)), [ORDERS, LARGEST])
  assert.equal(String(encode(ORDERS)), '0\n1\norders 6f1d2c3b4a5968778695a4b3c2d1e0f0 3 1000 52000\n')
})

test('a file that is cut anywhere, of zeros, or not ours is none', () => {
  const whole = encode(ORDERS, LARGEST)
  for (let length = 0; length < whole.length; length++) {
    assert.equal(decodeCommittedOffsets(whole.subarray(0, length)), null, `${length} bytes`)
    const zeros = Buffer.concat([whole.subarray(0, length), Buffer.alloc(whole.length - length)])
    assert.equal(decodeCommittedOffsets(zeros), null, `zeros from ${length} on`)
  }
  for (const text of [
    '1\n0\n',
    '0\n1\n',
    '0\n0\n\n',
    '0\n1\norders abc 3 1 2\n',
    `0\n1\norders ${ORDERS.topicId} 3 3 2\n`,
    `0\n1\norders ${ORDERS.topicId} 3 0 9007199254740993\n`,
    `0\n1\norders ${ORDERS.topicId} 2147483648 0 1\n`,
  ]) {
    assert.equal(decodeCommittedOffsets(Buffer.from(text)), null, text)
  }
})
