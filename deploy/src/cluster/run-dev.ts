/**
 * What `stratalog dev` does: starts the cluster, says how to reach it, waits.
 */
import { CommandError } from '../command-error.ts'
import type { DevOptions } from '../commands/dev.ts'
import { ShutdownSignal } from '../shutdown-signal.ts'
import { DevCluster } from './dev-cluster.ts'

/** Runs until a signal asks for the end or a broker ends by itself (`BROKER_EXITED`). */
export async function runDev(options: DevOptions): Promise<void> {
  const shutdown = new ShutdownSignal()
  await using cluster = await DevCluster.start({
    brokerCount: options.brokers,
    dataDir: options.data,
    basePort: options.port,
  })
  announce(cluster, options)
  await waitForEnd(cluster, shutdown)
}

/** Resolves at a signal; rejects with `BROKER_EXITED` when a broker ends that nobody asked to. */
export async function waitForEnd(cluster: DevCluster, shutdown: ShutdownSignal): Promise<void> {
  const ended = await Promise.race([shutdown.received.then(() => null), cluster.anyExited()])
  // The terminal's Ctrl-C reaches the brokers too, and one may be gone before this process hears of it.
  if (ended !== null && !shutdown.signal.aborted) {
    throw new CommandError('BROKER_EXITED', ended, 'the last lines of that log say why')
  }
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
