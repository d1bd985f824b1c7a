/**
 * A broker without its network, for tests: controller, registry and partitions on a given disk, store and clock.
 *
 * Everything is the real thing but the three ports. `crash` takes the power away, `restart` begins with what is left.
 */
import { invariant, StratalogError, toBrokerId } from '@stratalog/proto'
import { Controller } from '../controller/controller.ts'
import { MetadataGroup } from '../controller/metadata-group.ts'
import { MetadataStore } from '../controller/metadata-store.ts'
import {
  METADATA_PARTITION,
  METADATA_PARTITION_CONFIG,
  METADATA_TOPIC,
  METADATA_TOPIC_ID,
} from '../controller/metadata-topic.ts'
import { PartitionReplicatedLog } from '../controller/partition-replicated-log.ts'
import { FlushScheduler } from '../log/flush-scheduler.ts'
import { OpenFileCache } from '../log/open-file-cache.ts'
import { TailBudget } from '../log/tail-cache.ts'
import { MetadataFollower } from '../metadata-follower.ts'
import { Partition } from '../partition/partition.ts'
import { claimFolder, partitionDirectory } from '../partition/partition-folder.ts'
import { PartitionRegistry } from '../partition/partition-registry.ts'
import type { PartitionEnvironment } from '../partition/partition-types.ts'
import type { Acks, ProduceOutcome } from '../partition/produce-outcome.ts'
import { HardStateStore, hardStateKey } from '../replication/hard-state-store.ts'
import { type Clock, TickLoop } from '../replication/tick-loop.ts'
import type { FileSystem } from '../storage/file-system.ts'
import type { KeyValueStore } from '../storage/key-value-store.ts'
import { seededRandom } from './fake-disk.ts'

/** What the core of a broker runs on. */
export interface BrokerCoreOptions {
  readonly fileSystem: FileSystem
  readonly store: KeyValueStore
  readonly clock: Clock
  /** `topics` folder. Default `/data/topics`. */
  readonly topicsDirectory?: string
  /** Folder of the metadata log's partition. Default `/data/metadata`. */
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

/** See the file's header. */
export class BrokerCore {
  readonly controller: Controller
  readonly registry: PartitionRegistry
  readonly logged: readonly LoggedLine[]
  readonly environment: PartitionEnvironment
  readonly #group: MetadataGroup
  readonly #metadataPartition: Partition

  private constructor(
    controller: Controller,
    group: MetadataGroup,
    metadataPartition: Partition,
    registry: PartitionRegistry,
    environment: PartitionEnvironment,
    logged: readonly LoggedLine[],
  ) {
    this.controller = controller
    this.#group = group
    this.#metadataPartition = metadataPartition
    this.registry = registry
    this.environment = environment
    this.logged = logged
  }

  /** Starts as the broker does: store, metadata, partitions, registration. */
  static async start(options: BrokerCoreOptions): Promise<BrokerCore> {
    const { fileSystem, store, clock, topicsDirectory = '/data/topics', seed = 1 } = options
    const random = seededRandom(seed)
    const logged: LoggedLine[] = []
    const log = (level: LoggedLine['level']) => (fields: object, message: string) => {
      logged.push({ level, fields, message })
    }
    const environment: PartitionEnvironment = {
      brokerId: toBrokerId(1),
      fileSystem,
      flusher: new FlushScheduler(),
      openFiles: new OpenFileCache({ fileSystem }),
      tails: new TailBudget(),
      hardStates: await HardStateStore.open(store),
      ticks: new TickLoop(clock, 100),
      transport: { send: () => invariant(false, 'a group of one voter has nobody to send to') },
      random,
      limits: {
        uncommittedBytesMax: options.uncommittedBytesMax ?? 32 * 1024 * 1024,
        producerCountMax: 1000,
        producerIdExpirationMs: 24 * 3600 * 1000,
      },
      logger: { info: log('info'), warn: log('warn'), error: log('error') },
    }
    const registry = new PartitionRegistry({ topicsDirectory, store, environment })
    const follower = new MetadataFollower(1, new Map(), registry)
    const metadataPartition = await openMetadataPartition(environment, options.metadataDirectory ?? '/data/metadata')
    const group = await MetadataGroup.open({
      log: new PartitionReplicatedLog(metadataPartition),
      store: new MetadataStore(store),
      beside: (records, before) => follower.beside(records, before),
      onFailed: (error) => log('error')({ err: error }, 'the metadata cannot be followed'),
    })
    const controller = new Controller({
      brokerId: 1,
      group,
      peers: null,
      clock,
      random,
      randomBytes: (count) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256))),
      isBrokerUp: () => true,
    })
    await controller.foundCluster({ clusterId: 'test-cluster', controllers: [{ brokerId: 1, generation: 0 }] })
    await controller.catchUp()
    await group.startFollowing(follower)
    await controller.registerBroker({
      brokerId: 1,
      clusterId: 'test-cluster',
      host: '127.0.0.1',
      port: 9400,
      rack: '',
      peerHost: '127.0.0.1',
      peerPort: 9500,
      directoryId: 'test-directory',
      startEpoch: (controller.image.brokers.get(1)?.startEpoch ?? 0) + 1,
    })
    return new BrokerCore(controller, group, metadataPartition, registry, environment, logged)
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
  async stop(): Promise<void> {
    this.controller.close()
    await this.#group.close()
    await this.registry.close()
    await this.#metadataPartition.close(new StratalogError('SHUTTING_DOWN'))
    this.environment.ticks.stop()
    await this.environment.openFiles.close()
  }
}

async function openMetadataPartition(environment: PartitionEnvironment, parent: string): Promise<Partition> {
  const owner = { topic: METADATA_TOPIC, topicId: METADATA_TOPIC_ID, partition: METADATA_PARTITION }
  const isNew = environment.hardStates.get(hardStateKey(METADATA_TOPIC_ID, METADATA_PARTITION)) === null
  await environment.fileSystem.makeDirectory(parent)
  await claimFolder(environment.fileSystem, parent, owner, isNew)
  const directory = partitionDirectory(parent, METADATA_TOPIC, METADATA_PARTITION)
  return Partition.open({ ...owner, replicas: [1], config: METADATA_PARTITION_CONFIG, directory }, environment)
}
