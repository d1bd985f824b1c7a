/**
 * A real broker in this process, on a port of its own, in a temporary folder that goes away with it.
 *
 * Nothing is faked: it is what `stratalog broker` runs, without the process around it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Broker, type BrokerDependencies } from '../broker.ts'
import { loadConfig } from '../config/load-config.ts'

/** What may differ from a plain broker. */
export interface TestBrokerOptions {
  /** Settings by name, such as `{ 'limits.connections.max': 10 }`; the log is silent and reflection is off unless set. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  readonly dependencies?: BrokerDependencies
  /** Folder to use, and to leave in place; a temporary one by default. */
  readonly dataDir?: string
}

/** A running test broker. */
export interface TestBroker extends AsyncDisposable {
  /** `127.0.0.1:PORT`, the same across restarts. */
  readonly bootstrap: string
  readonly dataDir: string
  /** The broker that runs now; another one after a restart. */
  readonly broker: Broker
  /** Stops it cleanly; the folder stays until disposal. */
  stop(): Promise<void>
  /** Stops it if it runs, and starts it again on the same folder and port. */
  restart(): Promise<void>
}

/** Starts a broker. Dispose of it (`await using`) to stop it and remove its folder. */
export async function startTestBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'stratalog-broker-')))
  const removeFolder = async () => {
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true })
  }
  const start = (port: number): Promise<Broker> => {
    const quiet = {
      'peer.listen': '127.0.0.1:0',
      'log.level': 'silent',
      'reflection.enabled': false,
      'shutdown.grace.ms': 2000,
    }
    const flags = { ...quiet, ...options.settings, 'data.dir': dataDir }
    return Broker.start(loadConfig({ flags: { listen: `127.0.0.1:${port}`, ...flags } }), options.dependencies)
  }
  let broker: Broker
  try {
    broker = await start(0)
  } catch (error) {
    await removeFolder()
    throw error
  }
  const { port } = broker.address
  return {
    bootstrap: `127.0.0.1:${port}`,
    dataDir,
    get broker() {
      return broker
    },
    stop: () => broker.stop(),
    async restart() {
      await broker.stop()
      broker = await start(port)
    },
    async [Symbol.asyncDispose]() {
      await broker.stop()
      await removeFolder()
    },
  }
}
