/**
 * A broker without its API: what it keeps, whom it talks to, and its part in the cluster, started in order.
 *
 * ```
 *  peers ── its copy of the metadata log ── registered with the controllers ── metadata followed ── partitions open
 * ```
 * Time, chance, disk, store and network are given, so that a whole cluster of these runs in a simulation under a seed as
 * it runs in production. Owner: broker.ts, or a simulation.
 */
import { isStratalogError, StratalogError, toBrokerId } from '@stratalog/proto'
import { BrokerDirectory } from './cluster/broker-directory.ts'
import { ClusterStatus } from './cluster/cluster-status.ts'
import { LeaderBalancer } from './cluster/leader-balancer.ts'
import { LEADER_NEWS, LeaderNews } from './cluster/leader-news.ts'
import { type LeaderEntry, LeaderTable } from './cluster/leader-table.ts'
import type { ProcessFacts } from './cluster/local-reports.ts'
import { LostReplicas } from './cluster/lost-replicas.ts'
import { MetadataCopy } from './cluster/metadata-copy.ts'
import { MetadataKeeper } from './cluster/metadata-keeper.ts'
import { type Acquaintance, ASK_REQUEST, decodeAcquaintance, planMetadataStart } from './cluster/metadata-start.ts'
import { PeerDesk, type RequestHandler } from './cluster/peer-desk.ts'
import {
  REGISTER_REQUEST,
  RENEW_METADATA_REQUEST,
  Registrar,
  type Registration,
  type RegistrationRequest,
  type RenewedCopy,
} from './cluster/registration.ts'
import { ReplicaReconciler } from './cluster/replica-reconciler.ts'
import { CONTROLLER_REQUEST } from './controller/command-sender.ts'
import { Controller } from './controller/controller.ts'
import { MetadataGroup } from './controller/metadata-group.ts'
import { EMPTY_IMAGE, type MetadataImage } from './controller/metadata-image.ts'
import { MetadataStore } from './controller/metadata-store.ts'
import { METADATA_PARTITION, METADATA_TOPIC, METADATA_TOPIC_ID } from './controller/metadata-topic.ts'
import { PartitionReplicatedLog } from './controller/partition-replicated-log.ts'
import { FlushScheduler } from './log/flush-scheduler.ts'
import { OpenFileCache } from './log/open-file-cache.ts'
import { TailBudget } from './log/tail-cache.ts'
import { MetadataFollower } from './metadata-follower.ts'
import type { Partition } from './partition/partition.ts'
import { publicError } from './partition/partition-errors.ts'
import { PartitionRegistry } from './partition/partition-registry.ts'
import type {
  LedPartition,
  LostReplica,
  PartitionEnvironment,
  PartitionLimits,
  PartitionLogger,
} from './partition/partition-types.ts'
import { RetentionLoop } from './partition/retention-loop.ts'
import type { PeerAddress, PeerIdentity, PeerNetwork } from './peer/peer-port.ts'
import { ByteRate } from './replication/byte-rate.ts'
import { GroupStateStore } from './replication/group-state-store.ts'
import { RaftGroupTable } from './replication/group-table.ts'
import type { Replica } from './replication/raft-ids.ts'
import { type Clock, TickLoop } from './replication/tick-loop.ts'
import type { FileSystem } from './storage/file-system.ts'
import type { KeyValueStore } from './storage/key-value-store.ts'
import { Teardown } from './teardown.ts'

/** Sizes and rates, from the broker's configuration. */
export interface BrokerCoreLimits {
  readonly partition: PartitionLimits
  readonly flushConcurrencyMax: number
  readonly tailCacheBytes: number
  readonly openFilesMax: number
  readonly indexCacheBytes: number
  readonly catchUpBytesPerSecond: number
  readonly retentionCheckMs: number
}

/** What a core is made of. */
export interface BrokerCoreOptions {
  /** As of now; its cluster id is filled in once it is known. */
  readonly identity: () => PeerIdentity
  readonly rack: string
  /** Founders of the cluster and their peer addresses; this broker among them, or not. */
  readonly controllers: ReadonlyMap<number, PeerAddress>
  /** Peer addresses of brokers of a cluster to join. */
  readonly join: readonly PeerAddress[]
  /** Where clients reach this broker. */
  readonly clientAddress: PeerAddress
  /** Where brokers do. */
  readonly peerAddress: PeerAddress
  /** Bound, and not begun. */
  readonly network: PeerNetwork
  /** `<data>/topics`. */
  readonly topicsDirectory: string
  /** `<data>/metadata`. */
  readonly metadataDirectory: string
  readonly topicDefaults: ReadonlyMap<string, string>
  readonly fileSystem: FileSystem
  readonly store: KeyValueStore
  readonly clock: Clock
  /** Draws from [0, 1). */
  readonly random: () => number
  readonly randomBytes: (count: number) => Buffer
  /** Id of the cluster, should this broker found it. */
  readonly newClusterId: () => string
  /** Notes the cluster that this broker belongs to. Durable when it resolves. Errors: as DataDirectory.belongTo. */
  readonly onClusterId: (clusterId: string) => Promise<void>
  /** The broker cannot go on: it must stop. */
  readonly onFatal: (error: unknown) => void
  /** Hears of copies that are lost, beside their being rebuilt; for tests. */
  readonly onReplicaLost?: (lost: LostReplica) => void
  readonly process: () => ProcessFacts
  readonly limits: BrokerCoreLimits
  readonly logger: PartitionLogger
  /** Gives up a start that waits for the others. */
  readonly signal?: AbortSignal
  /** Told of the core before anything of it has begun: a simulation watches it from there. */
  readonly onCreated?: (core: BrokerCore) => void
}

const RAFT_TICK_MS = 100
/** How often partitions are tried that a full disk kept from being opened. */
const DISK_FULL_RETRY_MS = 2000
/** How long a controller that begins waits for word from the others. */
const ASK_TIMEOUT_MS = 1000

/** See the file's header. */
export class BrokerCore {
  readonly registry: PartitionRegistry
  readonly status: ClusterStatus
  readonly environment: PartitionEnvironment
  readonly #options: BrokerCoreOptions
  readonly #teardown: Teardown
  readonly #leaders = new LeaderTable()
  readonly #news: LeaderNews
  readonly #directory: BrokerDirectory
  readonly #desk: PeerDesk
  readonly #registrar: Registrar
  readonly #reconciler: ReplicaReconciler
  readonly #lost: LostReplicas
  readonly #follower: MetadataFollower
  /** Names this run of the process. */
  readonly #incarnationId: string
  #copy: MetadataCopy | null = null
  #group: MetadataGroup | null = null
  #controller: Controller | null = null
  /** Addresses that came with the registration, for as long as the image is behind it. */
  #introduced: ReadonlyMap<number, PeerAddress> = new Map()

  private constructor(options: BrokerCoreOptions, groupStates: GroupStateStore, teardown: Teardown) {
    const { network, clock, logger, topicsDirectory, store } = options
    const { brokerId } = options.identity()
    this.#options = options
    this.#teardown = teardown
    this.#incarnationId = options.randomBytes(8).toString('hex')
    this.environment = this.#newEnvironment(groupStates)
    this.registry = new PartitionRegistry({ topicsDirectory, store, environment: this.environment })
    const image = () => this.image
    this.#news = new LeaderNews({
      brokerId,
      table: this.#leaders,
      peers: () => network,
      led: () => this.#led(),
      onChange: () => this.status.changed(),
    })
    this.status = new ClusterStatus({
      brokerId,
      clock,
      image,
      onImageChange: (listener) => this.metadata.onAdvance(listener),
      registry: this.registry,
      metadata: () => this.#metadataPartition,
      groups: this.environment.groups,
      peers: () => network,
      leaders: this.#leaders,
      process: options.process,
    })
    this.#directory = new BrokerDirectory({
      brokerId,
      configured: options.controllers,
      introduced: () => this.#introduced,
      image,
      clusterId: () => options.identity().clusterId,
    })
    this.#desk = new PeerDesk({
      directory: this.#directory,
      groups: this.environment.groups,
      handlers: new Map(this.#handlers()),
      onNews: (kind, body, from) => (kind === LEADER_NEWS ? this.#news.hear(body, from) : `of unknown kind ${kind}`),
      onUp: (id) => this.#news.tell(id),
      onChange: () => this.status.changed(),
      logger,
    })
    this.#registrar = new Registrar({ clock, peers: network, addresses: () => this.#whomToAsk(), logger })
    this.#reconciler = new ReplicaReconciler({
      clock,
      image,
      completeMove: (topicId, partition, target) => this.controller.completeReassignment(topicId, partition, target),
      logger,
    })
    this.#lost = new LostReplicas({ clock, renew: (lost) => this.#renew(lost), logger })
    this.#follower = new MetadataFollower({
      brokerId,
      topicDefaults: options.topicDefaults,
      registry: this.registry,
      onCarriedOut: (topic) => this.#consider(topic),
    })
  }

  /**
   * Starts a core and resolves when it is part of its cluster and its partitions are open or known to be damaged.
   *
   * Waits for a majority of the controllers, however long. Errors: StratalogError when the cluster refuses this broker, or
   * SHUTTING_DOWN when `signal` aborts; MetadataError, StoreError for what is stored. What was started is stopped again.
   */
  static async start(options: BrokerCoreOptions): Promise<BrokerCore> {
    const teardown = new Teardown(options.logger)
    try {
      const core = new BrokerCore(options, await GroupStateStore.open(options.store), teardown)
      options.onCreated?.(core)
      await core.#start()
      return core
    } catch (error) {
      await teardown.run()
      throw error
    }
  }

  /** The cluster, as far as this broker has followed. */
  get image(): MetadataImage {
    return this.#group?.image ?? EMPTY_IMAGE
  }

  get controller(): Controller {
    return available(this.#controller)
  }

  get metadata(): MetadataGroup {
    return available(this.#group)
  }

  /** Partitions of this broker, that of the metadata log among them. */
  *partitions(): Generator<Partition> {
    if (this.#copy !== null) yield this.#copy.partition
    yield* this.registry.all()
  }

  /** Stops cleanly: what is acknowledged is on disk, the logs are closed. */
  async close(): Promise<void> {
    await this.#teardown.run()
  }

  async #start(): Promise<void> {
    const { network, clock, logger, limits, signal } = this.#options
    const abort = (): void => this.#registrar.close()
    signal?.addEventListener('abort', abort)
    this.#teardown.add('open files', () => this.environment.openFiles.close())
    this.#teardown.add('ticks', () => this.environment.ticks.stop())
    this.#teardown.add('peers', () => network.close())
    this.#teardown.add('registration', () => this.#registrar.close())
    network.begin(this.#desk)
    network.setPeers(this.#directory.addresses())
    const registration = await this.#enter()
    signal?.removeEventListener('abort', abort)
    await this.metadata.reached(registration.metadataOffset)
    this.#teardown.add('partitions', () => this.registry.close())
    await this.metadata.startFollowing(this.#follower)
    this.#consider(null)
    const retention = new RetentionLoop(() => this.registry.all(), clock, limits.retentionCheckMs)
    const balancer = new LeaderBalancer({
      brokerId: this.environment.brokerId,
      clock,
      image: () => this.image,
      led: () => this.#servedHere(),
    })
    this.#teardown.add('retention', () => retention.stop())
    this.#teardown.add(
      'retries',
      clock.every(DISK_FULL_RETRY_MS, () => void this.registry.retryDiskFull()),
    )
    this.#teardown.add('leader balancer', () => balancer.close())
    this.#teardown.add('reconciler', () => this.#reconciler.close())
    this.#teardown.add('lost replicas', () => this.#lost.close())
    logger.info({ partitions: [...this.registry.all()].length }, 'the partitions are open')
  }

  /** Opens the copy of the metadata log and registers, in the order that fits; see metadata-start.ts. */
  async #enter(): Promise<Registration> {
    const { network, controllers, onClusterId } = this.#options
    const identity = this.#options.identity()
    const storedGeneration = MetadataCopy.storedGeneration(this.environment)
    const start = await planMetadataStart({
      identity,
      storedGeneration,
      controllers,
      ask: (address) => this.#askOfMyself(address),
    })
    let registration = start.kind === 'join' ? await this.#registrar.register(this.#request()) : null
    if (registration !== null) this.#introduced = new Map(registration.peers)
    network.setPeers(this.#directory.addresses())
    const generation = start.kind === 'resume' ? start.generation : (registration?.metadataGeneration ?? 0)
    await this.#openMetadata(await this.#openCopy(generation, start.kind === 'found' ? start.voters : null))
    // A controller that is alone need not wait for its next look.
    if (this.metadata.isLeader && this.image.clusterId === null) await this.#found()
    registration ??= await this.#registrar.register(this.#request(), () =>
      this.controller.leaderId === null ? null : this.#registerOwn(),
    )
    await onClusterId(registration.clusterId)
    network.announce()
    if (registration.metadataGeneration !== this.#copy?.generation) {
      await this.#renewMetadata(registration.metadataGeneration)
    }
    return registration
  }

  /** Opens the copy of the metadata log; one that is damaged is given up for the next, if there are others to fill it. */
  async #openCopy(generation: number, voters: readonly Replica[] | null): Promise<MetadataCopy> {
    const options = { environment: this.environment, directory: this.#options.metadataDirectory }
    try {
      return await MetadataCopy.open(options, generation, voters)
    } catch (error) {
      if (!isDamage(error) || this.#whomToAsk().length === 0) throw error
      const lost = { brokerId: this.environment.brokerId, generation }
      const next = await this.#registrar.renewMetadataCopy(lost)
      return await MetadataCopy.open(options, next.generation, null)
    }
  }

  async #openMetadata(copy: MetadataCopy): Promise<void> {
    const { environment } = this
    const { store, onFatal, network, clock, random, randomBytes, logger } = this.#options
    this.#copy = copy
    this.#teardown.add('metadata log', () => copy.close())
    const group = await MetadataGroup.open({
      log: new PartitionReplicatedLog(copy.partition),
      store: new MetadataStore(store),
      beside: (records, before) => this.#follower.beside(records, before),
      onFailed: onFatal,
    })
    this.#group = group
    this.#teardown.add('metadata group', () => group.close())
    const controller = new Controller({
      brokerId: environment.brokerId,
      group,
      peers: network,
      clock,
      randomBytes,
      random,
      isBrokerUp: ({ brokerId, directoryId, startEpoch }) =>
        brokerId === environment.brokerId || this.#desk.isUpAs(brokerId, directoryId, startEpoch),
    })
    this.#controller = controller
    this.#teardown.add('controller', () => controller.close())
    group.onChange(({ after }) => {
      network.setPeers(this.#directory.addresses())
      this.#leaders.retain((topicId) => after.topicsById.has(topicId))
      this.status.changed()
    })
    const keeper = new MetadataKeeper({
      clock,
      image: () => this.image,
      isLeader: () => group.isLeader,
      reconcile: (wanted, learners) => copy.partition.reconcile(wanted, learners),
      found: () => this.#found(),
      removeBroker: (brokerId) => controller.maybeRemoveBroker(brokerId),
      logger,
    })
    this.#teardown.add('metadata keeper', () => keeper.close())
  }

  /** Commits the beginning of the cluster: its id, and who its controllers are. */
  async #found(): Promise<void> {
    const { controllers, identity, newClusterId } = this.#options
    const clusterId = identity().clusterId ?? newClusterId()
    const founders = [...controllers.keys()].sort((a, b) => a - b).map((brokerId) => ({ brokerId, generation: 0 }))
    await this.controller.foundCluster({ clusterId, controllers: founders })
  }

  /** The copy of the metadata log was given up: the next one takes its place. */
  async #renewMetadata(generation: number): Promise<void> {
    const partition = await this.#copy?.renew(generation)
    if (partition !== undefined) this.metadata.useLog(new PartitionReplicatedLog(partition))
  }

  /** Gets the next generation for a copy that is lost. That of a partition is opened when the metadata says so. */
  async #renew({ topicId, partition, brokerId, generation }: LostReplica): Promise<void> {
    const next = await this.controller.renewReplica(topicId, partition, { brokerId, generation })
    if (topicId !== METADATA_TOPIC_ID || brokerId !== this.environment.brokerId) return
    if (this.#copy !== null && next > this.#copy.generation) await this.#renewMetadata(next)
  }

  /** Another broker cannot open its copy of the metadata log. */
  async #renewMetadataOf(lost: Replica): Promise<RenewedCopy> {
    return { generation: await this.controller.renewReplica(METADATA_TOPIC_ID, METADATA_PARTITION, lost) }
  }

  #request(): RegistrationRequest {
    const { identity, rack, clientAddress, peerAddress } = this.#options
    const { brokerId, directoryId, startEpoch, clusterId } = identity()
    return {
      brokerId,
      host: clientAddress.host,
      port: clientAddress.port,
      rack,
      peerHost: peerAddress.host,
      peerPort: peerAddress.port,
      directoryId,
      startEpoch,
      clusterId,
      incarnationId: this.#incarnationId,
    }
  }

  #registerOwn(): Promise<Registration> {
    return this.#register(this.#request())
  }

  /** Registers a broker, this one or one that asked, and tells it what it needs. */
  async #register(request: RegistrationRequest): Promise<Registration> {
    const answer = await this.controller.registerBroker(request)
    const peers = new Map(this.#directory.addresses())
    peers.set(this.environment.brokerId, this.#options.peerAddress)
    return { ...answer, peers: [...peers] }
  }

  #handlers(): Array<readonly [kind: string, handler: RequestHandler]> {
    return [
      [ASK_REQUEST, async (_, from) => json(this.#acquaintance(from))],
      [REGISTER_REQUEST, async (body) => json(await this.#register(JSON.parse(body.toString())))],
      [RENEW_METADATA_REQUEST, async (body) => json(await this.#renewMetadataOf(JSON.parse(body.toString())))],
      [CONTROLLER_REQUEST, (body, from) => this.controller.handleControllerRequest(body, from)],
      ...this.status.handlers(),
    ]
  }

  #acquaintance({ brokerId }: PeerIdentity): Acquaintance {
    const known = this.image.brokers.get(brokerId)
    return { clusterId: this.#options.identity().clusterId, directoryId: known?.directoryId ?? null }
  }

  /** What another controller knows of this broker; null when it does not answer. */
  async #askOfMyself(address: PeerAddress): Promise<Acquaintance | null> {
    try {
      const answer = await this.#options.network.requestAt(address, ASK_REQUEST, Buffer.alloc(0), ASK_TIMEOUT_MS)
      return decodeAcquaintance(answer)
    } catch (error) {
      if (isStratalogError(error)) return null
      throw error
    }
  }

  #whomToAsk(): PeerAddress[] {
    return [...this.#directory.addresses().values(), ...this.#options.join]
  }

  get #metadataPartition(): Partition {
    return available(this.#copy).partition
  }

  *#servedHere(): Generator<Partition> {
    for (const partition of this.registry.all()) if (partition.state().kind === 'serving') yield partition
  }

  *#led(): Generator<LeaderEntry> {
    for (const partition of this.#servedHere()) yield this.#entryOf(partition)
  }

  #entryOf(partition: Partition): LeaderEntry {
    const topicId = partition.topicId.toString('hex')
    const { leaderEpoch } = partition.bounds()
    return { topicId, partition: partition.partition, leaderId: this.environment.brokerId, leaderEpoch }
  }

  /** A partition of this broker began or ceased to serve, or another leads it now. */
  #onLeadership(partition: LedPartition): void {
    const served = this.registry.get(partition.topic, partition.partition)
    if (served === partition && served.state().kind === 'serving') {
      this.#news.began(this.#entryOf(served))
      this.#reconciler.consider(served)
    }
    this.status.changed()
  }

  /** Partitions that serve already when they come to be known: they had nobody to ask. @param topic all when null. */
  #consider(topic: string | null): void {
    for (const partition of this.#servedHere()) {
      if (topic !== null && partition.topic !== topic) continue
      this.#news.began(this.#entryOf(partition))
      this.#reconciler.consider(partition)
    }
  }

  #newEnvironment(groupStates: GroupStateStore): PartitionEnvironment {
    const { fileSystem, clock, random, logger, limits, network } = this.#options
    return {
      brokerId: toBrokerId(this.#options.identity().brokerId),
      fileSystem,
      flusher: new FlushScheduler(limits.flushConcurrencyMax),
      openFiles: new OpenFileCache({
        fileSystem,
        openFilesMax: limits.openFilesMax,
        indexBytesMax: limits.indexCacheBytes,
      }),
      tails: new TailBudget(limits.tailCacheBytes),
      groupStates,
      groups: new RaftGroupTable(),
      ticks: new TickLoop(clock, RAFT_TICK_MS),
      transport: network,
      random,
      catchUp: new ByteRate(clock, limits.catchUpBytesPerSecond),
      onReplicaLost: (lost) => {
        this.#options.onReplicaLost?.(lost)
        this.#lost.report(lost)
      },
      onLeadership: (partition) => this.#onLeadership(partition),
      limits: limits.partition,
      logger,
    }
  }
}

/** Whether a copy cannot be opened for what is on its disk. */
function isDamage(error: unknown): boolean {
  return publicError(error, { topic: METADATA_TOPIC, partition: METADATA_PARTITION }).code === 'PARTITION_DAMAGED'
}

/** Parts that come later in the start; whoever asks for one before is to ask again. */
function available<Part>(part: Part | null): Part {
  if (part === null) throw new StratalogError('LEADER_NOT_AVAILABLE', 'this broker is starting')
  return part
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
