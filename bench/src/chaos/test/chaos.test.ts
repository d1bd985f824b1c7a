/** The failure suite in short: a few faults on real processes, as in every CI run; `pnpm chaos` is the whole of it. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { renderReport } from '../report.ts'
import { type ChaosOptions, HEALTH_TIMEOUT_MS, runChaos } from '../run-chaos.ts'

const SHORT = {
  seed: 1,
  brokerCount: 3,
  durationMs: 600_000,
  isFixedOrder: true,
  lossyChance: 0,
  rate: 500,
  healthTimeoutMs: HEALTH_TIMEOUT_MS,
  tell: (line: string) => console.log(line),
}

async function run(options: Partial<ChaosOptions> & { readonly faults: readonly string[] }) {
  const folder = await mkdtemp(join(tmpdir(), 'stratalog-chaos-'))
  const report = await runChaos({ ...SHORT, faultCount: options.faults.length, ...options, folder })
  console.log(renderReport(report))
  return { report, cleanUp: () => rm(folder, { recursive: true, force: true }) }
}

test('a leader killed, a broker stopped, one cut off, all restarted in turn, a bit flipped: nothing is lost', async () => {
  const { report, cleanUp } = await run({ faults: ['kill-leader', 'stop', 'cut', 'rolling-restart', 'flip-down'] })
  assert.deepEqual(report.violations, [])
  assert.ok(report.verdict.valid)
  assert.equal(report.faults.length, 5)
  assert.ok(report.verdict.totals.ok > 1000)
  assert.ok(report.comparedBatches > 0)
  await cleanUp()
})

test('the suite finds what a disk loses that lies about its syncs', async () => {
  const { report, cleanUp } = await run({
    brokerCount: 1,
    lossyChance: 1,
    faults: ['lying-power-loss'],
    seed: 2,
    // What it has lost it does not serve any more.
    healthTimeoutMs: 5000,
  })
  // Who finds it depends on what was lost: the checks of what had been read, or the broker, which knows that its log was
  // flushed further and does not serve it any more.
  assert.ok(!report.verdict.valid || report.violations.length > 0)
  await cleanUp()
})
