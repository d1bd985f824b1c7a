/**
 * The simulation of whole brokers in CI: a fixed set of seeds, a few new ones each time, power losses of the whole cluster,
 * and proof that a seed always runs the same way.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { parseArguments } from './arguments.ts'
import { REGRESSION_SEEDS } from './regression-seeds.ts'
import type { SimOutcome, SimTask } from './sim-worker.ts'

const FIXED_SEEDS: readonly number[] = Array.from({ length: 16 }, (_, i) => i + 1)
const RANDOM_COUNT = 4

async function run(task: SimTask): Promise<SimOutcome['reports']> {
  const worker = new Worker(new URL('./sim-worker.ts', import.meta.url), { workerData: task })
  const [outcome] = (await once(worker, 'message')) as [SimOutcome]
  await worker.terminate()
  if (outcome.violation !== null) assert.fail(outcome.violation)
  return outcome.reports
}

test('a fixed set of seeds violates nothing, and is worth running', async () => {
  const reports = await run({ seeds: FIXED_SEEDS, powerLosses: false })
  const sum = (value: (report: (typeof reports)[number]) => number): number =>
    reports.reduce((total, report) => total + value(report), 0)
  assert.ok(sum(({ acknowledged }) => acknowledged) > 3_000, `${sum(({ acknowledged }) => acknowledged)} acknowledged`)
  assert.ok(sum(({ read }) => read) > 3_000, `${sum(({ read }) => read)} read`)
  assert.ok(sum(({ elections }) => elections) > 10 * reports.length, `${sum(({ elections }) => elections)} elections`)
  assert.ok(reports.every(({ recoveryMs }) => recoveryMs !== null))
})

test('seeds that once found something violate nothing', async () => {
  await run({ seeds: REGRESSION_SEEDS.map(({ seed }) => seed), powerLosses: false })
})

test('new seeds violate nothing', async (t) => {
  const first = randomInt(2 ** 40)
  t.diagnostic(`seeds ${first}..${first + RANDOM_COUNT - 1}`)
  await run({ seeds: Array.from({ length: RANDOM_COUNT }, (_, i) => first + i), powerLosses: false })
})

test('nothing acknowledged is lost when all brokers lose power at once, again and again', async () => {
  const reports = await run({ seeds: [1], powerLosses: true })
  for (const { faults } of reports) assert.ok((faults.get('power-loss-all') ?? 0) > 5)
})

test('the same seed gives the same hash, another seed another', async () => {
  const seeds = [14, 159]
  const hashes = (await run({ seeds, powerLosses: false })).map(({ hash }) => hash)
  const again = (await run({ seeds, powerLosses: false })).map(({ hash }) => hash)
  assert.deepEqual(again, hashes)
  assert.equal(new Set(hashes).size, seeds.length)
})

test('the command line says what to run, or how to call it', () => {
  const plain = { minutes: Infinity, trace: false, twice: false, powerLosses: 0 }
  assert.deepEqual(
    parseArguments(['--broker', '--seeds', '3..9'], () => 1),
    { first: 3, last: 9, ...plain },
  )
  assert.deepEqual(
    parseArguments(['--broker', '--power-losses', '100', '--from', '5'], () => 1),
    { ...plain, first: 5, last: Infinity, powerLosses: 100 },
  )
  assert.equal(parseArguments(['--broker', '--minutes', '2'], () => 77).first, 77)
  assert.throws(() => parseArguments(['--seed', 'x'], () => 1), /not a whole number/)
  assert.throws(() => parseArguments(['--what'], () => 1), /unknown argument/)
})
