/**
 * `stratalog consume`: records of a topic, or of what a consumer group gives this member, to standard output.
 */
import { Command } from 'commander'
import { type ClusterOptions, integerArgument, integerListArgument, withClusterOptions } from './shared-options.ts'

/** Options of `consume`. */
export interface ConsumeOptions extends ClusterOptions {
  readonly from: string
  readonly until?: string
  readonly count?: number
  readonly partition?: readonly number[]
  readonly group?: string
  readonly pattern?: string
  readonly instanceId?: string
  readonly follow?: true
  readonly format?: string
  readonly quiet?: true
}

const HELP = `
Positions (--from, --until): earliest, latest, an OFFSET, or @TIME with TIME as 2026-01-31T12:00:00Z or in ms.
Without --follow it ends at the end of each partition as it was at the start. --until is exclusive.

In a group (--group) the topics' partitions are shared with its other members and read from where the group stands;
--from (earliest, latest, committed or @TIME) is for partitions that it has no committed offset for. What was written out
is committed, at the latest when it ends. Without --follow it ends when the partitions that it was given are read.

Templates (--format): %t topic  %p partition  %o offset  %k key  %v value  %T timestamp in ms  %D timestamp as ISO 8601
  %K %V lengths of key and value (-1 = null)  %h headers  %% percent  \\n \\t \\r \\0 \\xHH
`

/** The command. */
export function consumeCommand(): Command {
  const command = new Command('consume')
    .description('print records of a topic, or of several as a member of a group')
    .argument('[topic...]', 'one, or several with --group')
    .option('--from <position>', 'where to begin', 'earliest')
    .option('--until <position>', 'where to end, exclusive')
    .option('--count <number>', 'end after so many records', integerArgument(1, Number.MAX_SAFE_INTEGER))
    .option('--partition <number>', 'only this partition; repeat for more', integerListArgument(0, 2 ** 31 - 1))
    .option('--group <name>', 'read as a member of this consumer group')
    .option('--pattern <regexp>', 'with --group: all topics whose whole name matches, also those to come (RE2 syntax)')
    .option('--instance-id <name>', 'with --group: static member, which keeps its partitions across a restart')
    .option('--follow', 'wait for more records instead of ending')
    .option('--format <format>', 'raw, json or a template (default: raw, or json with --output json)')
    .option('--quiet', 'no summary')
    .addHelpText('after', HELP)
  return withClusterOptions(command).action(async (topics: string[], options: ConsumeOptions) =>
    (await import('../consume/run-consume.ts')).runConsume(topics, options),
  )
}
