/**
 * The scenario `replicated`: three brokers, three replicas, `acks=all`, fsync before a replica counts (durability class
 * D4), produce and consume at several record sizes and numbers of partitions, beside the bare limit: one process that
 * writes the same bytes three times to three files of the same disk with group fdatasync.
 *
 * Each pair runs one after the other, in turns first, so that the disk's moods fall on both alike.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BenchCluster } from '../cluster/bench-cluster.ts'
import { inScratchFolder } from '../cluster/scratch-folder.ts'
import { createTopic, leaderCounts } from '../cluster/topics.ts'
import type { LoadJob, LoadResult } from '../load/job.ts'
import { runLoad } from '../load/load-process.ts'
import type { ProcessStats } from '../system/process-stats.ts'

/** Settings of a run. */
export interface ReplicatedOptions {
  readonly bytesPerRun: number
  readonly rounds: number
  readonly partitionCounts: readonly number[]
  readonly valueSizes: readonly number[]
  readonly brokerCount: number
  /** Settings of docs/config.md for every broker. */
  readonly brokerSettings: Readonly<Record<string, string>>
  /** Folder, on the disk to be measured, for data and results. */
  readonly outDirectory: string
  readonly nodeFlags: readonly string[]
  readonly onProgress: (line: string) => void
}

/** What one broker spent. */
export interface BrokerCost {
  readonly brokerId: number
  /** Of the topic's partitions. */
  readonly leaderCount: number
  readonly produceCpuSeconds: number
  readonly consumeCpuSeconds: number
  readonly peakRssBytes: number
}

/** One turn at one size. */
export interface ReplicatedRound {
  readonly valueBytes: number
  readonly partitionCount: number
  readonly bare: LoadResult
  readonly produce: LoadResult
  readonly consume: LoadResult
  readonly brokers: readonly BrokerCost[]
  /** Records that the reader saw once and in order, which is all that were acknowledged; else the run fails. */
  readonly verifiedRecords: number
}

const TOPIC = 'bench'

/** Runs every size and number of partitions `rounds` times, in turn. */
export async function runReplicated(options: ReplicatedOptions): Promise<ReplicatedRound[]> {
  const rounds: ReplicatedRound[] = []
  for (let round = 1; round <= options.rounds; round++) {
    for (const partitionCount of options.partitionCounts) {
      for (const valueBytes of options.valueSizes) {
        options.onProgress(`round ${round} of ${options.rounds}: ${valueBytes} B, partitions: ${partitionCount}`)
        const job: Omit<LoadJob, 'kind' | 'directory'> = {
          bootstrap: '',
          topic: TOPIC,
          partitionCount,
          valueBytes,
          recordCount: Math.ceil(options.bytesPerRun / valueBytes),
        }
        rounds.push(await runPair(options, job, round % 2 === 1))
      }
    }
  }
  return rounds
}

async function runPair(
  options: ReplicatedOptions,
  job: Omit<LoadJob, 'kind' | 'directory'>,
  bareFirst: boolean,
): Promise<ReplicatedRound> {
  return inScratchFolder(options.outDirectory, async (directory) => {
    const writeBare = () => runBare(options, { ...job, directory, kind: 'bare-write', copyCount: options.brokerCount })
    const early = bareFirst ? await writeBare() : null
    const replicated = await runCluster(options, { ...job, directory })
    const { valueBytes, partitionCount } = job
    return { valueBytes, partitionCount, bare: early ?? (await writeBare()), ...replicated }
  })
}

async function runBare({ brokerCount }: ReplicatedOptions, job: LoadJob): Promise<LoadResult> {
  const result = await runLoad(job)
  for (let copy = 0; copy < brokerCount; copy++) await rm(join(job.directory, `bare-${copy}.log`))
  return result
}

async function runCluster(
  options: ReplicatedOptions,
  job: Omit<LoadJob, 'kind'>,
): Promise<Pick<ReplicatedRound, 'produce' | 'consume' | 'brokers' | 'verifiedRecords'>> {
  const { brokerCount, brokerSettings, nodeFlags } = options
  const directory = join(job.directory, 'cluster')
  await using cluster = await BenchCluster.start({ brokerCount, directory, settings: brokerSettings, nodeFlags })
  const { bootstrap } = cluster
  await createTopic(bootstrap, { name: TOPIC, partitionCount: job.partitionCount, replicationFactor: brokerCount })
  const before = cluster.stats()
  const produce = await runLoad({ ...job, bootstrap, kind: 'produce' }, { nodeFlags })
  const between = cluster.stats()
  const consume = await runLoad({ ...job, bootstrap, kind: 'consume' }, { nodeFlags })
  const after = cluster.stats()
  const leaders = await leaderCounts(bootstrap, TOPIC)
  const cost = (brokerId: number): BrokerCost => ({
    brokerId,
    leaderCount: leaders.get(brokerId) ?? 0,
    produceCpuSeconds: cpuBetween(before, between, brokerId),
    consumeCpuSeconds: cpuBetween(between, after, brokerId),
    peakRssBytes: after.get(brokerId)?.peakRssBytes ?? Number.NaN,
  })
  return { produce, consume, brokers: cluster.brokerIds.map(cost), verifiedRecords: consume.records }
}

function cpuBetween(from: Map<number, ProcessStats>, to: Map<number, ProcessStats>, brokerId: number): number {
  return (to.get(brokerId)?.cpuSeconds ?? Number.NaN) - (from.get(brokerId)?.cpuSeconds ?? Number.NaN)
}
