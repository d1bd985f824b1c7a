/**
 * Groups under faults: a fixed set of seeds and some that are new each time. `SIM_SEED=n` runs one, `SIM_SEEDS=n` so many new ones.
 */
import { test } from 'node:test'
import { GroupSimulation } from './group-simulation.ts'

const FIXED_COUNT = 16
const NEW_COUNT = Number(process.env['SIM_SEEDS'] ?? 6)

/** Seeds that found something, and what. */
const FOUND: readonly (readonly [number, string])[] = []

function run(seed: number): void {
  try {
    new GroupSimulation(seed).run()
  } catch (cause) {
    throw new Error(
      `seed ${seed}: ${cause instanceof Error ? cause.message : cause} (SIM_SEED=${seed} runs it again)`,
      {
        cause,
      },
    )
  }
}

const only = process.env['SIM_SEED']
if (only !== undefined) {
  test(`seed ${only}`, () => run(Number(only)))
} else {
  test('fixed seeds', () => {
    for (let seed = 1; seed <= FIXED_COUNT; seed++) run(seed)
  })
  for (const [seed, what] of FOUND) test(`seed ${seed}: ${what}`, () => run(seed))
  test('new seeds', () => {
    for (let i = 0; i < NEW_COUNT; i++) run(Math.floor(Math.random() * 2 ** 32))
  })
}
