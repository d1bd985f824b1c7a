/**
 * The scenario `spine`: one broker, one replica, fsync before every acknowledgement (durability class D2), produce and
 * consume at three record sizes, beside a bare file writer on the same disk, in turn.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '@stratalog/client'
import { BrokerProcess } from 'stratalog'
import type { LoadJob, LoadResult } from './load/job.ts'
import { runLoad } from './load/load-process.ts'
import { type ProcessStats, readProcessStats } from './system/process-stats.ts'

/** Settings of a run. */
export interface SpineOptions {
  /** Bytes of values that each run writes, per size. */
  readonly bytesPerRun: number
  readonly rounds: number
  readonly partitionCount: number
  readonly valueSizes: readonly number[]
  /** Folder, on the disk to be measured, for data and results. */
  readonly outDirectory: string
  /** Leave CPU profiles of broker and load processes there. */
  readonly profile: boolean
  readonly onProgress: (line: string) => void
}

/** One turn: bare writer, produce, consume, at one size. */
export interface SpineRound {
  readonly valueBytes: number
  readonly bare: LoadResult
  readonly produce: LoadResult
  readonly consume: LoadResult
  readonly brokerCpuSeconds: { readonly produce: number; readonly consume: number }
  readonly brokerPeakRssBytes: number
}

/** Runs all sizes, `rounds` times each, sizes in turn so that the disk's moods fall on all alike. */
export async function runSpine(options: SpineOptions): Promise<SpineRound[]> {
  await mkdir(options.outDirectory, { recursive: true })
  const rounds: SpineRound[] = []
  for (let round = 1; round <= options.rounds; round++) {
    for (const valueBytes of options.valueSizes) {
      options.onProgress(`round ${round} of ${options.rounds}: ${valueBytes} B`)
      rounds.push(await runRound(options, valueBytes))
    }
  }
  return rounds
}

async function runRound(options: SpineOptions, valueBytes: number): Promise<SpineRound> {
  const directory = await mkdtemp(join(options.outDirectory, 'run-'))
  const nodeFlags = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${join(options.outDirectory, 'profiles')}`] : []
  let broker: BrokerProcess | null = null
  try {
    const job: Omit<LoadJob, 'kind'> = {
      bootstrap: '',
      topic: 'bench',
      partitionCount: options.partitionCount,
      directory,
      valueBytes,
      recordCount: Math.ceil(options.bytesPerRun / valueBytes),
    }
    const bare = await runLoad({ ...job, kind: 'bare-write' })
    await rm(join(directory, 'bare.log'))
    broker = await BrokerProcess.start({
      brokerId: 1,
      dataDir: join(directory, 'data'),
      host: '127.0.0.1',
      port: 0,
      logPath: join(directory, 'broker.log'),
      settings: { 'log.level': 'warn' },
      nodeFlags,
    })
    await createTopic(broker.address, job.topic, job.partitionCount)
    const onBroker = { ...job, bootstrap: broker.address }
    const before = statsOf(broker)
    const produce = await runLoad({ ...onBroker, kind: 'produce' }, nodeFlags)
    const between = statsOf(broker)
    const consume = await runLoad({ ...onBroker, kind: 'consume' }, nodeFlags)
    const after = statsOf(broker)
    return {
      valueBytes,
      bare,
      produce,
      consume,
      brokerCpuSeconds: {
        produce: between.cpuSeconds - before.cpuSeconds,
        consume: after.cpuSeconds - between.cpuSeconds,
      },
      brokerPeakRssBytes: after.peakRssBytes,
    }
  } finally {
    await broker?.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function statsOf({ pid }: BrokerProcess): ProcessStats {
  return readProcessStats(pid) ?? { cpuSeconds: Number.NaN, peakRssBytes: Number.NaN }
}

async function createTopic(bootstrap: string, name: string, partitionCount: number): Promise<void> {
  await using client = createClient({ bootstrap })
  await client.admin.createTopic({ name, partitionCount, replicationFactor: 1 })
}
