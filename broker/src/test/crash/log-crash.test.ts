/**
 * Crashes at every write and sync of a workload, and during recovery; see log-crash-suite.ts.
 *
 * Prints its figures. CRASH_SEEDS=n runs n workloads (default 1); CRASH_LOSSES=all tries all losses at each point.
 */
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { CrashTask } from './log-crash-suite.ts'

const SEED_COUNT = Number(process.env['CRASH_SEEDS'] ?? 1)
const ALL_LOSSES = process.env['CRASH_LOSSES'] === 'all'

function inWorker(task: CrashTask): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./log-crash-worker.ts', import.meta.url), { workerData: task })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

test('recovery keeps what was acknowledged, whatever the crash', async (context) => {
  context.diagnostic(await inWorker({ kind: 'workload', seedCount: SEED_COUNT, allLosses: ALL_LOSSES }))
})

test('a crash during recovery is recovered from', async (context) => {
  context.diagnostic(await inWorker({ kind: 'recovery', seedCount: 1, allLosses: false }))
})
