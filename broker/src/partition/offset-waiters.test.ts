import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import fc from 'fast-check'
import { OffsetWaiters } from './offset-waiters.ts'
import type { ProduceOutcome } from './produce-outcome.ts'

const ok = (baseOffset: number): ProduceOutcome => ({
  kind: 'ok',
  baseOffset,
  leaderEpoch: 1,
  logAppendTimeMs: -1,
  logStartOffset: 0,
  durability: 'fsynced',
  duplicate: false,
})
const timedOut = (): { kind: 'error'; error: StratalogError } => ({
  kind: 'error',
  error: new StratalogError('REQUEST_TIMED_OUT'),
})

test('the head is answered first, even when those behind it wait for less', () => {
  const waiters = new OffsetWaiters()
  const answered: number[] = []
  for (const end of [10, 5, 20]) waiters.add(end, 100, ok(end), () => answered.push(end))
  waiters.reach(6, 6)
  assert.deepEqual(answered, [])
  waiters.reach(10, 10)
  assert.deepEqual(answered, [10, 5])
  assert.equal(waiters.count, 1)
})

test('an answer beyond the synced end does not claim to be synced', () => {
  const waiters = new OffsetWaiters()
  const durabilities: string[] = []
  for (const end of [1, 2]) {
    waiters.add(end, 100, ok(end), (outcome) => durabilities.push(outcome.kind === 'ok' ? outcome.durability : ''))
  }
  waiters.reach(2, 1)
  assert.deepEqual(durabilities, ['fsynced', 'replicated'])
})

type Step =
  | { readonly kind: 'add'; readonly span: number; readonly wait: number }
  | { readonly kind: 'reach' | 'time'; readonly by: number }
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('add' as const),
      span: fc.integer({ min: 1, max: 9 }),
      wait: fc.integer({ min: 1, max: 50 }),
    }),
    fc.record({ kind: fc.constantFrom('reach' as const, 'time' as const), by: fc.integer({ min: 0, max: 40 }) }),
  ),
  { maxLength: 200 },
)

test('property: everybody is answered exactly once, in order unless timed out, never before the offset or after the deadline', () => {
  fc.assert(
    fc.property(steps, (script) => {
      const waiters = new OffsetWaiters()
      const calls: { id: number; at: string }[] = []
      let [end, reached, nowMs, id] = [0, 0, 0, 0]
      const inTime: number[] = []
      for (const step of script) {
        if (step.kind === 'add') {
          end += step.span
          const me = id++
          const myEnd = end
          waiters.add(end, nowMs + step.wait, ok(end), (outcome) => {
            calls.push({ id: me, at: outcome.kind })
            if (outcome.kind !== 'ok') return
            assert.ok(myEnd <= reached)
            inTime.push(me)
          })
        } else if (step.kind === 'reach') {
          reached = Math.min(end, reached + step.by)
          waiters.reach(reached, reached)
        } else {
          nowMs += step.by
          waiters.expire(nowMs, timedOut)
        }
      }
      waiters.failAll(timedOut())
      assert.equal(calls.length, id)
      assert.equal(new Set(calls.map((call) => call.id)).size, id)
      assert.deepEqual(
        inTime,
        [...inTime].sort((a, b) => a - b),
      )
      assert.equal(waiters.count, 0)
    }),
  )
})
