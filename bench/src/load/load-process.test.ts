import { equal, ok, rejects } from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LoadJob } from './job.ts'
import { runLoad, runLoads } from './load-process.ts'

async function inFolder(run: (job: LoadJob) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-load-'))
  try {
    await run({
      kind: 'bare-write',
      bootstrap: '',
      topic: '',
      partitionCount: 1,
      directory,
      valueBytes: 1024,
      recordCount: 3000,
    })
  } finally {
    await rm(directory, { recursive: true })
  }
}

test('the bare writer writes every copy whole', async () => {
  await inFolder(async (job) => {
    const { records, valueBytes, seconds } = await runLoad({ ...job, copyCount: 3 })
    equal(records, 3000)
    ok(seconds > 0)
    for (const copy of [0, 1, 2]) equal((await stat(join(job.directory, `bare-${copy}.log`))).size, valueBytes)
  })
})

test('the floor has both its parts', async () => {
  await inFolder(async (job) => {
    const { latencies } = await runLoad({ ...job, kind: 'floor', recordCount: 20 })
    for (const name of ['fdatasync', 'roundTrip']) {
      equal(latencies[name]?.count, 20)
      ok(latencies[name].p50 > 0)
    }
  })
})

test('a load that fails fails the run and ends those beside it', async () => {
  await inFolder(async (job) => {
    const endless: LoadJob = { ...job, kind: 'timed-consume', bootstrap: '127.0.0.1:1' }
    const failing: LoadJob = { ...job, directory: join(job.directory, 'missing') }
    await rejects(runLoads([failing, endless]), /bare-write failed/)
  })
})
