/** Entry of a load process: one job comes in over the IPC channel, one result or a failure goes back. */
import { bareWriteLoad } from './bare-write-load.ts'
import { consumeLoad } from './consume-load.ts'
import { floorLoad } from './floor-load.ts'
import type { LoadJob, LoadResult } from './job.ts'
import type { LatencySummary } from './latency-histogram.ts'
import { pacedProduceLoad } from './paced-produce-load.ts'
import { produceLoad } from './produce-load.ts'
import { timedConsumeLoad } from './timed-consume-load.ts'

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
  const latencies = await loadOf(job)
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9
  const usage = process.resourceUsage()
  return {
    records: job.recordCount,
    valueBytes: job.recordCount * job.valueBytes,
    seconds,
    cpuSeconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
    peakRssBytes: usage.maxRSS * 1024,
    latencies,
  }
}

async function loadOf(job: LoadJob): Promise<Record<string, LatencySummary>> {
  switch (job.kind) {
    case 'produce':
      await produceLoad(job)
      return {}
    case 'consume':
      await consumeLoad(job)
      return {}
    case 'bare-write':
      await bareWriteLoad(job)
      return {}
    case 'paced-produce':
      return pacedProduceLoad(job)
    case 'timed-consume':
      return timedConsumeLoad(job)
    case 'floor':
      return floorLoad(job)
  }
}
