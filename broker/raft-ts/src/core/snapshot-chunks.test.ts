/** Unit tests of snapshot-chunks.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type SnapshotChunk, SnapshotReceiver, SnapshotSender } from './snapshot-chunks.ts'

test('whatever is lost, repeated or reordered, the state arrives as it was', () => {
  const state = fc.uint8Array({ maxLength: 200 })
  const fates = fc.array(fc.constantFrom('deliver', 'lose', 'repeat', 'delay'), { minLength: 1, maxLength: 50 })
  fc.assert(
    fc.property(state, fc.integer({ min: 1, max: 40 }), fates, (data, chunkBytes, fate) => {
      const sender = new SnapshotSender(9, 2, data, chunkBytes, 3)
      const receiver = new SnapshotReceiver(200)
      let late: SnapshotChunk[] = []
      for (let i = 0; i < 10_000; i++) {
        const chunk = sender.next()
        const what = i < fate.length ? fate[i] : 'deliver'
        const due = late
        late = []
        if (chunk !== null && what === 'delay') late.push(chunk)
        if (chunk !== null && (what === 'deliver' || what === 'repeat')) due.push(chunk)
        if (chunk !== null && what === 'repeat') due.push(chunk)
        for (const item of due) {
          const result = receiver.accept(item)
          if (result.kind === 'complete') {
            assert.deepEqual(result.data, data)
            return
          }
          if (result.kind === 'more') sender.acknowledge(result.nextOffset)
          else sender.resumeAt(result.nextOffset)
        }
        if (chunk === null && due.length === 0) sender.resumeAt(0)
      }
      assert.fail('never complete')
    }),
    { numRuns: 2000 },
  )
})

test('a receiver makes room for no more than it may, and for one state', () => {
  const receiver = new SnapshotReceiver(10)
  const chunk = { position: 5, term: 1, offset: 0, totalBytes: 8, bytes: new Uint8Array(4) }
  assert.deepEqual(receiver.accept({ ...chunk, totalBytes: 11 }), {
    kind: 'refused',
    reason: 'too-large',
    nextOffset: 0,
  })
  assert.deepEqual(receiver.accept(chunk), { kind: 'more', nextOffset: 4 })
  assert.deepEqual(receiver.accept({ ...chunk, position: 4 }), { kind: 'refused', reason: 'older', nextOffset: 4 })
  assert.deepEqual(receiver.accept({ ...chunk, offset: 6, bytes: new Uint8Array(2) }), {
    kind: 'refused',
    reason: 'gap',
    nextOffset: 4,
  })
  assert.deepEqual(receiver.accept({ ...chunk, totalBytes: 9 }), {
    kind: 'refused',
    reason: 'malformed',
    nextOffset: 4,
  })
  assert.deepEqual(receiver.accept({ ...chunk, term: 2 }), { kind: 'more', nextOffset: 4 })
})

test('a sender keeps to its window', () => {
  const sender = new SnapshotSender(5, 1, new Uint8Array(100), 10, 2)
  assert.deepEqual([sender.next()?.offset, sender.next()?.offset, sender.next()], [0, 10, null])
  sender.acknowledge(10)
  assert.equal(sender.next()?.offset, 20)
})
