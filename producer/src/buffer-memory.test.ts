import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BufferMemory } from './buffer-memory.ts'

test('room is granted in order of asking, never beyond the capacity, and all of it comes back', async () => {
  const step = fc.record({ bytes: fc.integer({ min: 0, max: 100 }), releases: fc.integer({ min: 0, max: 3 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const memory = new BufferMemory(100)
      const granted: number[] = []
      const held: number[] = []
      const pending: Promise<void>[] = []
      for (const [order, { bytes, releases }] of steps.entries()) {
        pending.push(
          memory.reserve(bytes).then(() => {
            granted.push(order)
            held.push(bytes)
          }),
        )
        await Promise.resolve()
        assert.ok(memory.usedBytes <= 100)
        for (let count = 0; count < releases && held.length > 0; count++) memory.release(held.shift()!)
        await Promise.resolve()
      }
      while (granted.length < steps.length) {
        memory.release(held.shift()!)
        await Promise.resolve()
      }
      await Promise.all(pending)
      assert.deepEqual(
        granted,
        steps.map((_, order) => order),
      )
      for (const bytes of held) memory.release(bytes)
      assert.equal(memory.usedBytes, 0)
      assert.equal(memory.waiterCount, 0)
    }),
  )
})

test('nobody overtakes one who waits; an abort lets those behind in', async () => {
  const memory = new BufferMemory(10)
  await memory.reserve(6)
  const controller = new AbortController()
  const large = memory.reserve(8, controller.signal)
  assert.equal(memory.tryReserve(1), false)
  const small = memory.reserve(1)
  controller.abort()
  await assert.rejects(large, { code: 'CANCELLED' })
  await small
  assert.equal(memory.usedBytes, 7)
})
