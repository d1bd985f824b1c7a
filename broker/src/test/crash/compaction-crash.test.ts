/** Crashes at every write and sync of a compaction; see compaction-crash-suite.ts. CRASH_LOSSES=all tries all losses at each point. */
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

const ALL_LOSSES = process.env['CRASH_LOSSES'] === 'all'

test('a crash at any point of a compaction loses nothing', async (context) => {
  const figures = await new Promise<string>((resolve, reject) => {
    const worker = new Worker(new URL('./compaction-crash-worker.ts', import.meta.url), { workerData: ALL_LOSSES })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  context.diagnostic(figures)
})
