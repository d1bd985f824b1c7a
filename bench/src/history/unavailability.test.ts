import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HistoryEvent } from './history-event.ts'
import { Unavailability } from './unavailability.ts'

const ok = (at: number, partition: number): HistoryEvent => ({
  kind: 'ok',
  at,
  producer: 0,
  partition,
  first: 0,
  count: 1,
  offset: 0,
  acks: 'all',
  durability: 'fsynced',
  leader: 1,
})
const fault = (at: number, id: number, phase: 'begin' | 'end'): HistoryEvent => ({
  kind: 'fault',
  at,
  id,
  phase,
  fault: `f${id}`,
  detail: '',
})

function gapsOf(events: readonly HistoryEvent[]): unknown[] {
  const unavailability = new Unavailability(10)
  for (const event of events) unavailability.add(event)
  return unavailability
    .faults()
    .map(({ fault, overallMs, partitionMs, partition }) => [fault, overallMs, partitionMs, partition])
}

test('a gap is put down to the first fault that began within it', () => {
  const found = gapsOf([
    ok(0, 0),
    ok(1, 1),
    fault(5, 1, 'begin'),
    ok(9, 0),
    { ...ok(11, 1), acks: 'leader' } as HistoryEvent,
    fault(12, 1, 'end'),
    ok(30, 0),
    fault(40, 2, 'begin'),
    ok(45, 1),
    fault(100, 3, 'begin'),
    ok(101, 0),
    fault(102, 3, 'end'),
    ok(103, 1),
    ok(110, 0),
  ])
  assert.deepEqual(found, [
    ['f1', 21, 44, 1],
    ['f2', 15, 71, 0],
    ['f3', 56, 58, 1],
  ])
})

test("a gap that begins after the fault has settled is nobody's", () => {
  assert.deepEqual(gapsOf([ok(0, 0), fault(1, 1, 'begin'), fault(2, 1, 'end'), ok(3, 0), ok(13, 0), ok(90, 0)]), [
    ['f1', 10, 10, 0],
  ])
})
