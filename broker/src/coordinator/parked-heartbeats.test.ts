import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Parked, ParkedHeartbeats } from './parked-heartbeats.ts'

const heartbeat = (memberId: string, deadlineMs: number, groupId = 'g'): Parked => ({ groupId, memberId, deadlineMs })

const names = (heartbeats: readonly Parked[]): string[] => heartbeats.map(({ memberId }) => memberId).sort()

test('a heartbeat is found by its member, once, and by no other', () => {
  const parked = new ParkedHeartbeats(100)
  const [first, second, elsewhere] = [heartbeat('a', 1000), heartbeat('b', 1000), heartbeat('a', 1000, 'h')]
  for (const each of [first, second, elsewhere]) parked.put(each)
  assert.equal(parked.take('g', 'a'), first)
  assert.equal(parked.take('g', 'a'), null)
  assert.equal(parked.take('nobody', 'a'), null)
  assert.deepEqual(parked.takeAll(), [second, elsewhere])
  assert.deepEqual(parked.takeAll(), [])
})

test('heartbeats are due at their time or within a slot behind it, never before', () => {
  const parked = new ParkedHeartbeats(100)
  for (let deadlineMs = 1; deadlineMs <= 1000; deadlineMs += 7) parked.put(heartbeat(String(deadlineMs), deadlineMs))
  for (let nowMs = 0; nowMs <= 1100; nowMs += 20) {
    for (const { deadlineMs } of parked.takeDue(nowMs)) {
      assert.ok(deadlineMs <= nowMs, `${deadlineMs} at ${nowMs}`)
      assert.ok(nowMs < deadlineMs + 100 + 20, `${deadlineMs} at ${nowMs}`)
    }
  }
  assert.deepEqual(parked.takeAll(), [])
})

test('one that is gone is not due, and its member may have the next', () => {
  const parked = new ParkedHeartbeats(100)
  const gone = heartbeat('a', 500)
  parked.put(gone)
  assert.equal(parked.remove(gone), true)
  assert.equal(parked.remove(gone), false)
  const next = heartbeat('a', 500)
  parked.put(next)
  assert.equal(parked.remove(gone), false, 'a former one does not take out its successor')
  parked.put(heartbeat('b', 5000))
  assert.deepEqual(names(parked.takeDue(500)), ['a'])
  assert.deepEqual(names(parked.takeDue(4999)), [])
  assert.deepEqual(names(parked.takeDue(5000)), ['b'])
})

test('two of one member are a mistake of the owner', () => {
  const parked = new ParkedHeartbeats(100)
  parked.put(heartbeat('a', 500))
  assert.throws(() => parked.put(heartbeat('a', 900)), /two heartbeats of member a/)
})
