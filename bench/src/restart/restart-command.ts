/** `pnpm bench restart`. */
import { Command } from 'commander'
import { type OutputFlags, positive, type Settings, setting, withOutputFlags } from '../flags.ts'
import { measure } from '../measure.ts'
import { runRestart } from './restart.ts'
import { renderRestart } from './restart-table.ts'

const MEBIBYTE = 1024 * 1024

interface RestartFlags extends OutputFlags {
  readonly partitions: number
  readonly rounds: number
  readonly brokers: number
  readonly mib: number
  readonly tailMib: number
  readonly set: Settings
}

/** Builds the command. */
export function restartCommand(): Command {
  const command = new Command('restart')
    .description('from the start of a process to serving with many partitions, after a stop and after kill -9')
    .option('--partitions <n>', 'partitions of the topic', positive, 1000)
    .option('--rounds <n>', 'how often each case is run; the table shows medians', positive, 3)
    .option('--brokers <n>', 'brokers, and replicas', positive, 3)
    .option('--mib <n>', 'MiB of values written at first', positive, 256)
    .option('--tail-mib <n>', 'MiB of values written right before each restart', positive, 16)
    .option('--set <name=value>', 'a setting of every broker; repeatable', setting, {})
  return withOutputFlags(command).action(async (flags: RestartFlags) => {
    const settings = {
      partitionCount: flags.partitions,
      rounds: flags.rounds,
      brokerCount: flags.brokers,
      brokerSettings: flags.set,
      dataBytes: flags.mib * MEBIBYTE,
      tailBytes: flags.tailMib * MEBIBYTE,
    }
    await measure(flags, {
      scenario: 'restart',
      durabilityClass: 'D4',
      settings,
      run: runRestart,
      render: renderRestart,
    })
  })
}
