import { equal, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { PayloadPool } from './payload.ts'
import { SequenceCheck } from './sequence-check.ts'

const VALUE_BYTES = 16

function value(sequence: number): Buffer {
  return Buffer.from(new PayloadPool(VALUE_BYTES).value(sequence))
}

function makeCheck(recordCount = 6): SequenceCheck {
  return new SequenceCheck({ partitionCount: 2, valueBytes: VALUE_BYTES, recordCount })
}

test('passes when every record comes once and in order within its partition', () => {
  const check = makeCheck()
  for (const sequence of [1, 3, 0, 5, 2, 4]) {
    equal(check.isComplete, false)
    equal(check.take(sequence % 2, { value: value(sequence), offset: 0 }), sequence)
  }
  equal(check.isComplete, true)
  check.assertComplete()
})

test('fails on a lost, a repeated, a misplaced, a resized and an empty record', () => {
  for (const [sequences, partition] of [
    [[0, 4], 0],
    [[0, 0], 0],
    [[2], 0],
    [[0], 1],
  ] as const) {
    const check = makeCheck()
    throws(() => {
      for (const sequence of sequences) check.take(partition, { value: value(sequence), offset: sequence })
    }, /is not number/)
  }
  throws(() => makeCheck().take(0, { value: Buffer.concat([value(0), value(0)]), offset: 0 }), /is not number 0/)
  throws(() => makeCheck().take(0, { value: null, offset: 0 }), /is not number 0/)
})

test('fails when the end is missing', () => {
  const check = makeCheck(2)
  check.take(0, { value: value(0), offset: 0 })
  throws(() => check.assertComplete(), /read 1 of 2 records/)
})
