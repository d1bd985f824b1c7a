/**
 * `stratalog cluster`: what the cluster consists of, and whether it is well.
 */
import { Command } from 'commander'
import { type ClusterOptions, withClusterOptions } from './shared-options.ts'

const actions = () => import('../cluster/cluster-actions.ts')

/** The command and its subcommands. */
export function clusterCommand(): Command {
  const cluster = new Command('cluster').description('show the cluster and its health')
  withClusterOptions(cluster.command('info').description('show brokers, versions and sizes')).action(
    async (options: ClusterOptions) => (await actions()).showCluster(options),
  )
  withClusterOptions(
    cluster.command('health').description('exit status 0 only when the cluster is healthy; says what is wrong'),
  ).action(async (options: ClusterOptions) => (await actions()).checkHealth(options))
  withClusterOptions(
    cluster.command('quorum').description("show the replicas of the cluster's own metadata, and how far each is"),
  ).action(async (options: ClusterOptions) => (await actions()).showQuorum(options))
  return cluster
}
