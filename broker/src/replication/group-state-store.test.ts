import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStore } from '../testing/memory-store.ts'
import { HardStateStore, hardStateKey } from './hard-state-store.ts'

const state = (term: number, vote: number | null = 1) => ({ term, vote, commit: term * 10 })

test('changes of all groups that come together go out in one synced batch', async () => {
  const disk = new MemoryStore()
  const store = await HardStateStore.open(disk)
  await Promise.all(Array.from({ length: 500 }, (_, i) => store.put(hardStateKey('t', i), state(i))))
  assert.ok(disk.syncCount <= 2, `${disk.syncCount} syncs`)
  const again = await HardStateStore.open(disk.crash())
  for (let i = 0; i < 500; i++) assert.deepEqual(again.get(hardStateKey('t', i)), state(i))
})

test('the last put wins, null forgets, and both are durable when they resolve', async () => {
  const disk = new MemoryStore()
  const store = await HardStateStore.open(disk)
  const first = store.put('raft/a-0', state(1))
  const second = store.put('raft/a-0', state(2, null))
  assert.deepEqual(store.get('raft/a-0'), state(2, null))
  await Promise.all([first, second])
  assert.deepEqual((await HardStateStore.open(disk.crash())).get('raft/a-0'), state(2, null))
})

test('a forgotten group is gone', async () => {
  const disk = new MemoryStore()
  const store = await HardStateStore.open(disk)
  await store.put('raft/a-0', state(1))
  await store.put('raft/a-0', null)
  assert.equal(store.get('raft/a-0'), null)
  assert.equal((await HardStateStore.open(disk.crash())).get('raft/a-0'), null)
})

test('a failing store rejects whoever waits', async () => {
  const disk = new MemoryStore()
  const store = await HardStateStore.open(disk)
  disk.failWrites()
  await assert.rejects(store.put('raft/a-0', state(1)))
  await assert.rejects(store.put('raft/b-0', state(1)))
})
