/** `pnpm bench replay`. */
import type { FileFormat } from '@stratalog/consumer'
import { Command, InvalidArgumentError } from 'commander'
import { type OutputFlags, positive, positives, type Settings, setting, withOutputFlags } from '../flags.ts'
import { measure } from '../measure.ts'
import { runReplayBench } from './replay-bench.ts'
import { renderReplay } from './replay-table.ts'

const MEBIBYTE = 1024 * 1024
const FORMATS: readonly FileFormat[] = ['ndjson', 'csv', 'parquet', 'arrow']

interface ReplayFlags extends OutputFlags {
  readonly rounds: number
  readonly size: number
  readonly mib: number
  readonly partitions: number
  readonly threads: number[]
  readonly formats: FileFormat[]
  readonly live: boolean
  readonly liveRate: number
  readonly liveSeconds: number
  readonly set: Settings
}

/** Builds the command. */
export function replayCommand(): Command {
  const command = new Command('replay')
    .description('reading a topic as a whole, from the cluster and from files, beside cat and a bare decoder')
    .option('--rounds <n>', 'how often everything is run; the table shows medians', positive, 3)
    .option('--size <bytes>', 'size of each value', positive, 100)
    .option('--mib <n>', 'MiB of values', positive, 512)
    .option('--partitions <n>', 'partitions of the topic', positive, 4)
    .option('--threads <n,n>', 'threads at once', positives, [1, 2, 4])
    .option('--formats <name,name>', 'files written in addition', formats, ['ndjson', 'parquet'])
    .option('--no-live', 'leave the writer beside a replay out')
    .option('--live-rate <n>', 'records a second of the writer beside a replay', positive, 2_000)
    .option('--live-seconds <n>', 'how long it writes', positive, 20)
    .option('--set <name=value>', 'a setting of the broker; repeatable', setting, {})
  return withOutputFlags(command).action(async (flags: ReplayFlags) => {
    const settings = {
      rounds: flags.rounds,
      valueBytes: flags.size,
      dataBytes: flags.mib * MEBIBYTE,
      partitionCount: flags.partitions,
      parallelisms: flags.threads,
      formats: flags.formats,
      liveRatePerSecond: flags.live ? flags.liveRate : 0,
      liveSeconds: flags.liveSeconds,
      brokerSettings: flags.set,
    }
    await measure(flags, {
      scenario: 'replay',
      durabilityClass: null,
      settings,
      run: runReplayBench,
      render: renderReplay,
    })
  })
}

function formats(text: string): FileFormat[] {
  return text.split(',').map((name) => {
    const format = FORMATS.find((each) => each === name)
    if (format === undefined) throw new InvalidArgumentError(`one of ${FORMATS.join(', ')} is needed`)
    return format
  })
}
