import assert from 'node:assert/strict'
import { test } from 'node:test'
import { confStateOf } from 'raft-ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { type GroupStateRow, GroupStateStore, groupKey } from './group-state-store.ts'

function state(term: number, vote: number | null = 1): GroupStateRow {
  const change = { transition: 'auto', steps: [{ kind: 'add-learner', id: 65_538 }] } as const
  return {
    generation: 3,
    hardState: { term, vote, commit: term * 10 },
    conf: { confState: confStateOf([1, 2], [3]), confPosition: 7, pending: [{ end: 12, term, change }] },
    flushedEnd: term * 10,
    resetTo: null,
  }
}

test('changes of all groups that come together go out in one synced batch', async () => {
  const disk = new MemoryStore()
  const store = await GroupStateStore.open(disk)
  await Promise.all(Array.from({ length: 500 }, (_, i) => store.put(groupKey('t', i), state(i))))
  assert.ok(disk.syncCount <= 2, `${disk.syncCount} syncs`)
  const again = await GroupStateStore.open(disk.crash())
  for (let i = 0; i < 500; i++) assert.deepEqual(again.get(groupKey('t', i)), state(i))
})

test('the last put wins, null forgets, and both are durable when they resolve', async () => {
  const disk = new MemoryStore()
  const store = await GroupStateStore.open(disk)
  const first = store.put('raft/a-0', state(1))
  const second = store.put('raft/a-0', state(2, null))
  assert.deepEqual(store.get('raft/a-0'), state(2, null))
  await Promise.all([first, second])
  assert.deepEqual((await GroupStateStore.open(disk.crash())).get('raft/a-0'), state(2, null))
})

test('a forgotten group is gone', async () => {
  const disk = new MemoryStore()
  const store = await GroupStateStore.open(disk)
  await store.put('raft/a-0', state(1))
  await store.put('raft/a-0', null)
  assert.equal(store.get('raft/a-0'), null)
  assert.equal((await GroupStateStore.open(disk.crash())).get('raft/a-0'), null)
})

test('a failing store rejects whoever waits', async () => {
  const disk = new MemoryStore()
  const store = await GroupStateStore.open(disk)
  disk.failWrites()
  await assert.rejects(store.put('raft/a-0', state(1)))
  await assert.rejects(store.put('raft/b-0', state(1)))
})

test('rows of the first release are read: term and vote, and nothing of members', async () => {
  const disk = new MemoryStore()
  const row = Buffer.alloc(17)
  row.writeInt8(1, 0)
  row.writeInt32BE(4, 1)
  row.writeInt32BE(-1, 5)
  row.writeBigInt64BE(99n, 9)
  await disk.batch([{ kind: 'put', key: groupKey('t', 0), value: row }], { sync: true })
  const store = await GroupStateStore.open(disk)
  const hardState = { term: 4, vote: null, commit: 99 }
  assert.deepEqual(store.get(groupKey('t', 0)), { generation: 0, hardState, conf: null, flushedEnd: 0, resetTo: null })
  assert.deepEqual(store.keys(), [groupKey('t', 0)])
})
