/** `pnpm bench replicated`. */
import { Command } from 'commander'
import { type OutputFlags, positive, positives, type Settings, setting, withOutputFlags } from '../flags.ts'
import { measure } from '../measure.ts'
import { runReplicated } from './replicated.ts'
import { renderReplicated } from './replicated-table.ts'

const MEBIBYTE = 1024 * 1024

interface ReplicatedFlags extends OutputFlags {
  readonly mib: number
  readonly rounds: number
  readonly partitions: number[]
  readonly sizes: number[]
  readonly brokers: number
  readonly set: Settings
}

/** Builds the command. */
export function replicatedCommand(): Command {
  const command = new Command('replicated')
    .description('three brokers, three replicas, acks=all, fsync: produce and consume beside the bare limit')
    .option('--mib <n>', 'MiB of values that each run writes, three times', positive, 1024)
    .option('--rounds <n>', 'how often each size is run; the table shows medians', positive, 3)
    .option('--partitions <list>', 'numbers of partitions', positives, [1])
    .option('--sizes <list>', 'record sizes in bytes', positives, [100, 1024, 10_240])
    .option('--brokers <n>', 'brokers, and replicas', positive, 3)
    .option('--set <name=value>', 'a setting of every broker; repeatable', setting, {})
  return withOutputFlags(command).action(async (flags: ReplicatedFlags) => {
    const settings = {
      bytesPerRun: flags.mib * MEBIBYTE,
      rounds: flags.rounds,
      partitionCounts: flags.partitions,
      valueSizes: flags.sizes,
      brokerCount: flags.brokers,
      brokerSettings: flags.set,
    }
    await measure(flags, {
      scenario: 'replicated',
      durabilityClass: 'D4',
      settings,
      run: runReplicated,
      render: renderReplicated,
    })
  })
}
