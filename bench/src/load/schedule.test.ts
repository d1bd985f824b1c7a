import { equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { GROUPS_PER_SECOND_MAX, Schedule } from './schedule.ts'

test('up to the most moments a second each record has its own', () => {
  const schedule = new Schedule(500)
  for (let i = 0; i < 1000; i++) equal(Math.round(schedule.dueNs(i)), i * 2_000_000)
})

test('beyond it records are due in groups, at the same rate', () => {
  for (const rate of [2000, 6000, 7001, 30_000, 123_457]) {
    const schedule = new Schedule(rate)
    const due = Array.from({ length: rate }, (_, i) => schedule.dueNs(i))
    ok(new Set(due).size <= GROUPS_PER_SECOND_MAX)
    for (let i = 1; i < due.length; i++) ok(due[i]! >= due[i - 1]!, 'never backwards')
    // Never later than evenly spaced, never earlier by more than a group.
    due.forEach((ns, i) => {
      const even = (i / rate) * 1e9
      ok(ns <= even + 1 && ns > even - schedule.groupNs - 1, `record ${i} at ${rate}/s is due at ${ns}, not ${even}`)
    })
  }
})
