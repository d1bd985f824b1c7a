/** `pnpm bench groups`. */
import { Command } from 'commander'
import { type OutputFlags, positive, type Settings, setting, withOutputFlags } from '../flags.ts'
import { measure } from '../measure.ts'
import { runGroups } from './groups.ts'
import { renderGroups } from './groups-table.ts'

interface GroupsFlags extends OutputFlags {
  readonly groups: number
  readonly members: number
  readonly partitions: number
  readonly brokers: number
  readonly seconds: number
  readonly committers: number
  readonly set: Settings
}

/** Builds the command. */
export function groupsCommand(): Command {
  const command = new Command('groups')
    .description('many consumer groups on one coordinator: commits, latency, CPU, memory, and its loss')
    .option('--groups <n>', 'groups', positive, 1000)
    .option('--members <n>', 'members of each', positive, 4)
    .option('--partitions <n>', 'partitions of the topic that all subscribe to', positive, 16)
    .option('--brokers <n>', 'brokers, and copies of everything (at most 3)', positive, 3)
    .option('--seconds <n>', 'how long commits are measured', positive, 20)
    .option('--committers <n>', 'commits under way at a time', positive, 64)
    .option('--set <name=value>', 'a setting of every broker; repeatable', setting, {})
  return withOutputFlags(command).action(async (flags: GroupsFlags) => {
    const settings = {
      groupCount: flags.groups,
      memberCount: flags.members,
      partitionCount: flags.partitions,
      brokerCount: flags.brokers,
      measuredSeconds: flags.seconds,
      committerCount: flags.committers,
      brokerSettings: flags.set,
    }
    await measure(flags, {
      scenario: 'groups',
      durabilityClass: 'D4',
      settings,
      run: async (options) => [await runGroups(options)] as const,
      render: ([result]) => renderGroups(result),
      figures: 'All figures',
    })
  })
}
