/** `pnpm bench spine`, the scenario that runs when none is named. */
import { Command } from 'commander'
import { type OutputFlags, positive, positives, withOutputFlags } from './flags.ts'
import { measure } from './measure.ts'
import { renderSpine } from './report.ts'
import { runSpine } from './spine.ts'

const MEBIBYTE = 1024 * 1024

interface SpineFlags extends OutputFlags {
  readonly mib: number
  readonly rounds: number
  readonly partitions: number
  readonly sizes: number[]
}

/** Builds the command. */
export function spineCommand(): Command {
  const command = new Command('spine')
    .description('one broker: produce and consume at several record sizes, beside a bare file writer')
    .option('--mib <n>', 'MiB of values that each run writes', positive, 1024)
    .option('--rounds <n>', 'how often each size is run; the table shows medians', positive, 3)
    .option('--partitions <n>', 'partitions of the topic', positive, 1)
    .option('--sizes <list>', 'record sizes in bytes', positives, [100, 1024, 10_240])
  return withOutputFlags(command).action(async (flags: SpineFlags) => {
    const settings = {
      bytesPerRun: flags.mib * MEBIBYTE,
      rounds: flags.rounds,
      partitionCount: flags.partitions,
      valueSizes: flags.sizes,
    }
    await measure(flags, {
      scenario: 'spine',
      durabilityClass: 'D2',
      settings,
      run: runSpine,
      render: renderSpine,
    })
  })
}
