/**
 * The scenario `spine`: one broker, one replica, fsync before every acknowledgement (durability class D2), produce and
 * consume at three record sizes, beside a bare file writer on the same disk, in turn.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '@stratalog/client'
import { BrokerProcess } from 'stratalog'
import { inScratchFolder } from './cluster/scratch-folder.ts'
import type { LoadJob, LoadResult } from './load/job.ts'
import { runLoad } from './load/load-process.ts'
import { readProcessStats } from './system/process-stats.ts'

/** Settings of a run. */
export interface SpineOptions {
  /** Bytes of values that each run writes, per size. */
  readonly bytesPerRun: number
  readonly rounds: number
  readonly partitionCount: number
  readonly valueSizes: readonly number[]
  /** Folder, on the disk to be measured, for data and results. */
  readonly outDirectory: string
  /** Flags of the Node of broker and clients, such as `--cpu-prof`. */
  readonly nodeFlags: readonly string[]
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
  const rounds: SpineRound[] = []
  for (let round = 1; round <= options.rounds; round++) {
    for (const valueBytes of options.valueSizes) {
      options.onProgress(`round ${round} of ${options.rounds}: ${valueBytes} B`)
      rounds.push(await inScratchFolder(options.outDirectory, (directory) => runRound(options, valueBytes, directory)))
    }
  }
  return rounds
}

async function runRound(options: SpineOptions, valueBytes: number, directory: string): Promise<SpineRound> {
  const { nodeFlags } = options
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
    await rm(join(directory, 'bare-0.log'))
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
    const before = readProcessStats(broker.pid)
    const produce = await runLoad({ ...onBroker, kind: 'produce' }, { nodeFlags })
    const between = readProcessStats(broker.pid)
    const consume = await runLoad({ ...onBroker, kind: 'consume' }, { nodeFlags })
    const after = readProcessStats(broker.pid)
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
  }
}

async function createTopic(bootstrap: string, name: string, partitionCount: number): Promise<void> {
  await using client = createClient({ bootstrap })
  await client.admin.createTopic({ name, partitionCount, replicationFactor: 1 })
}
