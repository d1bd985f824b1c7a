/** Deadlines: each comes up when it is due, however it was moved. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DeadlineQueue } from './deadline-queue.ts'

test('property: what is taken is all that is due, and nothing else', () => {
  const move = fc.record({ item: fc.nat(5), atMs: fc.nat(100), passMs: fc.nat(5), removes: fc.boolean() })
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      const items = Array.from({ length: 6 }, () => ({ deadlineMs: Number.POSITIVE_INFINITY }))
      const queue = new DeadlineQueue<(typeof items)[number]>()
      let nowMs = 0
      for (const { item, atMs, passMs, removes } of moves) {
        nowMs += passMs
        const moved = items[item]!
        moved.deadlineMs = removes ? Number.POSITIVE_INFINITY : nowMs + atMs
        if (removes) queue.remove(moved)
        else queue.schedule(moved)
        const next = Math.min(...items.map((each) => each.deadlineMs))
        if (next < Number.POSITIVE_INFINITY) assert.ok((queue.nextMs ?? Number.POSITIVE_INFINITY) <= next)
        const due = queue.takeDue(nowMs)
        assert.deepEqual(new Set(due), new Set(items.filter((each) => each.deadlineMs <= nowMs)))
        for (const each of due) each.deadlineMs = Number.POSITIVE_INFINITY
      }
    }),
  )
})
