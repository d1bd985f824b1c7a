import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, turn } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { FLUSHED_MARK_INTERVAL_MS, FlushedMarks } from './flushed-marks.ts'
import { GroupStateStore } from './group-state-store.ts'

async function marked(count: number) {
  const clock = new ManualClock()
  const disk = new MemoryStore()
  const store = await GroupStateStore.open(disk)
  const marks = new FlushedMarks(clock)
  const groups = Array.from({ length: count }, (_, index) => {
    const group = {
      flushedEnd: 0,
      storeFlushedEnd: (): void => {
        const row = { generation: 0, hardState: null, conf: null, flushedEnd: group.flushedEnd, resetTo: null }
        void store.put(`raft/t-${index}`, row)
      },
    }
    return group
  })
  return { clock, disk, store, marks, groups }
}

test('a thousand groups that moved are one synced batch; idle ones are none, and no timer', async () => {
  const { clock, disk, store, marks, groups } = await marked(1000)
  await clock.advance(60_000, turn)
  assert.equal(disk.syncCount, 0)
  assert.equal(clock.alarmCount, 0)
  for (const group of groups) {
    group.flushedEnd = 7
    marks.moved(group)
    marks.moved(group)
  }
  await clock.advance(FLUSHED_MARK_INTERVAL_MS, turn)
  assert.equal(disk.syncCount, 1)
  assert.equal(store.get('raft/t-999')?.flushedEnd, 7)
  await clock.advance(60_000, turn)
  assert.equal(disk.syncCount, 1)
  assert.equal(clock.alarmCount, 0)
})

test('a group that moves all the time is stored once a second; one that ends is not', async () => {
  const { clock, disk, marks, groups } = await marked(2)
  for (let ms = 0; ms < 10_000; ms += 100) {
    marks.moved(groups[0]!)
    await clock.advance(100, turn)
  }
  assert.ok(disk.syncCount >= 9 && disk.syncCount <= 10, String(disk.syncCount))
  marks.stop()
  const before = disk.syncCount
  marks.moved(groups[1]!)
  marks.forget(groups[1]!)
  await clock.advance(10_000, turn)
  assert.equal(disk.syncCount, before)
})
