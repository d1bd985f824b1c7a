/**
 * What `stratalog dev` does: starts the cluster, says how to reach it, waits.
 */
import type { DevOptions } from '../commands/dev.ts'
import type { OutputFormat } from '../output/failure.ts'
import { ShutdownSignal } from '../shutdown-signal.ts'
import { type BrokerNews, DevCluster } from './dev-cluster.ts'

/** Runs until a signal asks for the end; brokers that end by themselves are started again. */
export async function runDev(options: DevOptions): Promise<void> {
  const shutdown = new ShutdownSignal()
  await using cluster = await DevCluster.start({
    brokerCount: options.brokers,
    dataDir: options.data,
    basePort: options.port,
  })
  announce(cluster, options)
  await waitForEnd(cluster, shutdown, options.output)
}

/** Keeps the brokers up until a signal; rejects with `BROKER_EXITED` when one cannot be kept up. */
export async function waitForEnd(cluster: DevCluster, shutdown: ShutdownSignal, output: OutputFormat): Promise<void> {
  const supervised = cluster.supervise((news) => {
    // Who stops this process may stop the brokers at the same time.
    if (!shutdown.signal.aborted) process.stdout.write(`${output === 'table' ? sentenceOf(news) : eventOf(news)}\n`)
  })
  await Promise.race([shutdown.received, supervised])
}

function sentenceOf(news: BrokerNews): string {
  if (news.kind === 'ended') return `broker ${news.brokerId} ${news.how}; it is started again`
  return `broker ${news.brokerId} serves again at ${news.address}`
}

function eventOf({ kind, ...news }: BrokerNews): string {
  return JSON.stringify({ event: `broker-${kind}`, ...news })
}

function announce(cluster: DevCluster, options: DevOptions): void {
  if (options.output !== 'table') {
    const brokers = cluster.brokers.map(({ brokerId, address, pid, dataDir, logPath }) => ({
      brokerId,
      address,
      pid,
      dataDir,
      logPath,
    }))
    process.stdout.write(`${JSON.stringify({ event: 'ready', bootstrap: cluster.bootstrap, brokers })}\n`)
    return
  }
  for (const { brokerId, address, dataDir, logPath } of cluster.brokers) {
    process.stdout.write(`broker ${brokerId} serves at ${address} (data ${dataDir}, log ${logPath})\n`)
  }
  process.stdout.write(`use it with: stratalog topic list --bootstrap ${cluster.bootstrap}\nstop it with Ctrl-C\n`)
}
