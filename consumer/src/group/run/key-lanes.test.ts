import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { KeyLanes } from './key-lanes.ts'

describe('lanes', () => {
  it('keep the order of each, never exceed the concurrency, and finish everything that is not dropped (property)', async () => {
    const tasks = fc.array(fc.tuple(fc.option(fc.nat(3)), fc.nat(3)), { maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(tasks, fc.integer({ min: 1, max: 5 }), fc.nat(59), async (list, concurrency, dropAt) => {
        const done: number[] = []
        const underWay = new Set<string>()
        let most = 0
        let count = 0
        const lanes = new KeyLanes<{ readonly index: number; readonly key: string | null; readonly turns: number }>(
          concurrency,
          async ({ index, key, turns }) => {
            if (key !== null) {
              assert.ok(!underWay.has(key), 'two of one lane at a time')
              underWay.add(key)
            }
            most = Math.max(most, ++count)
            for (let turn = 0; turn < turns; turn++) await Promise.resolve()
            count--
            if (key !== null) underWay.delete(key)
            done.push(index)
          },
        )
        const dropped: number[] = []
        for (const [index, [lane, turns]] of list.entries()) {
          const key = lane === null ? null : `k${lane}`
          lanes.add(key, { index, key, turns })
          if (index === dropAt) dropped.push(...lanes.drop((task) => task.key === 'k1').map((task) => task.index))
        }
        await lanes.room(1)
        assert.equal(lanes.size, 0)
        assert.ok(most <= concurrency)
        assert.deepEqual(
          [...done, ...dropped].toSorted((a, b) => a - b),
          list.map((_, index) => index),
        )
        for (const wanted of [0, 1, 2, 3]) {
          const order = done.filter((index) => list[index]?.[0] === wanted)
          assert.deepEqual(
            order,
            order.toSorted((a, b) => a - b),
          )
        }
      }),
    )
  })
})
