/**
 * `stratalog dev`: a cluster of broker processes on this machine, for trying things out.
 */
import { Command } from 'commander'
import type { OutputFormat } from '../output/failure.ts'
import { integerArgument, withOutputOption } from './shared-options.ts'

/** Options of `dev`. */
export interface DevOptions {
  readonly brokers: number
  readonly data: string
  readonly port: number
  readonly output: OutputFormat
}

/** The command. */
export function devCommand(): Command {
  return withOutputOption(new Command('dev').description('run a local cluster in the foreground'))
    .option('--brokers <count>', 'number of broker processes', integerArgument(1, 100), 3)
    .option('--data <dir>', 'folder of the data of all brokers', './data')
    .option('--port <base>', 'port of the first broker; 0 takes free ones', integerArgument(0, 65_535), 9400)
    .action(async (options: DevOptions) => (await import('../cluster/run-dev.ts')).runDev(options))
}
