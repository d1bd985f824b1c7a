/**
 * What `stratalog broker` does: configuration, start, one line when it serves, a stop in order at the first signal.
 *
 * Standard output carries only that line; the broker's log is on standard error.
 */
import { Broker, type BrokerConfig, installFailStop, loadConfig, renderEffectiveConfig } from '@stratalog/broker'
import { isStratalogError } from '@stratalog/proto'
import { starterGone, tellStarter } from '../cluster/broker-messages.ts'
import type { BrokerOptions } from '../commands/broker.ts'
import { describeFailure } from '../output/failure.ts'
import { ShutdownSignal } from '../shutdown-signal.ts'
import { tuneHeapForBroker } from './heap-tuning.ts'

/** Variables of the command with the broker's prefix that are not settings. */
const COMMAND_VARIABLES = ['STRATALOG_DEMO_DATA', 'STRATALOG_DEMO_PORT'] as const

/** Runs a broker until it is told to stop. Errors: StartupError with its own exit status. */
export async function runBroker(options: BrokerOptions): Promise<void> {
  try {
    await serve(options)
  } catch (error) {
    tellStarter({ kind: 'failed', failure: describeFailure(error) })
    throw error
  } finally {
    // An open channel to the starter would keep a finished process alive.
    if (process.connected) process.disconnect()
  }
}

async function serve(options: BrokerOptions): Promise<void> {
  const config = readConfig(options)
  if (options.printConfig === true) {
    process.stdout.write(`${renderEffectiveConfig(config)}\n`)
    return
  }
  tuneHeapForBroker()
  const shutdown = new ShutdownSignal()
  const giveUp = new AbortController()
  const stopped = Promise.race([shutdown.received, starterGone()]).then(() => giveUp.abort())
  const broker = await start(config, giveUp.signal)
  if (broker === null) return
  installFailStop(broker.logger)
  const { host, port } = broker.address
  const brokerId = config.settings['broker.id']
  const dataDir = config.settings['data.dir']
  process.stdout.write(
    options.output === 'table'
      ? `broker ${brokerId} serves at ${host}:${port}, data in ${dataDir}\n`
      : `${JSON.stringify({ event: 'ready', brokerId, address: `${host}:${port}`, dataDir, pid: process.pid })}\n`,
  )
  tellStarter({ kind: 'ready', brokerId, host, port })
  await stopped
  await broker.stop({ graceMs: config.settings['shutdown.grace.ms'] })
}

/** Null when it was told to stop while it still waited for the other brokers. */
async function start(config: BrokerConfig, signal: AbortSignal): Promise<Broker | null> {
  try {
    return await Broker.start(config, { signal })
  } catch (error) {
    if (signal.aborted && isStratalogError(error, 'SHUTTING_DOWN')) return null
    throw error
  }
}

function readConfig(options: BrokerOptions): BrokerConfig {
  const env = { ...process.env }
  for (const name of COMMAND_VARIABLES) delete env[name]
  return loadConfig({
    file: options.config ?? process.env['STRATALOG_CONFIG'],
    env,
    flags: {
      ...options.set,
      'data.dir': options.data ?? options.set?.['data.dir'],
      listen: options.listen ?? options.set?.['listen'],
    },
  })
}
