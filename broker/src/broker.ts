/**
 * One broker: everything it is made of, started in order and stopped in reverse.
 *
 * ```
 *  data folder -> metadata store -> controller -> partitions (recovered) -> server (listening) -> ready
 * ```
 * Ready means: all partitions are recovered or known to be damaged, and connections are accepted. Signals, exit codes
 * and the process itself belong to the command that starts it.
 */
import { randomBytes } from 'node:crypto'
import { type InvariantError, invariant, toBrokerId } from '@stratalog/proto'
import { reportOf } from './cluster/broker-report.ts'
import { LoneBrokerView } from './cluster/lone-broker-view.ts'
import type { BrokerConfig } from './config/load-config.ts'
import { HOST_PORT_PATTERN } from './config/settings.ts'
import { Controller } from './controller/controller.ts'
import { MetadataStore } from './controller/metadata-store.ts'
import { DataDirectory } from './data-directory.ts'
import { failStop } from './fail-stop.ts'
import { FlushScheduler } from './log/flush-scheduler.ts'
import { OpenFileCache } from './log/open-file-cache.ts'
import { TailBudget } from './log/tail-cache.ts'
import { MetadataFollower } from './metadata-follower.ts'
import { createLogger, type Logger } from './observability/logger.ts'
import { PartitionRegistry } from './partition/partition-registry.ts'
import type { PartitionEnvironment } from './partition/partition-types.ts'
import { RetentionLoop } from './partition/retention-loop.ts'
import { HardStateStore } from './replication/hard-state-store.ts'
import type { PeerTransport } from './replication/peer-transport.ts'
import { type Clock, SYSTEM_CLOCK, TickLoop } from './replication/tick-loop.ts'
import { BrokerServer } from './server/broker-server.ts'
import { LONE_BROKER_COMMANDS } from './server/cluster-commands.ts'
import type { AdvertisedAddress } from './server/handlers/topic-view.ts'
import type { FileSystem } from './storage/file-system.ts'
import { NodeFileSystem } from './storage/node-file-system.ts'
import { BROKER_VERSION } from './version.ts'

/** What a broker gets from outside beside its configuration; each has a default fit for production. */
export interface BrokerDependencies {
  /** Holds the partitions' files; the metadata store is always on disk. */
  readonly fileSystem?: FileSystem
  readonly clock?: Clock
  /** Draws from [0, 1): election timeouts. */
  readonly random?: () => number
  readonly logger?: Logger
  /** Ends the process after a broken invariant, with exit status 70 by default. */
  readonly failStop?: (error: InvariantError) => void
}

/** How a broker is to be stopped. */
export interface StopOptions {
  /** How long what is under way may take; the configured time by default. */
  readonly graceMs?: number
}

const RAFT_TICK_MS = 100

/** A cluster of one broker has groups of one voter, which send nothing. */
const NO_PEERS: PeerTransport = {
  send: (message) => invariant(false, () => `a message for node ${message.to}, but there are no other brokers`),
}

/** A started broker. */
export class Broker {
  readonly config: BrokerConfig
  /** The address that it listens on. */
  readonly address: { readonly host: string; readonly port: number }
  readonly clusterId: string
  readonly logger: Logger
  readonly #server: BrokerServer
  /** What must be undone, the last first. */
  readonly #teardown: Teardown
  #stopping: Promise<void> | null = null

  private constructor(
    config: BrokerConfig,
    address: { host: string; port: number },
    clusterId: string,
    logger: Logger,
    server: BrokerServer,
    teardown: Teardown,
  ) {
    this.config = config
    this.address = address
    this.clusterId = clusterId
    this.logger = logger
    this.#server = server
    this.#teardown = teardown
  }

  /**
   * Starts a broker and resolves when it is ready.
   *
   * Errors: StartupError; StoreError for a metadata store that cannot be read. What had been started is stopped again.
   */
  static async start(config: BrokerConfig, dependencies: BrokerDependencies = {}): Promise<Broker> {
    const { settings } = config
    const logger =
      dependencies.logger ?? createLogger({ level: settings['log.level'], brokerId: settings['broker.id'] })
    const teardown = new Teardown(logger)
    try {
      return await startParts(config, { ...dependencies, logger }, teardown, (address, clusterId, server) => {
        return new Broker(config, address, clusterId, logger, server, teardown)
      })
    } catch (error) {
      await teardown.run()
      throw error
    }
  }

  /** Client connections now open. */
  get connectionCount(): number {
    return this.#server.connectionCount
  }

  /**
   * Stops cleanly: what is acknowledged is on disk, the logs are closed, the data folder is free. Further calls wait
   * for the first one.
   */
  stop(options: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(options.graceMs ?? this.config.settings['shutdown.grace.ms'])
    return this.#stopping
  }

  async #stop(graceMs: number): Promise<void> {
    const startedMs = performance.now()
    this.logger.info({ graceMs }, 'stopping')
    const hasDrained = await this.#server.drain(graceMs)
    if (!hasDrained) this.logger.warn({ graceMs }, 'streams did not end in time and are cut off')
    await this.#server.stop(Math.max(0, graceMs - (performance.now() - startedMs)))
    await this.#teardown.run()
    this.logger.info({ tookMs: Math.round(performance.now() - startedMs) }, 'stopped')
  }
}

/** Steps to undo what was started, run in reverse; one that fails is logged and the others still run. */
class Teardown {
  readonly #logger: Logger
  readonly #steps: Array<{ readonly what: string; readonly undo: () => void | Promise<void> }> = []

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(what: string, undo: () => void | Promise<void>): void {
    this.#steps.push({ what, undo })
  }

  async run(): Promise<void> {
    for (const { what, undo } of this.#steps.splice(0).reverse()) {
      try {
        await undo()
      } catch (error) {
        this.#logger.error({ error }, `could not stop cleanly: ${what}`)
      }
    }
  }
}

type Dependencies = BrokerDependencies & { readonly logger: Logger }

async function startParts(
  config: BrokerConfig,
  dependencies: Dependencies,
  teardown: Teardown,
  started: (address: { host: string; port: number }, clusterId: string, server: BrokerServer) => Broker,
): Promise<Broker> {
  const { settings, topicDefaults } = config
  const { logger, clock = SYSTEM_CLOCK } = dependencies
  const startedMs = performance.now()
  const brokerId = settings['broker.id']
  const directory = await DataDirectory.open({ path: settings['data.dir'], brokerId })
  teardown.add('data folder', () => directory.close())
  const { clusterId, directoryId } = directory.properties
  warnOfSmallThreadPool(logger)
  logger.info(
    { version: BROKER_VERSION, pid: process.pid, dataDir: directory.path, clusterId, directoryId },
    'starting',
  )

  const environment = await partitionEnvironment(config, dependencies, directory, teardown)
  const registry = new PartitionRegistry({ topicsDirectory: directory.topicsPath, store: directory.store, environment })
  const follower = new MetadataFollower(brokerId, topicDefaults, registry)
  const controller = await Controller.open({
    store: new MetadataStore(directory.store),
    randomBytes,
    beside: (records, before) => follower.beside(records, before),
    carryOut: (change) => follower.carryOut(change),
  })
  teardown.add('partitions', () => registry.close())
  teardown.add('controller', () => controller.close())
  await follower.start(controller.image)
  const retention = new RetentionLoop(() => registry.all(), clock, settings['retention.check.ms'])
  teardown.add('retention', () => retention.stop())

  const advertised = parseAdvertised(settings.advertised)
  const onInvariantBroken = (error: InvariantError) =>
    dependencies.failStop ? dependencies.failStop(error) : failStop(logger, error)
  const nowMs = () => clock.nowMs()
  const startedAtMs = nowMs()
  const report = () => {
    const isStopping = !server.health.isServing
    return reportOf({ brokerId, isStopping, pid: process.pid, version: BROKER_VERSION, startedAtMs }, registry)
  }
  const server: BrokerServer = new BrokerServer({
    config,
    clusterId,
    advertised,
    registry,
    controller,
    cluster: new LoneBrokerView({ brokerId, image: () => controller.image, registry, report }),
    commands: LONE_BROKER_COMMANDS,
    logger,
    nowMs,
    onInvariantBroken,
  })
  teardown.add('server', () => server.stop(0))
  const listen = parseHostPort(settings.listen)
  const address = await server.listen(listen.host, listen.port)
  await controller.registerBroker({ brokerId, ...(advertised ?? address), rack: settings['broker.rack'] })
  server.admit()
  if (settings['reflection.enabled']) void server.addReflection()
  logger.info({ ...address, tookMs: Math.round(performance.now() - startedMs) }, 'ready')
  return started(address, clusterId, server)
}

async function partitionEnvironment(
  config: BrokerConfig,
  dependencies: Dependencies,
  directory: DataDirectory,
  teardown: Teardown,
): Promise<PartitionEnvironment> {
  const { settings } = config
  const { fileSystem = new NodeFileSystem(), clock = SYSTEM_CLOCK, random = Math.random, logger } = dependencies
  const openFiles = new OpenFileCache({
    fileSystem,
    openFilesMax: settings['open.files.max'],
    indexBytesMax: settings['index.cache.bytes'],
  })
  teardown.add('open files', () => openFiles.close())
  const ticks = new TickLoop(clock, RAFT_TICK_MS)
  teardown.add('ticks', () => ticks.stop())
  return {
    brokerId: toBrokerId(settings['broker.id']),
    fileSystem,
    flusher: new FlushScheduler(settings['flush.concurrency.max']),
    openFiles,
    tails: new TailBudget(settings['tail.cache.bytes']),
    hardStates: await HardStateStore.open(directory.store),
    ticks,
    transport: NO_PEERS,
    random,
    limits: {
      uncommittedBytesMax: settings['limits.partition.uncommitted.bytes'],
      producerCountMax: settings['limits.partition.producers.max'],
      producerIdExpirationMs: settings['producer.id.expiration.ms'],
    },
    logger,
  }
}

function parseAdvertised(text: string): AdvertisedAddress | null {
  return text === '' ? null : parseHostPort(text)
}

/** The text has been checked against the same pattern by the configuration. */
function parseHostPort(text: string): { host: string; port: number } {
  const [, host = '', port = '0'] = HOST_PORT_PATTERN.exec(text) ?? []
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
}

/** Threads of Node's pool that writes, flushes and the metadata store share; see docs/config.md. */
const THREAD_POOL_MIN = 16
const NODE_THREAD_POOL_DEFAULT = 4

function warnOfSmallThreadPool(logger: Logger): void {
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? NODE_THREAD_POOL_DEFAULT)
  if (threads >= THREAD_POOL_MIN) return
  logger.warn({ threads, advisedMin: THREAD_POOL_MIN }, 'set UV_THREADPOOL_SIZE: the thread pool is small')
}
