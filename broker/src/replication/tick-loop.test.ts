import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../testing/manual-clock.ts'
import { TickLoop } from './tick-loop.ts'

test('members are ticked until they are done; with nobody left there is no timer', async () => {
  const clock = new ManualClock(0)
  const ticks = new TickLoop(clock, 100)
  const seen: string[] = []
  const member = (name: string, count: number) => ({
    tick: (nowMs: number) => {
      seen.push(`${name}@${nowMs}`)
      return --count > 0
    },
  })
  assert.equal(clock.alarmCount, 0)
  ticks.add(member('a', 2))
  ticks.add(member('b', 1))
  await clock.advance(1000)
  assert.deepEqual(seen, ['a@100', 'b@100', 'a@200'])
  assert.deepEqual([ticks.memberCount, clock.alarmCount], [0, 0])
  ticks.add(member('c', 1))
  await clock.advance(100)
  assert.equal(seen.at(-1), 'c@1100')
})
