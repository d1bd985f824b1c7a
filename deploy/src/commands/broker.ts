/**
 * `stratalog broker`: runs one broker in this process until it is told to stop.
 */
import { Command } from 'commander'
import type { OutputFormat } from '../output/failure.ts'
import { pairArgument, withOutputOption } from './shared-options.ts'

/** Options of `broker`; what is not given comes from the environment, the file or the defaults. */
export interface BrokerOptions {
  readonly data?: string
  readonly listen?: string
  readonly config?: string
  readonly set?: Readonly<Record<string, string>>
  readonly printConfig?: true
  readonly output: OutputFormat
}

/** The command. */
export function brokerCommand(): Command {
  return withOutputOption(new Command('broker').description('run a broker in the foreground'))
    .option('--data <dir>', 'data folder (setting data.dir)')
    .option('--listen <host:port>', 'address to accept connections on; port 0 takes a free one (setting listen)')
    .option('--config <file>', 'TOML file of settings (or STRATALOG_CONFIG)')
    .option('--set <name=value>', 'any other setting of docs/config.md; repeat for more', pairArgument)
    .option('--print-config', 'print every setting with its source and stop')
    .action(async (options: BrokerOptions) => (await import('../broker/run-broker.ts')).runBroker(options))
}
