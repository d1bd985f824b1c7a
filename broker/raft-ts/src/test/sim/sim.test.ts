/**
 * The simulator in CI: a fixed set of seeds, a few new ones each time, and proof that a seed always runs the same way.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { simulate } from '../../testing/sim/index.ts'
import { parseArguments } from './arguments.ts'
import { explainViolation } from './explain.ts'
import { REGRESSION_SEEDS } from './regression-seeds.ts'
import { SimTotals } from './totals.ts'

const FIXED_COUNT = 60
const RANDOM_COUNT = 20

function runAll(seeds: readonly number[]): SimTotals {
  const totals = new SimTotals()
  for (const seed of seeds) {
    const report = simulate(seed)
    totals.add(report)
    if (report.violation !== null) assert.fail(explainViolation(report))
  }
  return totals
}

test('a fixed set of seeds violates nothing, and is worth running', () => {
  const totals = runAll(Array.from({ length: FIXED_COUNT }, (_, i) => i + 1))
  assert.ok(totals.acknowledged > 10_000, `${totals.acknowledged} proposals acknowledged`)
  assert.ok(totals.reads > 1_000, `${totals.reads} reads answered`)
  assert.ok(totals.elections > FIXED_COUNT, `${totals.elections} elections`)
  assert.ok(totals.recoveries > FIXED_COUNT / 2, `${totals.recoveries} recoveries`)
})

test('seeds that once found something violate nothing', () => {
  runAll(REGRESSION_SEEDS.map(({ seed }) => seed))
})

test('new seeds violate nothing', (t) => {
  const first = randomInt(2 ** 40)
  t.diagnostic(`seeds ${first}..${first + RANDOM_COUNT - 1}`)
  runAll(Array.from({ length: RANDOM_COUNT }, (_, i) => first + i))
})

test('the same seed gives the same hash, another seed another', () => {
  const seeds = [3, 14, 159, 2653]
  const hashes = seeds.map((seed) => simulate(seed).hash)
  assert.deepEqual(
    seeds.map((seed) => simulate(seed).hash),
    hashes,
  )
  assert.equal(new Set(hashes).size, seeds.length)
})

test('the command line says what to run, or how to call it', () => {
  assert.deepEqual(
    parseArguments(['--seeds', '3..9'], () => 1),
    {
      first: 3,
      last: 9,
      minutes: Infinity,
      trace: false,
      twice: false,
    },
  )
  assert.equal(parseArguments(['--minutes', '2'], () => 77).first, 77)
  assert.throws(() => parseArguments(['--seed', 'x'], () => 1), /not a seed/)
  assert.throws(() => parseArguments(['--what'], () => 1), /unknown argument/)
})
