/**
 * One broker as a process has it: data folder, peer network, core and API, started in order and stopped in reverse.
 *
 * ```
 *  data folder -> listening -> core (peers, metadata, registered, partitions recovered) -> serving -> ready
 * ```
 * Ready means: the broker is part of its cluster, all partitions are recovered or known to be damaged, and connections are
 * served. Signals, exit codes and the process itself belong to the command that starts it.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { type InvariantError, invariant, isStratalogError } from '@stratalog/proto'
import { BrokerCore } from './broker-core.ts'
import type { BrokerCoreLimits, GroupSettings } from './broker-core-options.ts'
import type { ProcessFacts } from './cluster/local-reports.ts'
import { beginRun } from './cluster/runs.ts'
import { type HostPort, parseBrokerAddresses, parseHostPort, parseHostPorts } from './config/host-port.ts'
import type { BrokerConfig } from './config/load-config.ts'
import { DataDirectory } from './data-directory.ts'
import { failStop } from './fail-stop.ts'
import { CompactionThread } from './log/compaction-thread.ts'
import { createLogger, type Logger } from './observability/logger.ts'
import type { PeerIdentity } from './peer/peer-port.ts'
import { TcpPeers } from './peer/tcp/tcp-peers.ts'
import { type Clock, SYSTEM_CLOCK } from './replication/tick-loop.ts'
import { BrokerServer } from './server/broker-server.ts'
import { GrpcServer, type GrpcServerOptions } from './server/grpc/grpc-server.ts'
import { StartupError } from './startup-error.ts'
import type { FileSystem } from './storage/file-system.ts'
import { NodeFileSystem } from './storage/node-file-system.ts'
import { Teardown } from './teardown.ts'
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
  /** Ends the process when it cannot go on, such as without its metadata; likewise. */
  readonly onFatal?: (error: unknown) => void
  /** Gives up a start that waits for the other brokers. */
  readonly signal?: AbortSignal
}

/** How a broker is to be stopped. */
export interface StopOptions {
  /** How long what is under way may take; the configured time by default. */
  readonly graceMs?: number
}

/** How long a stop waits for other brokers to take over what this one leads. */
const HAND_OVER_MS = 3000

/** A started broker. */
export class Broker {
  readonly config: BrokerConfig
  /** The address that it listens on. */
  readonly address: HostPort
  readonly clusterId: string
  readonly logger: Logger
  readonly #server: BrokerServer
  readonly #core: BrokerCore
  /** What must be undone, the last first. */
  readonly #teardown: Teardown
  #stopping: Promise<void> | null = null

  private constructor(
    config: BrokerConfig,
    address: HostPort,
    clusterId: string,
    logger: Logger,
    server: BrokerServer,
    core: BrokerCore,
    teardown: Teardown,
  ) {
    this.config = config
    this.address = address
    this.clusterId = clusterId
    this.logger = logger
    this.#server = server
    this.#core = core
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
      return await startParts(config, { ...dependencies, logger }, teardown, (address, clusterId, server, core) => {
        return new Broker(config, address, clusterId, logger, server, core, teardown)
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
    await this.#core.handOver(Math.min(graceMs / 2, HAND_OVER_MS))
    const hasDrained = await this.#server.drain(Math.max(0, graceMs - (performance.now() - startedMs)))
    if (!hasDrained) this.logger.warn({ graceMs }, 'streams did not end in time and are cut off')
    await this.#server.stop(Math.max(0, graceMs - (performance.now() - startedMs)))
    await this.#teardown.run()
    this.logger.info({ tookMs: Math.round(performance.now() - startedMs) }, 'stopped')
  }
}

type Dependencies = BrokerDependencies & { readonly logger: Logger }

async function startParts(
  config: BrokerConfig,
  dependencies: Dependencies,
  teardown: Teardown,
  started: (address: HostPort, clusterId: string, server: BrokerServer, core: BrokerCore) => Broker,
): Promise<Broker> {
  const { settings } = config
  const { logger, clock = SYSTEM_CLOCK } = dependencies
  const startedMs = performance.now()
  const directory = await openDirectory(config)
  teardown.add('data folder', () => directory.close())
  const runs = await beginRun(directory.store, randomBytes)
  const { directoryId } = directory.properties
  warnOfSmallThreadPool(logger)
  const { path: dataDir } = directory
  logger.info({ version: BROKER_VERSION, pid: process.pid, dataDir, directoryId, run: runs.at(-1) }, 'starting')

  const onInvariantBroken = (error: InvariantError) =>
    dependencies.failStop ? dependencies.failStop(error) : failStop(logger, error)
  const grpc = new GrpcServer({ limits: grpcLimits(config), logger, onInvariantBroken })
  teardown.add('listening socket', () => grpc.stop(0))
  const listen = parseHostPort(settings.listen)
  const address = await grpc.listen(listen.host, listen.port)
  let isStopping: () => boolean = () => false
  const startedAtMs = clock.nowMs()
  const core = await startCore(config, dependencies, teardown, {
    directory,
    runs,
    clientAddress: parseAdvertised(settings.advertised) ?? address,
    process: () => ({ isStopping: isStopping(), pid: process.pid, version: BROKER_VERSION, startedAtMs }),
  })
  const { clusterId } = core.image
  invariant(clusterId !== null, 'a broker that has registered knows its cluster')
  const server = new BrokerServer({
    config,
    grpc,
    clusterId,
    advertised: parseAdvertised(settings.advertised),
    registry: core.registry,
    controller: core.controller,
    cluster: core.status,
    groups: core.groups,
    logger,
    nowMs: () => clock.nowMs(),
    onInvariantBroken,
  })
  isStopping = () => !server.health.isServing
  teardown.add('server', () => server.stop(0))
  server.admit()
  if (settings['reflection.enabled']) void server.addReflection()
  logger.info({ ...address, clusterId, tookMs: Math.round(performance.now() - startedMs) }, 'ready')
  return started(address, clusterId, server, core)
}

function openDirectory({ settings }: BrokerConfig): Promise<DataDirectory> {
  return DataDirectory.open({
    path: settings['data.dir'],
    brokerId: settings['broker.id'],
    clusterId: settings['cluster.id'] === '' ? null : settings['cluster.id'],
  })
}

/** What a core needs beside the configuration. */
interface CoreParts {
  readonly directory: DataDirectory
  readonly runs: readonly string[]
  readonly clientAddress: HostPort
  readonly process: () => ProcessFacts
}

async function startCore(
  config: BrokerConfig,
  dependencies: Dependencies,
  teardown: Teardown,
  { directory, runs, clientAddress, process: processFacts }: CoreParts,
): Promise<BrokerCore> {
  const { settings, topicDefaults } = config
  const { fileSystem = new NodeFileSystem(), clock = SYSTEM_CLOCK, random = Math.random, logger, signal } = dependencies
  const brokerId = settings['broker.id']
  let registeredAt: number | null = null
  const identity = (): PeerIdentity => {
    const { clusterId, directoryId } = directory.properties
    return { clusterId, brokerId, directoryId, runs, registeredAt, version: BROKER_VERSION }
  }
  const network = await TcpPeers.start({ ...parseHostPort(settings['peer.listen']), identity, logger, clock, random })
  teardown.add('peers', () => network.close())
  const peerAddress = settings['peer.advertised'] === '' ? network.address : parseHostPort(settings['peer.advertised'])
  const configured = parseBrokerAddresses(settings.controllers)
  const join = parseHostPorts(settings.join)
  // A broker that names nobody is a cluster of its own, to begin with.
  const controllers = configured.size === 0 && join.length === 0 ? new Map([[brokerId, peerAddress]]) : configured
  const compactionEngine = new CompactionThread()
  teardown.add('thread of compaction', () => compactionEngine.close())
  const core = await BrokerCore.start({
    identity,
    rack: settings['broker.rack'],
    controllers,
    join,
    clientAddress,
    peerAddress,
    network,
    dataDirectory: directory.path,
    topicsDirectory: directory.topicsPath,
    metadataDirectory: directory.metadataPath,
    topicDefaults,
    fileSystem,
    store: directory.store,
    clock,
    random,
    randomBytes,
    newClusterId: randomUUID,
    onRegistered: async (clusterId, metadataOffset) => {
      await directory.belongTo(clusterId)
      registeredAt = metadataOffset
    },
    onFatal: dependencies.onFatal ?? ((error) => failStop(logger, error)),
    process: processFacts,
    limits: coreLimits(config),
    compactionEngine,
    groups: groupSettings(config),
    logger,
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) => {
    throw refusalOf(error, brokerId)
  })
  teardown.add('core', () => core.close())
  return core
}

/** A refusal of the cluster as the error of a start. */
function refusalOf(error: unknown, brokerId: number): unknown {
  if (!isStratalogError(error) || error.code === 'SHUTTING_DOWN') return error
  const text = `the cluster does not take broker ${brokerId} in: ${error.code}: ${error.message}`
  return new StartupError('REGISTRATION_REFUSED', text, { cause: error })
}

function coreLimits({ settings }: BrokerConfig): BrokerCoreLimits {
  return {
    partition: {
      uncommittedBytesMax: settings['limits.partition.uncommitted.bytes'],
      producerCountMax: settings['limits.partition.producers.max'],
      producerIdExpirationMs: settings['producer.id.expiration.ms'],
    },
    flushConcurrencyMax: settings['flush.concurrency.max'],
    tailCacheBytes: settings['tail.cache.bytes'],
    openFilesMax: settings['open.files.max'],
    indexCacheBytes: settings['index.cache.bytes'],
    catchUpBytesPerSecond: settings['replication.catch.up.bytes.per.second'],
    retentionCheckMs: settings['retention.check.ms'],
    scrubBytesPerSecond: settings['log.scrub.bytes.per.second'],
    scrubIntervalMs: settings['log.scrub.interval.ms'],
    compactionBackoffMs: settings['log.cleaner.backoff.ms'],
    compactionBytesPerSecond: settings['log.cleaner.io.max.bytes.per.second'],
    compactionMapBytes: settings['log.cleaner.dedupe.buffer.size'],
  }
}

function groupSettings({ settings }: BrokerConfig): GroupSettings {
  const sessionTimeoutMinMs = settings['group.min.session.timeout.ms']
  const sessionTimeoutMaxMs = Math.max(sessionTimeoutMinMs, settings['group.max.session.timeout.ms'])
  const sessionTimeoutMs = settings['group.session.timeout.ms']
  return {
    config: {
      heartbeatIntervalMs: settings['group.heartbeat.interval.ms'],
      sessionTimeoutMs: Math.min(sessionTimeoutMaxMs, Math.max(sessionTimeoutMinMs, sessionTimeoutMs)),
      sessionTimeoutMinMs,
      sessionTimeoutMaxMs,
      rebalanceTimeoutMs: settings['group.rebalance.timeout.ms'],
      groupSizeMax: settings['group.max.size'],
      assignor: settings['group.assignor'],
      offsetsRetentionMs: settings['offsets.retention.ms'],
    },
    partitionCount: settings['offsets.topic.partitions'],
    checkpointBytesMin: settings['offsets.topic.checkpoint.bytes'],
  }
}

function grpcLimits({ settings }: BrokerConfig): GrpcServerOptions['limits'] {
  return {
    connectionsMax: settings['limits.connections.max'],
    streamsPerConnectionMax: settings['limits.connection.streams.max'],
    messageBytesMax: settings['limits.message.bytes.max'],
    produceUnansweredBytes: settings['limits.produce.connection.unanswered.bytes'],
    fetchOutstandingBytes: settings['limits.fetch.connection.outstanding.bytes'],
  }
}

function parseAdvertised(text: string): HostPort | null {
  return text === '' ? null : parseHostPort(text)
}

/** Threads of Node's pool that writes, flushes and the metadata store share; see docs/config.md. */
const THREAD_POOL_MIN = 16
const NODE_THREAD_POOL_DEFAULT = 4

function warnOfSmallThreadPool(logger: Logger): void {
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? NODE_THREAD_POOL_DEFAULT)
  if (threads >= THREAD_POOL_MIN) return
  logger.warn({ threads, advisedMin: THREAD_POOL_MIN }, 'set UV_THREADPOOL_SIZE: the thread pool is small')
}
