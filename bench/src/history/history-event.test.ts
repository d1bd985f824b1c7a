import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeEvent, type HistoryEvent, HistoryFormatError, parseEvent } from './history-event.ts'
import { mergeEvents } from './merge-events.ts'
import { randomHistory } from './random-history.ts'
import { decodeValue, encodeValue, VALUE_BYTES_MIN } from './value-bytes.ts'

test('an event survives its line', () => {
  const numbers = [0.1, 0.7, 0.3, 0.95, 0.55, 0.02]
  let index = 0
  const events = randomHistory(() => numbers[index++ % numbers.length]!, {
    steps: 40,
    producers: 2,
    partitions: 2,
    consumers: 1,
  })
  for (const event of events) assert.deepEqual(parseEvent(encodeEvent(event)), event)
})

test('lines that are no events are refused', () => {
  for (const line of [
    '',
    '{',
    '{}',
    '{"kind":"nap","at":1}',
    '{"kind":"ask","at":1,"asker":1}',
    '{"kind":"poll","at":1,"consumer":1,"partition":0,"epoch":1,"runs":[[1,2,3]]}',
  ]) {
    assert.throws(() => parseEvent(line), HistoryFormatError, line)
  }
})

test('histories merge by time, those of one client in their order', async () => {
  const event = (at: number, asker: number): HistoryEvent => ({ kind: 'ask', at, asker, partition: 0 })
  async function* from(events: HistoryEvent[]): AsyncGenerator<HistoryEvent> {
    yield* events
  }
  const inputs = [[event(1, 0), event(4, 0), event(4, 0)], [], [event(0, 1), event(4, 1), event(9, 1)]]
  const merged: HistoryEvent[] = []
  for await (const each of mergeEvents(inputs.map(from))) merged.push(each)
  assert.deepEqual(
    merged.map((each) => [each.at, each.kind === 'ask' && each.asker]),
    [
      [0, 1],
      [1, 0],
      [4, 0],
      [4, 0],
      [4, 1],
      [9, 1],
    ],
  )
})

test('a value is recognised, and every change of a byte', () => {
  const name = fc.record({
    producer: fc.nat(1000),
    partition: fc.nat(1000),
    sequence: fc.integer({ min: 0, max: 2 ** 40 }),
  })
  fc.assert(
    fc.property(name, fc.integer({ min: 64, max: 300 }), fc.nat(), fc.nat(7), (value, length, at, bit) => {
      const bytes = encodeValue(value, length)
      assert.deepEqual(decodeValue(bytes), { ...value })
      bytes[at % length]! ^= 1 << bit
      assert.equal(typeof decodeValue(bytes), 'string')
    }),
  )
  assert.deepEqual(decodeValue(encodeValue({ producer: 1, partition: 2, sequence: 3 }, VALUE_BYTES_MIN)), {
    producer: 1,
    partition: 2,
    sequence: 3,
  })
  assert.equal(typeof decodeValue(null), 'string')
  assert.equal(typeof decodeValue(Buffer.from('hello')), 'string')
})
