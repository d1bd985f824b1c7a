/** The scenario `groups` in short: members and brokers of one group under a few faults, as in every CI run. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { renderGroupReport } from '../groups/groups-report.ts'
import { runGroups } from '../groups/run-groups.ts'

test('members killed, paused past their session and restarted, the coordinator killed: nothing is lost or stuck', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stratalog-groups-'))
  const faults = ['member-restart', 'member-pause', 'coordinator-and-member-kill']
  const report = await runGroups({
    seed: 1,
    brokerCount: 3,
    memberCount: 3,
    partitionCount: 12,
    recordCount: null,
    rate: 300,
    durationMs: 120_000,
    faultCount: faults.length,
    faults,
    isFixedOrder: true,
    sessionTimeoutMs: 2000,
    // Another suite may have the machine: how fast a group settles is measured by `pnpm chaos`.
    settleBarMs: 30_000,
    input: null,
    folder,
    tell: (line) => console.log(line),
  })
  console.log(renderGroupReport(report))
  assert.deepEqual(report.problems, [])
  assert.deepEqual(report.verdict.violations, [])
  assert.ok(report.verdict.writtenCount > 1000)
  assert.deepEqual(Object.keys(report.verdict.faults).sort(), [...faults].sort())
  assert.ok(report.verdict.groupEpochs > 0)
  await rm(folder, { recursive: true, force: true })
})
