/**
 * `stratalog group`: consumer groups, what they have read, and moving their places.
 */
import type { GroupState } from '@stratalog/client'
import { Command, InvalidArgumentError, Option } from 'commander'
import { parseDuration } from '../input/duration.ts'
import { type ClusterOptions, integerArgument, listArgument, withClusterOptions } from './shared-options.ts'

/** Options of `group list`. */
export interface GroupListOptions extends ClusterOptions {
  readonly state?: readonly GroupState[]
}

/** Options of `group describe`. */
export interface GroupDescribeOptions extends ClusterOptions {
  readonly watch?: true
  /** ms. */
  readonly interval: number
}

/** Options of `group lag`. */
export interface GroupLagOptions extends ClusterOptions {
  readonly topic?: readonly string[]
  readonly maxRecords?: number
  /** ms. */
  readonly maxTime?: number
}

/** Options of `group seek`. */
export interface GroupSeekOptions extends ClusterOptions {
  readonly to: string
  readonly topic?: readonly string[]
  readonly dryRun?: true
  readonly yes?: true
}

/** Options of `group delete-offsets`. */
export interface GroupDeleteOffsetsOptions extends ClusterOptions {
  readonly topic: readonly string[]
  readonly yes?: true
}

/** Options of `group delete`. */
export interface GroupDeleteOptions extends ClusterOptions {
  readonly yes?: true
}

const STATES: readonly GroupState[] = ['empty', 'assigning', 'reconciling', 'stable']
const INTERVAL_MS_MIN = 100
const INTERVAL_MS_MAX = 3_600_000
const TOPIC_OPTION = [
  '--topic <topic[:partitions]>',
  'only these partitions, as flights or flights:0,2-4; repeat for more',
] as const
const SEEK_HELP = `
Where to (--to): earliest, latest, an OFFSET, a time as 2026-01-31T12:00:00Z or @MS since 1970, a duration ago as 90s,
  15m, 2h or 1d12h, +N or -N records from where it stands, or group:OTHER for where that group stands.
The group must have no members: they would go on from where they are. What would move is shown before anything does.
`
const LAG_HELP = `
Exit status 6 when a limit of --max-records or --max-time is exceeded, 5 when the lag of a partition is not known
because its leader does not answer, 3 when there is no such group, otherwise 0.
`
const actions = () => import('../group/group-actions.ts')

/** The command and its subcommands. */
export function groupCommand(): Command {
  const group = new Command('group').description('show consumer groups and their lag, and move where they read')
  withClusterOptions(group.command('list').description('list the groups of the cluster'))
    .addOption(new Option('--state <state>', `only ${STATES.join(', ')}; repeat for more`).argParser(stateArgument))
    .action(async (options: GroupListOptions) => (await actions()).listGroups(options))
  withClusterOptions(group.command('describe').description('show members, partitions, lag, and what holds it up'))
    .argument('<group>')
    .option('--watch', 'show it again and again until Ctrl-C')
    .option('--interval <ms>', 'of --watch', integerArgument(INTERVAL_MS_MIN, INTERVAL_MS_MAX), 1000)
    .action(async (name: string, options: GroupDescribeOptions) => (await actions()).describeGroup(name, options))
  withClusterOptions(group.command('lag').description('show how far a group is behind, by partition and in total'))
    .argument('<group>')
    .option(...TOPIC_OPTION, listArgument)
    .option('--max-records <count>', 'fail when the total is above', integerArgument(0, Number.MAX_SAFE_INTEGER))
    .option('--max-time <duration>', 'fail when any partition is further behind, as 90s, 15m or 2h', durationArgument)
    .addHelpText('after', LAG_HELP)
    .action(async (name: string, options: GroupLagOptions) => (await actions()).showLag(name, options))
  withClusterOptions(group.command('seek').description('move where a group without members goes on reading'))
    .argument('<group>')
    .requiredOption('--to <place>', 'where to')
    .option(...TOPIC_OPTION, listArgument)
    .option('--dry-run', 'show what would move, and move nothing')
    .option('--yes', 'do not ask')
    .addHelpText('after', SEEK_HELP)
    .action(async (name: string, options: GroupSeekOptions) =>
      (await import('../group/seek-group.ts')).seekGroup(name, options),
    )
  withClusterOptions(group.command('delete-offsets').description('forget what a group has read of topics'))
    .argument('<group>')
    .requiredOption(TOPIC_OPTION[0], 'of these partitions, as flights or flights:0,2-4; repeat for more', listArgument)
    .option('--yes', 'do not ask')
    .action(async (name: string, options: GroupDeleteOffsetsOptions) => (await actions()).deleteOffsets(name, options))
  withClusterOptions(group.command('delete').description('forget a group without members, and all it has read'))
    .argument('<group>')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: GroupDeleteOptions) => (await actions()).deleteGroup(name, options))
  return group
}

function stateArgument(text: string, previous: GroupState[] = []): GroupState[] {
  const state = STATES.find((name) => name === text)
  if (state === undefined) throw new InvalidArgumentError(`It must be one of ${STATES.join(', ')}.`)
  return [...previous, state]
}

function durationArgument(text: string): number {
  const durationMs = parseDuration(text)
  if (durationMs === null) throw new InvalidArgumentError('It must be a duration such as 500ms, 90s, 15m, 2h or 1d.')
  return durationMs
}
