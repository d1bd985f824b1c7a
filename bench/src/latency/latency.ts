/**
 * The scenario `latency`: the cluster of `replicated` at a fraction of its highest rate. A process of its own sends in an
 * open loop and measures from the moment at which each record was due to its acknowledgement; another reads along and
 * measures to the moment at which the application has the record. No linger.
 *
 * In the same round, on the same disk: the highest rate, and the floor, which is one fdatasync and two round trips over
 * loopback TCP.
 */
import { BenchCluster } from '../cluster/bench-cluster.ts'
import { inScratchFolder } from '../cluster/scratch-folder.ts'
import { createTopic } from '../cluster/topics.ts'
import type { LoadJob, LoadResult } from '../load/job.ts'
import type { LatencySummary } from '../load/latency-histogram.ts'
import { runLoad, runLoads } from '../load/load-process.ts'

/** Settings of a run. */
export interface LatencyOptions {
  readonly rounds: number
  readonly valueSizes: readonly number[]
  readonly partitionCount: number
  readonly brokerCount: number
  readonly brokerSettings: Readonly<Record<string, string>>
  /** Records a second; null = `fraction` of the highest rate, measured first. */
  readonly ratePerSecond: number | null
  readonly fraction: number
  /** Values that the measurement of the highest rate writes. */
  readonly maxRateBytes: number
  readonly warmUpSeconds: number
  readonly measuredSeconds: number
  readonly outDirectory: string
  readonly nodeFlags: readonly string[]
  readonly onProgress: (line: string) => void
}

/** One turn at one size; latencies in microseconds. */
export interface LatencyRound {
  readonly valueBytes: number
  /** Records a second, closed loop, full batches; null when a rate was given. */
  readonly maxRatePerSecond: number | null
  readonly ratePerSecond: number
  readonly floor: { readonly fdatasync: LatencySummary; readonly roundTrip: LatencySummary }
  /** From when a record was due to its acknowledgement. */
  readonly produce: LatencySummary
  /** From when a record was due to when the consumer handed it out. */
  readonly endToEnd: LatencySummary
  /** From when a record was due to the call of `send`: what the sender itself adds. */
  readonly sendDelay: LatencySummary
  /** Of a core, by broker id, while it ran. */
  readonly brokerCpuShare: Readonly<Record<number, number>>
  readonly clientCpuShare: { readonly producer: number; readonly consumer: number }
  readonly verifiedRecords: number
}

const FLOOR_COUNT = 2000
type Job = Omit<LoadJob, 'kind' | 'topic' | 'recordCount'>

/** Runs every size `rounds` times, in turn. */
export async function runLatency(options: LatencyOptions): Promise<LatencyRound[]> {
  const rounds: LatencyRound[] = []
  for (let round = 1; round <= options.rounds; round++) {
    for (const valueBytes of options.valueSizes) {
      options.onProgress(`round ${round} of ${options.rounds}: ${valueBytes} B`)
      rounds.push(await inScratchFolder(options.outDirectory, (directory) => runRound(options, valueBytes, directory)))
    }
  }
  return rounds
}

async function runRound(options: LatencyOptions, valueBytes: number, directory: string): Promise<LatencyRound> {
  const { brokerCount, brokerSettings, nodeFlags, partitionCount } = options
  await using cluster = await BenchCluster.start({ brokerCount, directory, settings: brokerSettings, nodeFlags })
  const { bootstrap } = cluster
  const job: Job = { bootstrap, partitionCount, directory, valueBytes }
  const maxRatePerSecond = options.ratePerSecond === null ? await measureMaxRate(options, job) : null
  const ratePerSecond = options.ratePerSecond ?? Math.max(1, Math.round((maxRatePerSecond ?? 0) * options.fraction))
  const { latencies: floor } = await runLoad({ ...job, kind: 'floor', topic: '', recordCount: FLOOR_COUNT })
  options.onProgress(`  ${ratePerSecond} records a second for ${options.warmUpSeconds + options.measuredSeconds} s`)
  const before = cluster.stats()
  const [produced, consumed] = await runPaced(options, job, ratePerSecond)
  const after = cluster.stats()
  const cpuShare = (id: number): number =>
    ((after.get(id)?.cpuSeconds ?? Number.NaN) - (before.get(id)?.cpuSeconds ?? Number.NaN)) / produced.seconds
  return {
    valueBytes,
    maxRatePerSecond,
    ratePerSecond,
    floor: { fdatasync: latencyOf(floor, 'fdatasync'), roundTrip: latencyOf(floor, 'roundTrip') },
    produce: latencyOf(produced.latencies, 'produce'),
    endToEnd: latencyOf(consumed.latencies, 'endToEnd'),
    sendDelay: latencyOf(produced.latencies, 'sendDelay'),
    brokerCpuShare: Object.fromEntries(cluster.brokerIds.map((id) => [id, cpuShare(id)])),
    clientCpuShare: {
      producer: produced.cpuSeconds / produced.seconds,
      consumer: consumed.cpuSeconds / consumed.seconds,
    },
    verifiedRecords: consumed.records,
  }
}

async function measureMaxRate({ brokerCount, maxRateBytes }: LatencyOptions, job: Job): Promise<number> {
  const topic = 'max-rate'
  const { bootstrap, partitionCount } = job
  await createTopic(bootstrap, { name: topic, partitionCount, replicationFactor: brokerCount })
  const recordCount = Math.ceil(maxRateBytes / job.valueBytes)
  const { records, seconds } = await runLoad({ ...job, topic, recordCount, kind: 'produce' })
  return records / seconds
}

async function runPaced(options: LatencyOptions, job: Job, ratePerSecond: number): Promise<[LoadResult, LoadResult]> {
  const topic = 'paced'
  const { bootstrap, partitionCount } = job
  await createTopic(bootstrap, { name: topic, partitionCount, replicationFactor: options.brokerCount })
  const paced = {
    ...job,
    topic,
    recordCount: Math.ceil(ratePerSecond * (options.warmUpSeconds + options.measuredSeconds)),
    pace: { ratePerSecond, warmUpCount: Math.floor(ratePerSecond * options.warmUpSeconds) },
  }
  const [produced, consumed] = await runLoads(
    [
      { ...paced, kind: 'paced-produce' },
      { ...paced, kind: 'timed-consume' },
    ],
    options.nodeFlags,
  )
  if (produced === undefined || consumed === undefined) throw new Error('a load ended without a result')
  return [produced, consumed]
}

function latencyOf(latencies: LoadResult['latencies'], name: string): LatencySummary {
  const summary = latencies[name]
  if (summary === undefined) throw new Error(`the load measured no ${name}`)
  return summary
}
