import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AnomalyKind } from './anomaly.ts'
import { HistoryChecker, type Verdict } from './history-checker.ts'
import type { HistoryEvent, ValueRun } from './history-event.ts'
import { HistoryFormatError } from './history-event.ts'
import { randomHistory } from './random-history.ts'

/** Leaves `at` to the line's place. */
type Untimed<E> = E extends HistoryEvent ? Omit<E, 'at'> : never

function check(events: readonly Untimed<HistoryEvent>[]): Verdict {
  const checker = new HistoryChecker({ durability: 'fsynced' })
  for (const [index, event] of events.entries()) checker.add({ ...event, at: index } as HistoryEvent)
  return checker.finish()
}

function kinds(verdict: Verdict): AnomalyKind[] {
  return verdict.anomalies.filter(({ illegal }) => illegal).map(({ kind }) => kind)
}

const values = (producer: number, first: number, count: number) => ({ producer, partition: 0, first, count })
const invoke = (producer: number, first: number, count = 1) =>
  ({ kind: 'invoke', ...values(producer, first, count) }) as const
const ok = (producer: number, first: number, offset: number, count = 1) =>
  ({ kind: 'ok', ...values(producer, first, count), offset, acks: 'all', durability: 'fsynced', leader: 1 }) as const
const sent = (producer: number, first: number, offset: number, count = 1) => [
  invoke(producer, first, count),
  ok(producer, first, offset, count),
]
const poll = (consumer: number, ...runs: ValueRun[]) =>
  ({ kind: 'poll', consumer, partition: 0, epoch: 1, leader: 1, runs }) as const
const place = (consumer: number, offset: number) => ({ kind: 'place', consumer, partition: 0, offset }) as const
const final = (visibleEnd: number) => ({ kind: 'final', partition: 0, visibleEnd, highWatermark: visibleEnd }) as const
const refused = { kind: 'refused', consumer: 0, partition: 0, reason: 'OFFSET_OUT_OF_RANGE' } as const
const ask = { kind: 'ask', asker: 0, partition: 0 } as const
const bounds = (visibleEnd: number, highWatermark = visibleEnd, logStart = 0) =>
  ({ kind: 'bounds', asker: 0, partition: 0, epoch: 1, logStart, visibleEnd, highWatermark }) as const

test('a plain history is valid, and counted', () => {
  const verdict = check([
    invoke(1, 0, 3),
    ok(1, 0, 0, 3),
    invoke(1, 3),
    { kind: 'info', ...values(1, 3, 1), error: 'DELIVERY_TIMED_OUT' },
    invoke(1, 4),
    { kind: 'fail', ...values(1, 4, 1), error: 'RECORD_TOO_LARGE' },
    ask,
    bounds(4),
    place(0, 0),
    poll(0, [0, 1, 0, 2]),
    poll(0, [2, 1, 2, 2]),
    final(4),
  ])
  assert.deepEqual(verdict.anomalies, [])
  assert.equal(verdict.valid, true)
  const { invoked, ok: acknowledged, failed, unknown, unknownRead, read } = verdict.totals
  assert.deepEqual([invoked, acknowledged, failed, unknown, unknownRead, read], [5, 3, 1, 1, 1, 4])
})

/** For each check a history that violates it and no other. */
const VIOLATIONS: Record<string, { readonly kind: AnomalyKind; readonly events: readonly Untimed<HistoryEvent>[] }> = {
  'two values were acknowledged at one offset': {
    kind: 'inconsistent-offsets',
    events: [invoke(1, 0), invoke(2, 0), ok(1, 0, 5), ok(2, 0, 5), poll(0, [5, 1, 0, 1]), poll(1, [5, 2, 0, 1])],
  },
  'two consumers read different values at one offset': {
    kind: 'inconsistent-offsets',
    events: [
      invoke(1, 0),
      invoke(2, 0),
      { kind: 'info', ...values(1, 0, 1), error: '' },
      { kind: 'info', ...values(2, 0, 1), error: '' },
      poll(0, [0, 1, 0, 1]),
      poll(1, [0, 2, 0, 1]),
    ],
  },
  'a batch was read under two epochs': {
    kind: 'inconsistent-epochs',
    events: [...sent(1, 0, 0), poll(0, [0, 1, 0, 1]), { ...poll(1, [0, 1, 0, 1]), epoch: 2 }],
  },
  'epochs go back along the log': {
    kind: 'epoch-order',
    events: [...sent(1, 0, 0), ...sent(1, 1, 1), { ...poll(0, [0, 1, 0, 1]), epoch: 3 }, poll(0, [1, 1, 1, 1])],
  },
  'a value was read at two offsets': {
    kind: 'duplicate',
    events: [...sent(1, 0, 0), poll(0, [0, 1, 0, 1]), poll(0, [1, 1, 0, 1])],
  },
  'a retry was acknowledged at another offset': {
    kind: 'duplicate',
    events: [...sent(1, 0, 0), ok(1, 0, 4), poll(0, [0, 1, 0, 1])],
  },
  'an acknowledged value is missing among those read': {
    kind: 'lost-write',
    events: [
      ...sent(1, 0, 0),
      ...sent(1, 1, 1),
      ...sent(1, 2, 2),
      poll(0, [0, 1, 0, 1]),
      place(0, 2),
      poll(0, [2, 1, 2, 1]),
    ],
  },
  'an acknowledged value at the end is read by nobody': {
    kind: 'unseen',
    events: [...sent(1, 0, 0), ...sent(1, 1, 1), poll(0, [0, 1, 0, 1])],
  },
  'an acknowledged value without an offset is read by nobody': {
    kind: 'unseen',
    events: [...sent(1, 0, 0), ...sent(1, 1, -1), poll(0, [0, 1, 0, 1])],
  },
  'a refused value is read': {
    kind: 'aborted-read',
    events: [invoke(1, 0), poll(0, [0, 1, 0, 1]), { kind: 'fail', ...values(1, 0, 1), error: 'INVALID_RECORD' }],
  },
  'a value that nobody sent is read': { kind: 'invented-read', events: [invoke(1, 0), poll(0, [3, 1, 7, 1])] },
  'foreign bytes are read': {
    kind: 'invented-read',
    events: [{ kind: 'strange', consumer: 0, partition: 0, offset: 3, reason: 'bytes have changed' }],
  },
  'an offset read before is out of range': {
    kind: 'read-refused',
    events: [...sent(1, 0, 0), poll(0, [0, 1, 0, 1]), { ...refused, offset: 1 }],
  },
  'a batch jumps over a value': {
    kind: 'int-poll-skip',
    events: [...sent(1, 0, 0, 3), poll(0, [0, 1, 0, 1], [2, 1, 2, 1]), poll(1, [0, 1, 0, 3])],
  },
  'a consumer jumps over a value between batches': {
    kind: 'poll-skip',
    events: [...sent(1, 0, 0, 3), poll(0, [0, 1, 0, 1]), poll(0, [2, 1, 2, 1]), poll(1, [0, 1, 0, 3])],
  },
  'a consumer begins behind where it was placed': {
    kind: 'poll-skip',
    events: [...sent(1, 0, 0, 2), place(0, 0), poll(0, [1, 1, 1, 1]), poll(1, [0, 1, 0, 2])],
  },
  'a batch goes back': {
    kind: 'int-nonmonotonic-poll',
    events: [...sent(1, 0, 0, 2), poll(0, [1, 1, 1, 1], [0, 1, 0, 1])],
  },
  'a consumer reads an offset again': {
    kind: 'nonmonotonic-poll',
    events: [...sent(1, 0, 0), poll(0, [0, 1, 0, 1]), poll(0, [0, 1, 0, 1])],
  },
  'values lie in another order than they were sent': {
    kind: 'nonmonotonic-send',
    events: [invoke(1, 0), invoke(1, 1), ok(1, 0, 1), ok(1, 1, 0), poll(0, [0, 1, 1, 1], [1, 1, 0, 1])],
  },
  'a value goes below one acknowledged before it was sent': {
    kind: 'realtime-order',
    events: [...sent(1, 0, 5), ...sent(2, 0, 3), poll(0, [3, 2, 0, 1]), poll(0, [5, 1, 0, 1])],
  },
  'an acknowledgement promises less': {
    kind: 'weak-acknowledgement',
    events: [invoke(1, 0), { ...ok(1, 0, 0), durability: 'memory' }, poll(0, [0, 1, 0, 1])],
  },
  'the end is reported below what was read before': {
    kind: 'read-above-end',
    events: [...sent(1, 0, 0, 3), poll(0, [0, 1, 0, 3]), ask, bounds(2)],
  },
  'the visible end is above the high watermark': { kind: 'end-order', events: [ask, bounds(4, 3)] },
  'the log has lost its beginning': { kind: 'end-order', events: [ask, bounds(4, 4, 1)] },
  'what was read is gone at the end': {
    kind: 'beyond-final-end',
    events: [...sent(1, 0, 0, 3), poll(0, [0, 1, 0, 3]), final(2)],
  },
  'final reads stop early': {
    kind: 'short-final-read',
    events: [invoke(1, 0), { kind: 'info', ...values(1, 0, 1), error: '' }, final(1)],
  },
}

for (const [title, { kind, events }] of Object.entries(VIOLATIONS)) {
  test(`${kind}: ${title}`, () => {
    assert.deepEqual(kinds(check(events)), [kind])
  })
}

test('zero-offset: offset 0 for a value sent after a later offset was acknowledged', () => {
  const found = kinds(check([...sent(1, 0, 4), ...sent(2, 0, 0), poll(0, [0, 2, 0, 1], [4, 1, 0, 1])]))
  // It goes below what was known as well: the two are the same thing at offset 0.
  assert.deepEqual(found, ['realtime-order', 'zero-offset'])
})

test('gaps without values, seeks and values of unknown outcome are no anomalies', () => {
  const verdict = check([
    ...sent(1, 0, 0, 2),
    invoke(2, 0),
    { kind: 'info', ...values(2, 0, 1), error: '' },
    ...sent(1, 2, 5),
    poll(0, [0, 1, 0, 2]),
    poll(0, [5, 1, 2, 1]),
    place(0, 1),
    poll(0, [1, 1, 1, 1]),
    place(0, -1),
    poll(0, [5, 1, 2, 1]),
  ])
  assert.deepEqual(verdict.anomalies, [])
})

test('values acknowledged by the leader alone may be lost, and replaced', () => {
  const verdict = check([invoke(1, 0), { ...ok(1, 0, 0), acks: 'leader' }, ...sent(2, 0, 0), poll(0, [0, 2, 0, 1])])
  assert.deepEqual(verdict.anomalies, [])
})

test('send-skip is reported and allowed', () => {
  const verdict = check([
    invoke(1, 0, 2),
    invoke(2, 0),
    ok(1, 0, 0),
    ok(2, 0, 1),
    ok(1, 1, 2),
    poll(0, [0, 1, 0, 1], [1, 2, 0, 1], [2, 1, 1, 1]),
  ])
  assert.deepEqual(
    verdict.anomalies.map(({ kind, illegal }) => [kind, illegal]),
    [['send-skip', false]],
  )
  assert.equal(verdict.valid, true)
})

// The successor commits a batch that the replaced leader had written: its epoch says nothing of who committed it.
test('a leader that was replaced may report an end of before: that is told', () => {
  const verdict = check([
    ...sent(1, 0, 0),
    invoke(1, 1),
    { ...ok(1, 1, 1), leader: 2 },
    poll(0, [0, 1, 0, 1]),
    { ...poll(0, [1, 1, 1, 1]), leader: 2 },
    ask,
    bounds(1),
  ])
  assert.deepEqual(
    verdict.anomalies.map(({ kind }) => kind),
    ['stale-end'],
  )
  assert.equal(verdict.valid, true)
})

test('histories that make no sense are refused', () => {
  assert.throws(() => check([invoke(1, 1)]), HistoryFormatError)
  assert.throws(() => check([bounds(1)]), HistoryFormatError)
  const checker = new HistoryChecker()
  checker.add({ ...invoke(1, 0), at: 5 })
  assert.throws(() => checker.add({ ...invoke(1, 1), at: 4 }), HistoryFormatError)
})

/** Changes a valid history at a random place; false when there was nothing to change. */
const MUTATIONS: Record<string, (events: HistoryEvent[], pick: <T>(items: readonly T[]) => T | undefined) => boolean> =
  {
    'an acknowledged value is read by nobody': (events, pick) => {
      const victim = pick(events.filter((event) => event.kind === 'ok'))
      if (victim === undefined) return false
      const { partition, offset, count } = victim
      for (const [index, event] of events.entries()) {
        if (event.kind !== 'poll' || event.partition !== partition) continue
        const runs = event.runs.filter(([at, , , length]) => at + length <= offset || at >= offset + count)
        events[index] = { ...event, runs }
      }
      return true
    },
    'two offsets swap their values for one reader': (events, pick) => {
      const polls = events.filter((event) => event.kind === 'poll' && event.runs.length > 1)
      const victim = pick(polls)
      if (victim === undefined || victim.kind !== 'poll') return false
      const [a, b] = [victim.runs[0]!, victim.runs[1]!]
      const swapped: ValueRun[] = [[a[0], b[1], b[2], a[3]], ...victim.runs.slice(1)]
      events[events.indexOf(victim)] = { ...victim, runs: swapped }
      return true
    },
    'an acknowledgement names another offset': (events, pick) => {
      const victim = pick(events.filter((event) => event.kind === 'ok'))
      if (victim === undefined) return false
      events[events.indexOf(victim)] = { ...victim, offset: victim.offset + 1 }
      return true
    },
    'a batch is handed out twice': (events, pick) => {
      const victim = pick(events.filter((event) => event.kind === 'poll'))
      if (victim === undefined) return false
      events.splice(events.indexOf(victim), 0, victim)
      return true
    },
    'an acknowledged value was refused': (events, pick) => {
      const victim = pick(events.filter((event) => event.kind === 'ok'))
      if (victim === undefined) return false
      const { at, producer, partition, first, count } = victim
      events[events.indexOf(victim)] = { kind: 'fail', at, producer, partition, first, count, error: '' }
      return true
    },
    'the end is told too low': (events, pick) => {
      const victim = pick(events.filter((event) => event.kind === 'final' && event.visibleEnd > 0))
      if (victim === undefined || victim.kind !== 'final') return false
      events[events.indexOf(victim)] = { ...victim, visibleEnd: victim.visibleEnd - 1 }
      return true
    },
  }

const SHAPE = { producers: 3, partitions: 2, consumers: 3, steps: 120 }

function verdictOf(events: readonly HistoryEvent[]): Verdict {
  const checker = new HistoryChecker({ durability: 'fsynced' })
  for (const event of events) checker.add(event)
  return checker.finish()
}

test('random valid histories pass', () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })), (numbers) => {
      const events = randomHistory(() => numbers.next().value, SHAPE)
      assert.deepEqual(kinds(verdictOf(events)), [])
    }),
    { numRuns: 200 },
  )
})

for (const [title, mutate] of Object.entries(MUTATIONS)) {
  test(`random histories are caught when ${title}`, () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })), (numbers) => {
        const random = (): number => numbers.next().value
        const events = randomHistory(random, SHAPE)
        fc.pre(mutate(events, (items) => items[Math.floor(random() * items.length)]))
        assert.equal(verdictOf(events).valid, false)
      }),
      { numRuns: 100 },
    )
  })
}

test('a million values are checked in seconds', () => {
  const checker = new HistoryChecker({ durability: 'fsynced' })
  const startedMs = performance.now()
  let at = 0
  const valueCount = 1_000_000
  for (let first = 0; first < valueCount; first += 100) {
    checker.add({ ...invoke(1, first, 100), at: at++ })
    checker.add({ ...ok(1, first, first, 100), at: at++ })
    checker.add({ ...poll(0, [first, 1, first, 100]), at: at++ })
  }
  const verdict = checker.finish()
  assert.equal(verdict.valid, true)
  assert.equal(verdict.totals.ok, valueCount)
  assert.ok(performance.now() - startedMs < 10_000)
})
