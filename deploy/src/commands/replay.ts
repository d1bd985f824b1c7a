/**
 * `stratalog replay`: a bounded part of the log, read in parallel, into files, standard output or another topic.
 */
import { Command, Option } from 'commander'
import {
  byteCountArgument,
  type ClusterOptions,
  integerArgument,
  integerListArgument,
  listArgument,
  withClusterOptions,
} from './shared-options.ts'

/** Options of `replay`. */
export interface ReplayCommandOptions extends ClusterOptions {
  readonly from?: string
  readonly to?: string
  readonly partition?: readonly number[]
  readonly plan?: string
  readonly savePlan?: string
  readonly dryRun?: true
  readonly splitSize?: number
  readonly splits?: number
  readonly clamp?: true
  readonly data?: string
  readonly unsafeToLogEnd?: true
  readonly readFrom?: 'leader' | 'any'
  readonly parallel?: number
  readonly rateLimit?: number
  readonly skipCorrupt?: true
  readonly skipDeleted?: true
  readonly key?: readonly string[]
  readonly keyMatch?: string
  readonly header?: readonly string[]
  readonly where?: readonly string[]
  readonly after?: string
  readonly before?: string
  readonly format: 'ndjson' | 'csv' | 'parquet' | 'arrow'
  readonly columns: 'auto' | 'raw' | 'text' | 'json'
  readonly fields?: string
  readonly place: boolean
  readonly compress?: 'none' | 'gzip' | 'zstd' | 'snappy'
  readonly out?: string
  readonly into?: string
  readonly partitions?: number
  readonly checkpoint?: string
  readonly resume?: true
  readonly quiet?: true
}

const HELP = `
Positions (--from, --to; --to is exclusive): earliest, latest (the end as of now), an OFFSET, @TIME with TIME as
2026-01-31T12:00:00Z or in ms, a time ago such as 7d or 12h, group:NAME (what a group has committed).

With --out each piece of the plan becomes a file, OUT/topic=T/part=P/START-END.FORMAT, beside a checkpoint, a summary with
counts and SHA-256 sums, and _SUCCESS at the end. A run that was stopped goes on with --resume. Without --out and --into the
records go to standard output.

Examples:
  stratalog replay orders --from 7d --format parquet --out week --parallel 8
  stratalog replay orders --out week --resume --format parquet
  stratalog replay orders --data /mnt/backup/broker-1 --format csv --columns json --where 'cents>=10000'
  stratalog replay orders --into orders-24 --partitions 24 --checkpoint copy
`

/** The command. */
export function replayCommand(): Command {
  const command = new Command('replay')
    .description('read a bounded part of topics in parallel, into files, standard output or another topic')
    .argument('[topic...]', 'what to read')
  withPlanOptions(command)
  withReadOptions(command)
  withFilterOptions(command)
  withOutputOptions(command)
  command.optionsGroup('Options:').addHelpText('after', HELP)
  return withClusterOptions(command).action(async (topics: string[], options: ReplayCommandOptions) =>
    (await import('../replay/run-replay.ts')).runReplay(topics, options),
  )
}

function withPlanOptions(command: Command): void {
  command
    .optionsGroup('What to read:')
    .option('--from <position>', 'where to begin (default: earliest)')
    .option('--to <position>', 'where to end, exclusive (default: latest)')
    .option('--partition <number>', 'only this partition; repeat for more', integerListArgument(0, 2 ** 31 - 1))
    .option('--clamp', 'take the nearest offset for a bound that does not exist')
    .option('--plan <file>', 'read what a saved plan says, instead of planning')
    .option('--save-plan <file>', 'write the plan to a file')
    .option('--dry-run', 'print the plan and read nothing')
    .option('--split-size <bytes>', 'about how large a piece is to be, such as 64MiB', byteCountArgument())
    .option('--splits <number>', 'about how many pieces there are to be', integerArgument(1, 1_000_000))
}

function withReadOptions(command: Command): void {
  command
    .optionsGroup('How to read:')
    .option('--data <dir>', "a broker's data folder instead of a cluster; it is only read, a broker may be running")
    .option('--unsafe-to-log-end', 'with --data: read to the end of the files, also what may not be committed')
    .addOption(new Option('--read-from <replica>', 'which replicas are asked').choices(['leader', 'any']))
    .option(
      '--parallel <number>',
      'pieces that are read at once (default: the cores, at most 8)',
      integerArgument(1, 64),
    )
    .option('--rate-limit <bytes>', 'bytes read per second, all together, such as 50MiB', byteCountArgument())
    .option('--skip-corrupt', 'pass over damaged batches and report them, instead of stopping')
    .option('--skip-deleted', 'pass over what was deleted since the plan and report it, instead of stopping')
}

function withFilterOptions(command: Command): void {
  command
    .optionsGroup('Which records:')
    .option('--key <text>', 'with this key; repeat for more', listArgument)
    .option('--key-match <regexp>', 'whose key matches')
    .option('--header <name[=value]>', 'with this header; repeat: all must be there', listArgument)
    .option(
      '--where <condition>',
      'whose JSON value meets it: FIELD=VALUE, also != < <= > >= ~; repeat: all',
      listArgument,
    )
    .option('--after <time>', 'with a timestamp of this or later')
    .option('--before <time>', 'with a timestamp before this')
}

function withOutputOptions(command: Command): void {
  command
    .optionsGroup('Into what:')
    .option('--out <dir>', 'a folder, empty or to be made')
    .addOption(
      new Option('--format <format>', 'form of the files')
        .choices(['ndjson', 'csv', 'parquet', 'arrow'])
        .default('ndjson'),
    )
    .addOption(
      new Option('--columns <kind>', 'columns: json = the fields of JSON values, text, raw = bytes')
        .choices(['auto', 'raw', 'text', 'json'])
        .default('auto'),
    )
    .option(
      '--fields <name:type,...>',
      'the fields, instead of looking; types: boolean int32 int64 double string json timestamp',
    )
    .option('--no-place', 'without the columns _partition, _offset, _timestamp, _key and _headers')
    .addOption(
      new Option('--compress <codec>', 'compression (default: zstd for parquet, else none)').choices([
        'none',
        'gzip',
        'zstd',
        'snappy',
      ]),
    )
    .option('--into <topic>', 'another topic, which is made if need be')
    .option('--partitions <number>', 'with --into: partitions of the topic, by key', integerArgument(1, 10_000))
    .option('--checkpoint <dir>', 'with --into: folder for the checkpoint')
    .option('--resume', 'go on with a replay that was stopped, or begin it')
    .option('--quiet', 'no progress and no summary')
}
