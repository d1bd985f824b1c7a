import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeValue, type HistoryEvent } from '../../history/index.ts'
import { HistoryFile, readHistory } from './history-file.ts'
import { OutcomeRuns } from './outcome-runs.ts'
import { batchContent } from './value-runs.ts'

async function written(body: (history: HistoryFile) => void): Promise<HistoryEvent[]> {
  const folder = await mkdtemp(join(tmpdir(), 'stratalog-history-'))
  try {
    const history = new HistoryFile(join(folder, 'deep', 'a.ndjson'))
    body(history)
    history.close()
    const events: HistoryEvent[] = []
    for await (const event of readHistory(history.path)) events.push(event)
    return events
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('a history comes back in order, its times do not go back', async () => {
  const events = await written((history) => {
    for (let asker = 0; asker < 5000; asker++) history.append({ kind: 'ask', asker, partition: 0 })
  })
  assert.equal(events.length, 5000)
  for (const [index, event] of events.entries()) {
    assert.equal(event.kind === 'ask' && event.asker, index)
    assert.ok(index === 0 || event.at >= events[index - 1]!.at)
  }
})

test('consecutive outcomes of the same kind become one event', async () => {
  const ok = (offset: number) => ({ kind: 'ok', offset, acks: 'all', durability: 'fsynced', epoch: 1 }) as const
  const events = await written((history) => {
    const outcomes = new OutcomeRuns(history)
    outcomes.add(1, 0, 0, ok(10))
    outcomes.add(1, 0, 1, ok(11))
    outcomes.add(2, 0, 0, ok(12))
    outcomes.add(1, 0, 2, ok(13))
    outcomes.add(1, 0, 3, { kind: 'info', error: 'A' })
    outcomes.add(1, 0, 4, { kind: 'info', error: 'A' })
    outcomes.add(1, 0, 5, { kind: 'info', error: 'B' })
    outcomes.add(1, 0, 6, ok(-1))
    outcomes.add(1, 0, 7, ok(-1))
    outcomes.flush()
  })
  const told = events.map((event) => {
    if (event.kind === 'ok') return [event.producer, event.first, event.count, event.offset]
    return event.kind === 'info' && [event.producer, event.first, event.count, event.error]
  })
  assert.deepEqual(
    told.sort((a, b) => `${a}`.localeCompare(`${b}`)),
    [
      [1, 0, 2, 10],
      [1, 2, 1, 13],
      [1, 3, 2, 'A'],
      [1, 5, 1, 'B'],
      [1, 6, 2, -1],
      [2, 0, 1, 12],
    ],
  )
})

test('a batch is runs of values, and what is none of this partition', () => {
  const record = (offset: number, partition: number, producer: number, sequence: number) => {
    return { offset, rawValue: encodeValue({ producer, partition, sequence }, 64) }
  }
  const { runs, strange } = batchContent(3, [
    record(5, 3, 1, 0),
    record(6, 3, 1, 1),
    record(7, 3, 2, 9),
    record(9, 3, 2, 10),
    record(10, 4, 2, 11),
    { offset: 11, rawValue: Buffer.from('nobody') },
  ])
  assert.deepEqual(runs, [
    [5, 1, 0, 2],
    [7, 2, 9, 1],
    [9, 2, 10, 1],
  ])
  assert.deepEqual(
    strange.map(({ offset }) => offset),
    [10, 11],
  )
})
