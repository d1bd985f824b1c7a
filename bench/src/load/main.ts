/** Entry of a load process: one job comes in over the IPC channel, one result or a failure goes back. */
import { bareWriteLoad } from './bare-write-load.ts'
import { consumeLoad } from './consume-load.ts'
import type { LoadJob, LoadResult } from './job.ts'
import { produceLoad } from './produce-load.ts'

process.once('message', (job: LoadJob) => {
  run(job).then(
    (result) => process.send?.(result, () => process.disconnect()),
    (cause: unknown) => {
      console.error(cause)
      process.exit(1)
    },
  )
})

async function run(job: LoadJob): Promise<LoadResult> {
  const startedAt = process.hrtime.bigint()
  const load = { produce: produceLoad, consume: consumeLoad, 'bare-write': bareWriteLoad }[job.kind]
  await load(job)
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9
  const usage = process.resourceUsage()
  return {
    records: job.recordCount,
    valueBytes: job.recordCount * job.valueBytes,
    seconds,
    cpuSeconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
    peakRssBytes: usage.maxRSS * 1024,
  }
}
