/**
 * A broker without its network, for tests: controller, registry and partitions on a given disk, store and clock.
 *
 * Everything is the real thing but the three ports. `crash` takes the power away, `restart` begins with what is left.
 */
import { invariant, StratalogError, toBrokerId } from '@stratalog/proto'
import { Controller } from '../controller/controller.ts'
import { MetadataStore } from '../controller/metadata-store.ts'
import { FlushScheduler } from '../log/flush-scheduler.ts'
import { OpenFileCache } from '../log/open-file-cache.ts'
import { TailBudget } from '../log/tail-cache.ts'
import { MetadataFollower } from '../metadata-follower.ts'
import type { Partition } from '../partition/partition.ts'
import { PartitionRegistry } from '../partition/partition-registry.ts'
import type { LostReplica, PartitionEnvironment } from '../partition/partition-types.ts'
import type { Acks, ProduceOutcome } from '../partition/produce-outcome.ts'
import { ByteRate } from '../replication/byte-rate.ts'
import { GroupStateStore } from '../replication/group-state-store.ts'
import { RaftGroupTable } from '../replication/group-table.ts'
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
  /** Copies that were reported as lost. */
  readonly lost: readonly LostReplica[]
  readonly environment: PartitionEnvironment

  private constructor(
    controller: Controller,
    registry: PartitionRegistry,
    environment: PartitionEnvironment,
    logged: readonly LoggedLine[],
    lost: readonly LostReplica[],
  ) {
    this.controller = controller
    this.registry = registry
    this.environment = environment
    this.logged = logged
    this.lost = lost
  }

  /** Starts as the broker does: store, metadata, partitions, registration. */
  static async start(options: BrokerCoreOptions): Promise<BrokerCore> {
    const { fileSystem, store, clock, topicsDirectory = '/data/topics', seed = 1 } = options
    const random = seededRandom(seed)
    const logged: LoggedLine[] = []
    const lost: LostReplica[] = []
    const log = (level: LoggedLine['level']) => (fields: object, message: string) => {
      logged.push({ level, fields, message })
    }
    const environment: PartitionEnvironment = {
      brokerId: toBrokerId(1),
      fileSystem,
      flusher: new FlushScheduler(),
      openFiles: new OpenFileCache({ fileSystem }),
      tails: new TailBudget(),
      groupStates: await GroupStateStore.open(store),
      groups: new RaftGroupTable(),
      ticks: new TickLoop(clock, 100),
      transport: { send: () => invariant(false, 'a group of one voter has nobody to send to') },
      random,
      catchUp: new ByteRate(clock, 0),
      onReplicaLost: (copy) => lost.push(copy),
      onLeadership: () => undefined,
      limits: {
        uncommittedBytesMax: options.uncommittedBytesMax ?? 32 * 1024 * 1024,
        producerCountMax: 1000,
        producerIdExpirationMs: 24 * 3600 * 1000,
      },
      logger: { info: log('info'), warn: log('warn'), error: log('error') },
    }
    const registry = new PartitionRegistry({ topicsDirectory, store, environment })
    const follower = new MetadataFollower(1, new Map(), registry)
    const controller = await Controller.open({
      store: new MetadataStore(store),
      randomBytes: (count) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256))),
      beside: (records, before) => follower.beside(records, before),
      carryOut: (change) => follower.carryOut(change),
    })
    await follower.start(controller.image)
    await controller.registerBroker({ brokerId: 1, host: '127.0.0.1', port: 9400, rack: '' })
    return new BrokerCore(controller, registry, environment, logged, lost)
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
    await this.controller.close()
    await this.registry.close()
    this.environment.ticks.stop()
    await this.environment.openFiles.close()
  }
}
