/** Unit tests of progress.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inflights } from './inflights.ts'
import { Progress } from './progress.ts'

function progress(match: number, next: number): Progress {
  const peer = new Progress(2, next, false, new Inflights(4, Number.POSITIVE_INFINITY))
  peer.match = match
  return peer
}

test('a probe pauses until it is answered', () => {
  const peer = progress(0, 5)
  peer.sentEntries(8, 10)
  assert.ok(peer.paused())
  assert.equal(peer.next, 5)
  assert.ok(peer.maybeUpdate(8))
  assert.equal(peer.paused(), false)
  assert.equal(peer.next, 8)
})

test('replication moves ahead until the window is full', () => {
  const peer = progress(3, 3)
  peer.becomeReplicate()
  for (const end of [4, 6, 9, 10]) peer.sentEntries(end, 1)
  assert.equal(peer.next, 10)
  assert.ok(peer.paused())
  assert.equal(peer.maybeUpdate(3), false)
  assert.ok(peer.maybeUpdate(6))
  assert.equal(peer.paused(), false)
})

test('only the answer to the latest probe moves it back', () => {
  const peer = progress(2, 9)
  assert.equal(peer.maybeDecrease(7, 4), false)
  assert.ok(peer.maybeDecrease(9, 4))
  assert.equal(peer.next, 4)
  assert.ok(peer.maybeDecrease(4, 1))
  assert.equal(peer.next, 2)
})

test('while replicating, a rejection that is older than what matched is ignored', () => {
  const peer = progress(5, 5)
  peer.becomeReplicate()
  peer.sentEntries(9, 1)
  assert.equal(peer.maybeDecrease(5, 3), false)
  assert.equal(peer.maybeDecrease(9, 4), false)
  assert.ok(peer.maybeDecrease(9, 5))
  assert.equal(peer.next, 5)
})

test('after a snapshot it probes from there', () => {
  const peer = progress(1, 1)
  peer.becomeSnapshot(20)
  assert.ok(peer.paused())
  peer.becomeProbe()
  assert.equal(peer.next, 20)
  assert.equal(peer.pendingSnapshot, 0)
})
