/**
 * `stratalog broker`: runs one broker in this process until it is told to stop; its subcommands look after the brokers of
 * a cluster.
 */
import { Command } from 'commander'
import type { OutputFormat } from '../output/failure.ts'
import {
  type ClusterOptions,
  integerArgument,
  pairArgument,
  withClusterOptions,
  withOutputOption,
} from './shared-options.ts'

/** Options of `broker`; what is not given comes from the environment, the file or the defaults. */
export interface BrokerOptions {
  readonly data?: string
  readonly listen?: string
  readonly config?: string
  readonly set?: Readonly<Record<string, string>>
  readonly printConfig?: true
  readonly output: OutputFormat
}

/** Options of `broker drain`. */
export interface BrokerDrainOptions extends ClusterOptions {
  readonly dryRun?: true
  readonly force?: true
  readonly wait?: true
}

/** Options of `broker decommission`. */
export interface BrokerDecommissionOptions extends ClusterOptions {
  readonly cancel?: true
  readonly dryRun?: true
  readonly wait?: true
  readonly yes?: true
}

const BROKER_ID_MAX = 65_535
const actions = () => import('../cluster/broker-actions.ts')
const brokerId = integerArgument(0, BROKER_ID_MAX)

/** The command and its subcommands. */
export function brokerCommand(): Command {
  const broker = withOutputOption(
    new Command('broker').description('run a broker in the foreground, or look after the brokers of a cluster'),
  )
    .option('--data <dir>', 'data folder (setting data.dir)')
    .option('--listen <host:port>', 'address to accept connections on; port 0 takes a free one (setting listen)')
    .option('--config <file>', 'TOML file of settings (or STRATALOG_CONFIG)')
    .option('--set <name=value>', 'any other setting of docs/config.md; repeat for more', pairArgument)
    .option('--print-config', 'print every setting with its source and stop')
    .action(async (options: BrokerOptions) => (await import('../broker/run-broker.ts')).runBroker(options))
  withClusterOptions(broker.command('list').description('list the brokers of the cluster')).action(
    async (options: ClusterOptions) => (await actions()).listBrokers(options),
  )
  withClusterOptions(broker.command('drain').description('begin a maintenance: it hands over what it leads'))
    .argument('<id>', 'broker', brokerId)
    .option('--dry-run', 'check only')
    .option('--force', 'even if a partition loses its quorum')
    .option('--wait', 'until it leads nothing')
    .action(async (id: number, options: BrokerDrainOptions) => (await actions()).drainBroker(id, options))
  withClusterOptions(broker.command('undrain').description('end a maintenance'))
    .argument('<id>', 'broker', brokerId)
    .action(async (id: number, options: ClusterOptions) => (await actions()).undrainBroker(id, options))
  withClusterOptions(
    broker.command('decommission').description('move everything off a broker, which then leaves for good'),
  )
    .argument('<id>', 'broker', brokerId)
    .option('--cancel', 'keep it after all')
    .option('--dry-run', 'check only')
    .option('--wait', 'until it has left')
    .option('--yes', 'do not ask')
    .action(async (id: number, options: BrokerDecommissionOptions) => (await actions()).decommissionBroker(id, options))
  return broker
}
