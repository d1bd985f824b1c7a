/**
 * What `stratalog cluster` does.
 */
import type { ClusterDescription, PartitionCounts, QuorumDescription } from '@stratalog/client'
import { CommandError } from '../command-error.ts'
import type { ClusterOptions } from '../commands/shared-options.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { printDocument, printDone } from '../output/printer.ts'
import { renderPairs, renderTable } from '../output/table.ts'
import { REPLICA_COLUMNS, replicaCells } from '../partition/replica-table.ts'
import { BROKER_COLUMNS, brokerCells } from './broker-table.ts'
import { withClient } from './connect.ts'

/** `cluster info`. */
export async function showCluster(options: ClusterOptions): Promise<void> {
  const cluster = await withClient(options, ({ admin }) => admin.describeCluster())
  printDocument(cluster, renderCluster, options.output)
}

/** `cluster health`: throws `UNHEALTHY` with every problem when there is one. */
export async function checkHealth(options: ClusterOptions): Promise<void> {
  const cluster = await withClient(options, ({ admin }) => admin.describeCluster())
  const { problems, brokers, clusterId, partitions } = cluster
  const unreachable = brokers.filter(({ state }) => state === 'unreachable').map(({ brokerId }) => brokerId)
  if (problems.length > 0 || unreachable.length > 0) {
    const wrong = problems.length > 0 ? problems : unreachable.map((id) => `broker ${id} cannot be reached`)
    throw new CommandError(
      'UNHEALTHY',
      wrong.join('; '),
      'see `stratalog partition list --problems` and the logs of the brokers named',
      EXIT_STATUS.unhealthy,
      {
        unreachableBrokers: unreachable.join(','),
        leaderlessPartitions: String(partitions.leaderless),
        underReplicatedPartitions: String(partitions.underReplicated),
      },
    )
  }
  const away = brokers.filter(({ state }) => state !== 'running')
  const count = `${brokers.length} broker${brokers.length === 1 ? '' : 's'}`
  const aside = away.length === 0 ? '' : `; ${away.map(({ brokerId, state }) => `${brokerId} is ${state}`).join(', ')}`
  const sentence = `healthy: ${count} up, ${partitions.total} partition${partitions.total === 1 ? '' : 's'}${aside}`
  printDone(sentence, { healthy: true, clusterId, brokerCount: brokers.length, partitions }, options.output)
}

/** `cluster quorum`. */
export async function showQuorum(options: ClusterOptions): Promise<void> {
  const quorum = await withClient(options, ({ admin }) => admin.describeQuorum())
  printDocument(quorum, renderQuorum, options.output)
}

function renderCluster(cluster: ClusterDescription): string {
  const head = renderPairs([
    ['cluster', cluster.clusterId],
    ['controller', cluster.controllerId === null ? 'none known' : `broker ${cluster.controllerId}`],
    ['answered by', `broker ${cluster.brokerId}, version ${cluster.version}`],
    ['partitions', partitionText(cluster.partitions)],
    ['health', cluster.problems.length === 0 ? 'no problem known' : cluster.problems.join('; ')],
  ])
  return `${head}\n${renderTable(BROKER_COLUMNS, cluster.brokers.map(brokerCells))}`
}

function partitionText({ total, leaderless, underReplicated, moving }: PartitionCounts): string {
  return `${total}, of them ${leaderless} without a leader, ${underReplicated} under-replicated, ${moving} moving`
}

function renderQuorum({ leaderId, leaderEpoch, highWatermark, voters, observers }: QuorumDescription): string {
  const head = renderPairs([
    ['leader', leaderId === null ? 'none known' : `broker ${leaderId}`],
    ['leader epoch', String(leaderEpoch)],
    ['high watermark', String(highWatermark)],
  ])
  return `${head}\n${renderTable(REPLICA_COLUMNS, [...voters, ...observers].map(replicaCells))}`
}
