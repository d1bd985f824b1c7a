/** `pnpm bench idle`. */
import { Command } from 'commander'
import { type OutputFlags, positive, positives, type Settings, setting, withOutputFlags } from '../flags.ts'
import { measure } from '../measure.ts'
import { runIdle } from './idle.ts'
import { renderIdle } from './idle-table.ts'

interface IdleFlags extends OutputFlags {
  readonly partitions: number[]
  readonly brokers: number
  readonly settle: number
  readonly seconds: number
  readonly set: Settings
}

/** Builds the command. */
export function idleCommand(): Command {
  const command = new Command('idle')
    .description("three replicas of many partitions and nothing to do: each broker's CPU and memory")
    .option('--partitions <list>', 'numbers of partitions', positives, [1000, 3000])
    .option('--brokers <n>', 'brokers, and replicas', positive, 3)
    .option('--settle <n>', 'seconds of quiet before', positive, 20)
    .option('--seconds <n>', 'how long is measured', positive, 30)
    .option('--set <name=value>', 'a setting of every broker; repeatable', setting, {})
  return withOutputFlags(command).action(async (flags: IdleFlags) => {
    const settings = {
      partitionCounts: flags.partitions,
      brokerCount: flags.brokers,
      brokerSettings: flags.set,
      settleSeconds: flags.settle,
      measuredSeconds: flags.seconds,
    }
    await measure(flags, {
      scenario: 'idle',
      durabilityClass: null,
      settings,
      run: runIdle,
      render: renderIdle,
    })
  })
}
