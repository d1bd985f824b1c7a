import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type HandedOut, OffsetTracker } from './offset-tracker.ts'

const START = { offset: 10, leaderEpoch: -1 }

describe('the offsets of a partition', () => {
  it('are committed up to the first record that is not finished', () => {
    const tracker = new OffsetTracker(START)
    const [first, second, third] = [10, 11, 12].map((offset) => tracker.handOut(offset, offset + 1, 4, 0))
    second!.finish()
    assert.deepEqual(tracker.frontier({ position: 13, lastEpoch: 5 }), START)
    first!.finish()
    assert.deepEqual(tracker.frontier({ position: 13, lastEpoch: 5 }), { offset: 12, leaderEpoch: 4 })
    third!.finish()
    assert.deepEqual(tracker.frontier({ position: 13, lastEpoch: 5 }), { offset: 13, leaderEpoch: 4 })
    // Behind a control batch of a later leader: the epoch goes with it.
    assert.deepEqual(tracker.frontier({ position: 14, lastEpoch: 5 }), { offset: 14, leaderEpoch: 5 })
  })

  it('wait for what was abandoned, which holds nobody up', () => {
    let settledCount = 0
    const tracker = new OffsetTracker(START, () => settledCount++)
    const entry = tracker.handOut(10, 11, 4, 0)
    entry.abandon()
    assert.equal(settledCount, 1)
    assert.equal(tracker.inHand.size, 0)
    assert.equal(tracker.frontier({ position: 11, lastEpoch: 4 }).offset, 10)
    tracker.finishAbandoned()
    assert.equal(tracker.frontier({ position: 11, lastEpoch: 4 }).offset, 11)
  })

  it('begin anew after a rewind, which entries from before do not disturb', () => {
    const tracker = new OffsetTracker(START)
    const before = tracker.handOut(10, 11, 4, 0)
    tracker.rewind({ offset: 3, leaderEpoch: -1 })
    before.finish()
    assert.equal(tracker.frontier({ position: 3, lastEpoch: -1 }).offset, 3)
    tracker.handOut(3, 4, 2, 0).finish()
    assert.deepEqual(tracker.frontier({ position: 4, lastEpoch: 2 }), { offset: 4, leaderEpoch: 2 })
  })

  it('never pass an unfinished record, whatever the order (property)', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('out', 'finish', 'abandon'), fc.nat(20)), { maxLength: 200 })
    fc.assert(
      fc.property(steps, (schedule) => {
        const tracker = new OffsetTracker({ offset: 0, leaderEpoch: -1 })
        const handed: { readonly entry: HandedOut; state: 'open' | 'finished' | 'abandoned' }[] = []
        let next = 0
        let last = 0
        for (const [kind, number] of schedule) {
          if (kind === 'out') {
            const offset = next + (number % 3)
            next = offset + 1 + (number % 2)
            handed.push({ entry: tracker.handOut(offset, next, 1, null), state: 'open' })
          } else {
            const chosen = handed[number % Math.max(1, handed.length)]
            if (chosen === undefined) continue
            if (kind === 'finish') chosen.state = 'finished'
            else if (chosen.state === 'open') chosen.state = 'abandoned'
            if (kind === 'finish') chosen.entry.finish()
            else chosen.entry.abandon()
          }
          const firstOpen = handed.find(({ state }) => state !== 'finished')
          const { offset } = tracker.frontier({ position: next, lastEpoch: 1 })
          assert.ok(offset >= last)
          last = offset
          if (firstOpen === undefined) assert.equal(offset, next)
          else assert.ok(offset <= firstOpen.entry.offset)
          for (const { entry, state } of handed) {
            if (state !== 'finished') assert.equal(tracker.find(entry.offset), entry)
          }
          assert.equal(tracker.inHand.size, handed.filter(({ state }) => state === 'open').length)
        }
      }),
    )
  })
})
