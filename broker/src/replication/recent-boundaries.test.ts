import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BOUNDARY_COUNT_MAX, RecentBoundaries } from './recent-boundaries.ts'

test('property: the newest ends are known exactly, older ones not at all, cuts included', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 400 })), { maxLength: 12 })
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 5000 }), (script, probe) => {
      const boundaries = new RecentBoundaries()
      let model: number[] = []
      let end = 0
      for (const [cut, amount] of script) {
        if (cut) {
          end = model.findLast((known) => known <= end - amount) ?? 0
          model = model.filter((known) => known <= end)
          boundaries.truncateTo(end)
        } else {
          for (let i = 0; i < amount; i++) {
            end += 1 + (i % 3)
            boundaries.push(end)
            model.push(end)
          }
        }
        model = model.slice(-BOUNDARY_COUNT_MAX)
      }
      assert.equal(boundaries.atOrBelow(probe), model.findLast((known) => known <= probe) ?? null)
    }),
  )
})
