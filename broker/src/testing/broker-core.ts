/**
 * A broker of its own without its API, for tests: the production core on a given disk, store and clock, with no peers.
 *
 * A test takes the power away from its disk and store, and starts another one on what is left.
 */
import { StratalogError } from '@stratalog/proto'
import { BrokerCore as ProductionCore } from '../broker-core.ts'
import { beginRun } from '../cluster/runs.ts'
import type { Controller } from '../controller/controller.ts'
import { InlineCompactionEngine } from '../log/compaction-rounds.ts'
import type { Partition } from '../partition/partition.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type { LostReplica, PartitionEnvironment } from '../partition/partition-types.ts'
import type { Acks, ProduceOutcome } from '../partition/produce-outcome.ts'
import type { Clock } from '../replication/tick-loop.ts'
import type { FileSystem } from '../storage/file-system.ts'
import type { KeyValueStore } from '../storage/key-value-store.ts'
import { seededRandom } from './fake-disk.ts'
import { TEST_GROUPS } from './group-settings.ts'
import { noPeers } from './no-peers.ts'

/** What the core of a broker runs on. */
export interface BrokerCoreOptions {
  readonly fileSystem: FileSystem
  readonly store: KeyValueStore
  readonly clock: Clock
  /** Where the committed offsets are written down. Default: nowhere. */
  readonly dataDirectory?: string
  /** `topics` folder. Default `/data/topics`. */
  readonly topicsDirectory?: string
  /** `metadata` folder. Default `/data/metadata`. */
  readonly metadataDirectory?: string
  readonly uncommittedBytesMax?: number
  readonly seed?: number
}

/** One line that was logged. */
export interface LoggedLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

const ADDRESS = { host: '127.0.0.1', port: 9400 }
const MIB = 1024 * 1024
let startCount = 0

/** See the file's header. */
export class BrokerCore {
  readonly controller: Controller
  readonly registry: PartitionRegistry
  readonly environment: PartitionEnvironment
  readonly logged: readonly LoggedLine[]
  /** Copies that were reported as lost. */
  readonly lost: readonly LostReplica[]
  readonly #core: ProductionCore

  private constructor(core: ProductionCore, logged: readonly LoggedLine[], lost: readonly LostReplica[]) {
    this.#core = core
    this.controller = core.controller
    this.registry = core.registry
    this.environment = core.environment
    this.logged = logged
    this.lost = lost
  }

  /** Starts as the broker does. */
  static async start(options: BrokerCoreOptions): Promise<BrokerCore> {
    const { fileSystem, store, clock, topicsDirectory, metadataDirectory, seed = 1 } = options
    const logged: LoggedLine[] = []
    const lost: LostReplica[] = []
    const log = (level: LoggedLine['level']) => (fields: object, message: string) => {
      logged.push({ level, fields, message })
    }
    // A later start draws other ids: commands with an id that was used already are taken for repetitions.
    const random = seededRandom(seed * 1_000_003 + startCount++)
    const randomBytes = (count: number) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256)))
    const runs = await beginRun(store, randomBytes)
    const network = noPeers()
    const core = await ProductionCore.start({
      identity: () => ({
        clusterId: 'test',
        brokerId: 1,
        directoryId: 'test-directory',
        runs,
        registeredAt: null,
        version: '0',
      }),
      rack: '',
      controllers: new Map([[1, network.address]]),
      join: [],
      clientAddress: ADDRESS,
      peerAddress: network.address,
      network,
      dataDirectory: options.dataDirectory ?? null,
      topicsDirectory: topicsDirectory ?? '/data/topics',
      metadataDirectory: metadataDirectory ?? '/data/metadata',
      topicDefaults: new Map(),
      fileSystem,
      store,
      clock,
      random,
      randomBytes,
      newClusterId: () => 'test',
      onRegistered: async () => undefined,
      onFatal: (error) => log('error')({ err: error }, 'the broker cannot go on'),
      onReplicaLost: (copy) => lost.push(copy),
      process: () => ({ isStopping: false, pid: 1, version: '0', startedAtMs: 0 }),
      limits: {
        partition: {
          uncommittedBytesMax: options.uncommittedBytesMax ?? 32 * MIB,
          producerCountMax: 1000,
          producerIdExpirationMs: 24 * 3600 * 1000,
        },
        flushConcurrencyMax: 8,
        tailCacheBytes: 64 * MIB,
        openFilesMax: 512,
        indexCacheBytes: 64 * MIB,
        catchUpBytesPerSecond: 0,
        retentionCheckMs: 60_000,
        scrubBytesPerSecond: 0,
        scrubIntervalMs: 3_600_000,
        compactionBackoffMs: 1000,
        compactionBytesPerSecond: 0,
        compactionMapBytes: 1024 * 1024,
      },
      compactionEngine: new InlineCompactionEngine(),
      groups: TEST_GROUPS,
      logger: { info: log('info'), warn: log('warn'), error: log('error') },
    })
    return new BrokerCore(core, logged, lost)
  }

  /** Creates a topic. */
  async createTopic(name: string, partitionCount = 1, configs: Record<string, string> = {}): Promise<void> {
    const command = { name, partitionCount, replicationFactor: 1, configs: new Map(Object.entries(configs)) }
    await this.controller.createTopic(command)
  }

  /** The partition; fails the test when it is not to be had. */
  partition(topic: string, partition = 0): Partition {
    const found = this.registry.get(topic, partition)
    if (found instanceof StratalogError) throw found
    return found
  }

  /** Produces a batch and waits for its outcome. */
  produce(topic: string, batch: Buffer, acks: Acks = 'all', timeoutMs = 30_000): Promise<ProduceOutcome> {
    return new Promise((resolve) => this.partition(topic).produce(batch, { acks, timeoutMs }, resolve))
  }

  /** Stops cleanly; disk and store stay with the test. */
  stop(): Promise<void> {
    return this.#core.close()
  }
}
