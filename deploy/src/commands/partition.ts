/**
 * `stratalog partition`: where partitions are, how their replicas are, and moving them.
 */
import { Command, InvalidArgumentError } from 'commander'
import { type ClusterOptions, integerArgument, withClusterOptions } from './shared-options.ts'

/** Options of `partition list`. */
export interface PartitionListOptions extends ClusterOptions {
  readonly internal?: true
  readonly problems?: true
}

/** Options of `partition move`. */
export interface PartitionMoveOptions extends ClusterOptions {
  readonly to: readonly number[]
  readonly dryRun?: true
  readonly wait?: true
}

/** Options of `partition transfer-leader`. */
export interface TransferLeaderOptions extends ClusterOptions {
  readonly to?: number
}

const BROKER_ID_MAX = 65_535
const actions = () => import('../partition/partition-actions.ts')
const partitionNumber = integerArgument(0, 2 ** 31 - 1)
const brokerId = integerArgument(0, BROKER_ID_MAX)

/** The command and its subcommands. */
export function partitionCommand(): Command {
  const partition = new Command('partition').description('show partitions and their replicas, and move them')
  withClusterOptions(partition.command('list [topic...]').description('list partitions, of all topics or of these'))
    .option('--internal', 'also those of topics that begin with two underscores')
    .option('--problems', 'only those without a leader, under-replicated, damaged or out of disk')
    .action(async (topics: string[], options: PartitionListOptions) =>
      (await actions()).listPartitions(topics, options),
    )
  withClusterOptions(partition.command('status').description('show every replica: role, end, lag, move'))
    .argument('<topic>')
    .argument('[partition]', 'this one only', partitionNumber)
    .action(async (topic: string, number: number | undefined, options: ClusterOptions) =>
      (await actions()).showPartitions(topic, number, options),
    )
  withClusterOptions(partition.command('move').description('move a partition to other brokers, while it serves'))
    .argument('<topic>')
    .argument('<partition>', 'its number', partitionNumber)
    .requiredOption('--to <ids>', 'brokers that shall hold it, the preferred leader first: 2,3,4', brokerListArgument)
    .option('--dry-run', 'check only')
    .option('--wait', 'until it is done')
    .action(async (topic: string, number: number, options: PartitionMoveOptions) =>
      (await actions()).movePartition(topic, number, options),
    )
  withClusterOptions(partition.command('move-cancel').description('end a move; the partition stays where it was'))
    .argument('<topic>')
    .argument('<partition>', 'its number', partitionNumber)
    .action(async (topic: string, number: number, options: ClusterOptions) =>
      (await actions()).cancelMove(topic, number, options),
    )
  withClusterOptions(partition.command('transfer-leader').description('hand leadership to another replica'))
    .argument('<topic>')
    .argument('<partition>', 'its number', partitionNumber)
    .option('--to <id>', 'broker that shall lead (default: the preferred one, or any that can)', brokerId)
    .action(async (topic: string, number: number, options: TransferLeaderOptions) =>
      (await actions()).transferLeader(topic, number, options),
    )
  return partition
}

function brokerListArgument(text: string): number[] {
  const ids = text.split(',').map((id) => brokerId(id.trim()))
  if (new Set(ids).size !== ids.length) throw new InvalidArgumentError('Each broker may be named once.')
  return ids
}
