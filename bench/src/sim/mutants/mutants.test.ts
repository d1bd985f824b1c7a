/** The planted bugs in CI: every edit still fits the sources, and a sample is caught at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTANTS, QUICK_MUTANTS } from './catalogue.ts'
import { applyEdit } from './mutant.ts'
import { checkMutant, huntMutant } from './runner.ts'

const SAMPLE_BUDGET_MS = 60_000

test('every planted bug still fits the sources', async () => {
  assert.ok(MUTANTS.length >= 18, `${MUTANTS.length} planted bugs`)
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length, 'names are unique')
  for (const mutant of MUTANTS) await checkMutant(mutant)
})

test('an edit that does not fit any more fails loudly', () => {
  const edit = { file: 'x.ts', find: 'a', replace: 'b' }
  assert.equal(applyEdit('-a-', edit, 'm'), '-b-')
  assert.throws(() => applyEdit('-c-', edit, 'm'), /m: found 0 times/)
  assert.throws(() => applyEdit('-aa-', edit, 'm'), /m: found 2 times/)
})

test('a sample of the planted bugs is caught', { concurrency: 2 }, async (t) => {
  const sample = MUTANTS.filter(({ name }) => QUICK_MUTANTS.includes(name))
  assert.equal(sample.length, QUICK_MUTANTS.length)
  await Promise.all(
    sample.map((mutant) =>
      t.test(mutant.name, async () => {
        const { invariant } = await huntMutant(mutant, SAMPLE_BUDGET_MS)
        assert.notEqual(invariant, null, 'not caught')
      }),
    ),
  )
})
