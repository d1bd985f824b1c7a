import { equal, ok, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { nowNs, pace } from './pacer.ts'

test('calls as often as planned and never before its time', async () => {
  const plan = { startNs: nowNs() + 50e6, intervalNs: 300_000, count: 100 }
  let turns = 0
  await pace(plan, () => {
    ok(nowNs() >= plan.startNs + turns * plan.intervalNs, `turn ${turns} came early`)
    turns++
  })
  equal(turns, 100)
})

test('a turn that throws ends it', async () => {
  await rejects(
    pace({ startNs: nowNs(), intervalNs: 1e6, count: 1_000_000 }, () => {
      throw new Error('enough')
    }),
    /enough/,
  )
})
