/**
 * A broker without its API: what it keeps, whom it talks to, and its part in the cluster, started in order.
 *
 * ```
 *  peers ── its copy of the metadata log ── registered with the controllers ── metadata followed ── partitions open
 * ```
 * Time, chance, disk, store and network are given, so that a whole cluster of these runs in a simulation under a seed as
 * it runs in production. Owner: broker.ts, or a simulation.
 */
import { toBrokerId } from '@stratalog/proto'
import type { BrokerCoreOptions } from './broker-core-options.ts'
import { BrokerDirectory } from './cluster/broker-directory.ts'
import { ClusterStatus } from './cluster/cluster-status.ts'
import { handOver } from './cluster/hand-over.ts'
import { isLeaving, LeaderBalancer } from './cluster/leader-balancer.ts'
import { LEADER_NEWS, LeaderNews } from './cluster/leader-news.ts'
import { type LeaderEntry, LeaderTable } from './cluster/leader-table.ts'
import { LostReplicas } from './cluster/lost-replicas.ts'
import { MetadataMember } from './cluster/metadata-member.ts'
import { PeerDesk } from './cluster/peer-desk.ts'
import { ReplicaReconciler } from './cluster/replica-reconciler.ts'
import type { Controller } from './controller/controller.ts'
import type { MetadataGroup } from './controller/metadata-group.ts'
import type { MetadataImage } from './controller/metadata-image.ts'
import { GroupService } from './groups/group-service.ts'
import { FlushScheduler } from './log/flush-scheduler.ts'
import { OpenFileCache } from './log/open-file-cache.ts'
import { TailBudget } from './log/tail-cache.ts'
import { MetadataFollower } from './metadata-follower.ts'
import { CommittedMarks } from './partition/committed-marks.ts'
import type { Partition } from './partition/partition.ts'
import { PartitionRegistry } from './partition/partition-registry.ts'
import type { LedPartition, PartitionEnvironment } from './partition/partition-types.ts'
import { RetentionLoop } from './partition/retention-loop.ts'
import { Scrubber } from './partition/scrubber.ts'
import { ByteRate } from './replication/byte-rate.ts'
import { FlushedMarks } from './replication/flushed-marks.ts'
import { GroupStateStore } from './replication/group-state-store.ts'
import { RaftGroupTable } from './replication/group-table.ts'
import { TickLoop } from './replication/tick-loop.ts'
import { Teardown } from './teardown.ts'

const RAFT_TICK_MS = 100
/** How often it is looked whether copies that are out are to be tried again. */
const REPAIR_MS = 2000
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
  readonly #reconciler: ReplicaReconciler
  readonly #lost: LostReplicas
  readonly #follower: MetadataFollower
  readonly #committedMarks: CommittedMarks | null
  #balancer: LeaderBalancer | null = null
  readonly #member: MetadataMember
  readonly groups: GroupService

  private constructor(options: BrokerCoreOptions, groupStates: GroupStateStore, teardown: Teardown) {
    const { network, clock, logger } = options
    const { brokerId } = options.identity()
    this.#options = options
    this.#teardown = teardown
    this.environment = this.#newEnvironment(groupStates)
    const { dataDirectory } = options
    this.#committedMarks = dataDirectory === null ? null : new CommittedMarks({ ...options, directory: dataDirectory })
    this.registry = this.#newRegistry()
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
      metadata: () => this.#member.partition,
      groups: this.environment.groups,
      peers: () => network,
      leaders: this.#leaders,
      process: options.process,
      problems: () => this.groups.coordinator.problems(),
    })
    this.#directory = new BrokerDirectory({
      brokerId,
      configured: options.controllers,
      introduced: () => this.#member.introduced,
      image,
      clusterId: () => options.identity().clusterId,
    })
    this.#member = new MetadataMember({
      ...options,
      environment: this.environment,
      beside: (records, before) => this.#follower.beside(records, before),
      addresses: () => this.#directory.addresses(),
      isUpAs: (id, run) => this.#desk.isUpAs(id, run),
      onChange: () => this.#onMetadata(),
    })
    this.groups = this.#newGroups()
    this.#desk = new PeerDesk({
      directory: this.#directory,
      groups: this.environment.groups,
      handlers: new Map([...this.#member.handlers(), ...this.status.handlers(), ...this.groups.handlers()]),
      onNews: (kind, body, from) => (kind === LEADER_NEWS ? this.#news.hear(body, from) : `of unknown kind ${kind}`),
      onUp: (id) => this.#news.tell(id),
      onChange: () => this.status.changed(),
      logger,
    })
    this.#reconciler = new ReplicaReconciler({
      clock,
      image,
      completeMove: (topicId, partition, target) => this.controller.completeReassignment(topicId, partition, target),
      logger,
    })
    this.#lost = new LostReplicas({ clock, renew: (lost) => this.#member.renew(lost), logger })
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
    return this.#member.image
  }

  get controller(): Controller {
    return this.#member.controller
  }

  get metadata(): MetadataGroup {
    return this.#member.group
  }

  /** Partitions of this broker, that of the metadata log among them. */
  *partitions(): Generator<Partition> {
    if (this.#member.openPartition !== null) yield this.#member.openPartition
    yield* this.registry.all()
  }

  /** Hands over what this broker leads, as far as others can take it within the time; to be called before a close. */
  async handOver(timeoutMs: number): Promise<void> {
    const { clock } = this.#options
    const { brokerId } = this.environment
    const served = (): Partition[] => [...this.partitions()].filter((each) => each.state().kind === 'serving')
    this.#balancer?.close()
    await handOver({ brokerId, clock, served, mayLead: (id) => !isLeaving(this.image, id) }, timeoutMs)
  }

  /** Stops cleanly: what is acknowledged is on disk, the logs are closed. */
  async close(): Promise<void> {
    await this.#teardown.run()
  }

  async #start(): Promise<void> {
    const { network, clock, logger, limits, signal } = this.#options
    const abort = (): void => this.#member.giveUp()
    signal?.addEventListener('abort', abort)
    this.#teardown.add('open files', () => this.environment.openFiles.close())
    this.#teardown.add('ticks', () => this.environment.ticks.stop())
    this.#teardown.add('marks', () => this.environment.marks.stop())
    await this.#startCommittedMarks()
    this.#teardown.add('peers', () => network.close())
    this.#teardown.add('metadata', () => this.#member.close())
    this.#teardown.add(
      'repairs',
      clock.every(REPAIR_MS, () => {
        void this.#member.repair()
        void this.registry.repair()
      }),
    )
    network.begin(this.#desk)
    network.setPeers(this.#directory.addresses())
    const registration = await this.#member.enter()
    signal?.removeEventListener('abort', abort)
    await this.metadata.reached(registration.metadataOffset)
    this.#teardown.add('partitions', () => this.registry.close())
    await this.metadata.startFollowing(this.#follower)
    this.#consider(null)
    this.#teardown.add('groups', () => this.groups.close())
    this.groups.begin()
    const retention = new RetentionLoop(() => this.registry.all(), clock, limits.retentionCheckMs)
    const balancer = new LeaderBalancer({
      brokerId: this.environment.brokerId,
      clock,
      image: () => this.image,
      led: () => this.#servedHere(),
    })
    this.#balancer = balancer
    this.#teardown.add('retention', () => retention.stop())
    this.#startScrubbing()
    this.#teardown.add('leader balancer', () => balancer.close())
    this.#teardown.add('reconciler', () => this.#reconciler.close())
    this.#teardown.add('lost replicas', () => this.#lost.close())
    logger.info({ partitions: [...this.registry.all()].length }, 'the partitions are open')
  }

  async #startCommittedMarks(): Promise<void> {
    const marks = this.#committedMarks
    if (marks === null) return
    await marks.load()
    this.#teardown.add('committed offsets', () => marks.stop())
  }

  #startScrubbing(): void {
    const { clock, limits } = this.#options
    if (limits.scrubBytesPerSecond === 0) return
    const scrubber = new Scrubber({
      copies: () => this.partitions(),
      clock,
      rate: new ByteRate(clock, limits.scrubBytesPerSecond),
      intervalMs: limits.scrubIntervalMs,
    })
    this.#teardown.add('scrubber', () => scrubber.stop())
  }

  #onMetadata(): void {
    const { topicsById } = this.image
    this.#options.network.setPeers(this.#directory.addresses())
    this.#leaders.retain((topicId) => topicsById.has(topicId))
    this.status.changed()
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

  #newRegistry(): PartitionRegistry {
    const { topicsDirectory, store } = this.#options
    const marks = this.#committedMarks
    const { environment } = this
    return new PartitionRegistry({
      topicsDirectory,
      store,
      environment,
      ...(marks === null ? {} : { committedMarks: marks }),
    })
  }

  #newGroups(): GroupService {
    const options = this.#options
    return new GroupService({
      ...options,
      ...options.groups,
      brokerId: this.environment.brokerId,
      controller: () => this.controller,
      image: () => this.image,
      registry: this.registry,
      cluster: this.status,
      peers: () => options.network,
    })
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
      marks: new FlushedMarks(clock),
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
