/**
 * `stratalog produce`: records from a file or standard input into a topic.
 */
import { Command, Option } from 'commander'
import { type ClusterOptions, integerArgument, listArgument, withClusterOptions } from './shared-options.ts'

/** Options of `produce`. */
export interface ProduceOptions extends ClusterOptions {
  readonly file?: string
  readonly format: 'lines' | 'jsonl'
  readonly keySeparator?: string
  readonly keyField?: string
  readonly header?: readonly string[]
  readonly partition?: number
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly acks: 'all' | 'leader' | 'none'
  readonly quiet?: true
}

/** The command. */
export function produceCommand(): Command {
  const command = new Command('produce')
    .description('write records from standard input or a file: one line, one record')
    .argument('<topic>')
    .option('--file <path>', 'read this file instead of standard input')
    .addOption(
      new Option(
        '--format <format>',
        'lines: the line is the value; jsonl: {key, value, headers, timestamp, partition}',
      )
        .choices(['lines', 'jsonl'])
        .default('lines'),
    )
    .option('--key-separator <text>', 'what stands between key and value in a line (lines only)')
    .option('--key-field <name>', 'field of the JSON value that is the key')
    .option('--header <key=value>', 'a header of every record; repeat for more', listArgument)
    .option('--partition <number>', 'write to this partition only', integerArgument(0, 2 ** 31 - 1))
    .addOption(new Option('--compression <codec>').choices(['none', 'gzip', 'snappy', 'lz4', 'zstd']).default('none'))
    .addOption(
      new Option('--acks <which>', 'all: on disk at a majority; leader: in its memory; none: do not wait')
        .choices(['all', 'leader', 'none'])
        .default('all'),
    )
    .option('--quiet', 'no progress and no summary')
  return withClusterOptions(command).action(async (topic: string, options: ProduceOptions) =>
    (await import('../produce/run-produce.ts')).runProduce(topic, options),
  )
}
