import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cutRange } from './split-cuts.ts'

test('pieces cover the range, begin at points, and are about equal', () => {
  const points = fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 100 })), {
    minLength: 1,
    maxLength: 100,
  })
  fc.assert(
    fc.property(points, fc.nat(1_000), fc.integer({ min: 1, max: 5_000 }), (steps, startOffset, targetBytes) => {
      let offset = startOffset
      const all = steps.map(([count, bytes], index) => {
        const point = { offset, bytes, leaderEpoch: index }
        offset += count
        return point
      })
      const pieces = cutRange(startOffset, offset, all, targetBytes)
      const total = all.reduce((sum, { bytes }) => sum + bytes, 0)
      assert.equal(
        pieces.reduce((sum, { bytes }) => sum + bytes, 0),
        total,
      )
      assert.ok(pieces.length <= Math.max(1, Math.round(total / targetBytes)))
      let next = startOffset
      for (const piece of pieces) {
        assert.equal(piece.startOffset, next)
        assert.ok(piece.endOffset > piece.startOffset)
        assert.equal(piece.leaderEpoch, all.find((point) => point.offset === piece.startOffset)?.leaderEpoch)
        next = piece.endOffset
      }
      assert.equal(next, offset)
      // No point is larger than 100 bytes, so a piece is off by about that much.
      const ideal = total / Math.max(1, Math.round(total / targetBytes))
      for (const { bytes } of pieces)
        if (ideal > 200) assert.ok(Math.abs(bytes - ideal) <= 200, `${bytes} for ${ideal}`)
    }),
  )
})

test('an empty range has no pieces; one without points is one piece', () => {
  assert.deepEqual(cutRange(5, 5, [], 10), [])
  assert.deepEqual(cutRange(5, 9, [], 10), [{ startOffset: 5, endOffset: 9, bytes: 0, leaderEpoch: null }])
})
