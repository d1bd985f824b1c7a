import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseFaults, FAULTS, type PlannedFault, planFaults } from './faults.ts'

function take(plan: Iterator<PlannedFault>, count: number): PlannedFault[] {
  return Array.from({ length: count }, () => plan.next().value as PlannedFault)
}

test('the same seed gives the same plan, another one another', () => {
  const names = chooseFaults(null, 3)
  const plan = take(planFaults(7, names, false), 60)
  assert.deepEqual(take(planFaults(7, names, false), 60), plan)
  assert.notDeepEqual(take(planFaults(8, names, false), 60), plan)
})

test('every kind comes once a round, and holds as long as it says', () => {
  const names = chooseFaults(null, 5)
  const plan = planFaults(1, names, false)
  for (let round = 0; round < 3; round++) {
    const faults = take(plan, names.length)
    assert.deepEqual(faults.map(({ name }) => name).sort(), [...names].sort())
    for (const { name, holdMs } of faults) {
      assert.ok(holdMs >= FAULTS[name]!.holdMsMin && holdMs <= FAULTS[name]!.holdMsMax)
    }
  }
})

test('a fixed order is kept', () => {
  const names = ['kill', 'stop', 'cut']
  assert.deepEqual(
    take(planFaults(3, names, true), 4).map(({ name }) => name),
    ['kill', 'stop', 'cut', 'kill'],
  )
})

test('faults that a cluster of that size does not recover from are left out; unknown ones are refused', () => {
  const alone = chooseFaults(null, 1)
  assert.ok(alone.includes('kill') && !alone.includes('cut') && !alone.includes('wipe'))
  assert.throws(() => chooseFaults(['flood'], 3), /unknown fault flood/)
  assert.throws(() => chooseFaults(['cut'], 1), /none of the faults suits 1 brokers/)
})
