import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCompaction } from './compaction.ts'

test('a topic is compacted while it is written and read, through kill -9 and a change of the leader', async (t) => {
  const outDirectory = await mkdtemp(join(tmpdir(), 'stratalog-compaction-'))
  t.after(() => rm(outDirectory, { recursive: true, force: true }))
  const run = await runCompaction({
    updateCount: 40_000,
    keyCount: 400,
    valueBytes: 200,
    brokerCount: 3,
    killCount: 2,
    topicConfigs: { 'segment.bytes': String(1024 * 1024) },
    brokerSettings: {},
    outDirectory,
    nodeFlags: [],
    onProgress: (line) => t.diagnostic(line),
  })
  assert.equal(run.killCount, 2)
  assert.ok(run.leaderChangeCount >= 1)
  assert.ok(run.reads.passCount > 0)
  for (const { recordCount, brokerId } of run.replicas) {
    assert.ok(recordCount < 40_000 / 4, `broker ${brokerId} has ${recordCount} records`)
  }
})
