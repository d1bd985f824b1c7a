/**
 * What `stratalog cluster` does.
 */
import { type BrokerDescription, type ClusterDescription, formatAddress } from '@stratalog/client'
import { CommandError } from '../command-error.ts'
import type { ClusterOptions } from '../commands/shared-options.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import { printDone } from '../output/printer.ts'
import { formatBytes } from '../output/quantity.ts'
import { renderPairs, renderTable } from '../output/table.ts'
import { withClient } from './connect.ts'

/** `cluster info`. */
export async function showCluster(options: ClusterOptions): Promise<void> {
  const cluster = await withClient(options, ({ admin }) => admin.describeCluster())
  if (options.output === 'table') process.stdout.write(renderCluster(cluster))
  else process.stdout.write(`${JSON.stringify(cluster, null, options.output === 'json' ? 2 : undefined)}\n`)
}

/** `cluster health`: throws `UNHEALTHY` with every problem when there is one. */
export async function checkHealth(options: ClusterOptions): Promise<void> {
  const { problems, brokers, clusterId } = await withClient(options, ({ admin }) => admin.describeCluster())
  const down = brokers
    .filter(({ state }) => state !== 'running')
    .map((each) => `broker ${each.brokerId} is ${each.state}`)
  const wrong = [...problems, ...down]
  if (wrong.length > 0) {
    throw new CommandError('UNHEALTHY', wrong.join('; '), 'read the logs of the brokers named', EXIT_STATUS.unhealthy)
  }
  const count = `${brokers.length} broker${brokers.length === 1 ? '' : 's'}`
  printDone(`healthy: ${count} running`, { healthy: true, clusterId, brokerCount: brokers.length }, options.output)
}

function renderCluster(cluster: ClusterDescription): string {
  const head = renderPairs([
    ['cluster', cluster.clusterId],
    ['controller', cluster.controllerId === null ? 'none known' : `broker ${cluster.controllerId}`],
    ['answered by', `broker ${cluster.brokerId}, version ${cluster.version}`],
    ['health', cluster.problems.length === 0 ? 'no problem known' : cluster.problems.join('; ')],
  ])
  const columns = [
    { title: 'BROKER', align: 'right' },
    { title: 'ADDRESS' },
    { title: 'STATE' },
    { title: 'RACK' },
    { title: 'LEADS', align: 'right' },
    { title: 'REPLICAS', align: 'right' },
    { title: 'SIZE', align: 'right' },
    { title: 'PID', align: 'right' },
    { title: 'STARTED' },
  ] as const
  return `${head}\n${renderTable(columns, cluster.brokers.map(brokerCells))}`
}

function brokerCells(broker: BrokerDescription): string[] {
  return [
    String(broker.brokerId),
    broker.address === null ? 'unknown' : formatAddress(broker.address),
    broker.state,
    broker.rack === '' ? '-' : broker.rack,
    String(broker.leaderCount),
    String(broker.replicaCount),
    formatBytes(broker.logBytes),
    String(broker.pid),
    new Date(broker.startedAtMs).toISOString(),
  ]
}
