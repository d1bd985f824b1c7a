/**
 * The broker's services on one gRPC server: what is bound to what, which streams are open, and how they end.
 *
 * A stop goes in this order: health says NOT_SERVING, produce streams answer what is under way, all streams end with
 * SHUTTING_DOWN, connections close. Owner: broker.ts.
 */
import { FetchService, type InvariantError, isStratalogError, ProduceService, StratalogError } from '@stratalog/proto'
import type { ClusterView } from '../cluster/cluster-view.ts'
import type { BrokerConfig } from '../config/load-config.ts'
import { findTopic } from '../controller/commands.ts'
import type { Controller } from '../controller/controller.ts'
import { internalTopic, isInternalTopic } from '../controller/topic-name.ts'
import type { Logger } from '../observability/logger.ts'
import type { Partition } from '../partition/partition.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import { ByteRate } from '../replication/byte-rate.ts'
import { BROKER_VERSION } from '../version.ts'
import { ByteBudget } from './byte-budget.ts'
import { ClientErrors } from './client-errors.ts'
import { anyCopy } from './copy-reader.ts'
import type { GrpcServer } from './grpc/grpc-server.ts'
import { addReflection } from './grpc/reflection.ts'
import type { RequestShape } from './grpc/request-shape.ts'
import { bindTopicAdmin } from './handlers/admin.ts'
import { bindClusterAdmin } from './handlers/cluster-admin.ts'
import { FetchSession } from './handlers/fetch-session.ts'
import { bindGroups, type GroupHandlersOptions } from './handlers/groups.ts'
import { Health } from './handlers/health.ts'
import { listOffsets } from './handlers/list-offsets.ts'
import { bindMetadata } from './handlers/metadata.ts'
import { planSplits } from './handlers/plan-splits.ts'
import { ProduceRecordsHandler } from './handlers/produce-records.ts'
import { ProduceSession } from './handlers/produce-session.ts'
import { StreamSet } from './handlers/stream-set.ts'
import { type AdvertisedAddress, TopicView } from './handlers/topic-view.ts'
import type { TopicWatches } from './handlers/topic-watches.ts'
import { LeaderWait } from './leader-wait.ts'
import type { PartitionLookup } from './partition-access.ts'
import { ReplayGate } from './replay-gate.ts'

/** What the server is made of. */
export interface BrokerServerOptions {
  readonly config: BrokerConfig
  /** Listening; calls are served from {@link BrokerServer.admit} on. Its end is the server's. */
  readonly grpc: GrpcServer
  readonly clusterId: string
  readonly advertised: AdvertisedAddress | null
  readonly registry: PartitionRegistry
  readonly controller: Controller
  readonly cluster: ClusterView
  readonly groups: GroupParts
  readonly logger: Logger
  readonly nowMs: () => number
  /** Flushes of the broker's logs so far. */
  readonly flushCount: () => number
  readonly onInvariantBroken: (error: InvariantError) => void
}

/** What the groups' calls are answered by. */
export type GroupParts = Pick<GroupHandlersOptions, 'coordinator' | 'directory' | 'resetter'>

/** Services whose health can be asked for by name. */
const SERVICE_NAMES: readonly string[] = [
  'stratalog.v1.Produce',
  'stratalog.v1.Fetch',
  'stratalog.v1.Metadata',
  'stratalog.v1.Admin',
  'stratalog.v1.Groups',
]

/** Most batches in one message of a produce stream, and most fields of all records in a request of plain ones. */
const BATCHES_PER_MESSAGE_MAX = 100_000
const RECORD_FIELDS_PER_REQUEST_MAX = 1_000_000

/** How often fetch streams are looked at, in parts of their heartbeat. */
const TICKS_PER_HEARTBEAT = 3

/** See the file's header. */
export class BrokerServer {
  readonly health: Health = new Health(SERVICE_NAMES)
  readonly #options: BrokerServerOptions
  readonly #clientErrors: ClientErrors
  readonly #leaderWait: LeaderWait
  readonly #grpc: GrpcServer
  readonly #produceStreams = new StreamSet<ProduceSession>()
  readonly #fetchStreams = new StreamSet<FetchSession>()
  readonly #watches: TopicWatches
  readonly #unsubscribe: Array<() => void>
  readonly #ticker: NodeJS.Timeout
  #isDraining = false

  constructor(options: BrokerServerOptions) {
    this.#options = options
    const { settings } = options.config
    this.#clientErrors = new ClientErrors({
      brokerId: settings['broker.id'],
      image: () => options.controller.image,
      cluster: options.cluster,
    })
    const { cluster, nowMs } = options
    const isServing = (topic: string, partition: number) => this.#isServing(topic, partition)
    this.#leaderWait = new LeaderWait({ errors: this.#clientErrors, cluster, isServing, nowMs })
    this.#grpc = options.grpc
    this.health.bind(this.#grpc)
    this.#bindProduce()
    this.#bindFetch()
    this.#watches = this.#bindDescriptions()
    const onChange = () => this.#watches.onChange()
    this.#unsubscribe = [options.registry, options.controller, options.cluster].map((source) =>
      source.onChange(onChange),
    )
    const tickMs = Math.ceil(settings['fetch.heartbeat.ms'] / TICKS_PER_HEARTBEAT)
    this.#ticker = setInterval(() => {
      for (const session of this.#fetchStreams.sessions()) session.tick()
      this.#watches.poll()
    }, tickMs)
    this.#ticker.unref()
  }

  /** Client connections now open. */
  get connectionCount(): number {
    return this.#grpc.connections.size
  }

  /** The broker is ready: serves, and says so. */
  admit(): void {
    this.health.setServing(true)
    this.#grpc.admit()
  }

  /** Adds reflection; a failure is logged and costs nothing else. */
  async addReflection(): Promise<void> {
    try {
      await addReflection(this.#grpc.server)
    } catch (error) {
      this.#options.logger.warn({ error }, 'reflection is not available')
    }
  }

  /** Refuses new work and ends all streams, what is under way first. @returns whether all ended within `graceMs`. */
  async drain(graceMs: number): Promise<boolean> {
    this.#isDraining = true
    this.health.setServing(false)
    for (const session of this.#produceStreams.sessions()) session.drain()
    const stopping = new StratalogError('SHUTTING_DOWN')
    for (const session of this.#fetchStreams.sessions()) session.fail(stopping)
    for (const stream of this.#watches.streams()) stream.fail(stopping)
    this.#options.groups.coordinator.endParking()
    this.health.endWatches()
    const idle = Promise.all([this.#produceStreams.whenIdle(), this.#fetchStreams.whenIdle()])
    return await within(graceMs, idle)
  }

  /** Closes everything; calls still open after `graceMs` are cut off. */
  async stop(graceMs: number): Promise<void> {
    clearInterval(this.#ticker)
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#leaderWait.close()
    await this.#grpc.stop(graceMs)
  }

  #bindProduce(): void {
    const { config, registry, controller, nowMs } = this.#options
    const { settings } = config
    const timeouts = {
      defaultTimeoutMs: settings['produce.timeout.default.ms'],
      maxTimeoutMs: settings['produce.timeout.max.ms'],
    }
    const budget = new ByteBudget(settings['limits.produce.unanswered.bytes'])
    const lookup = clientWrites(registry.get.bind(registry))
    const clientError = (error: StratalogError) => this.#clientErrors.of(error)
    const tellError = this.#leaderWait.tell.bind(this.#leaderWait)
    const bytesMax = settings['limits.message.bytes.max']
    const batchesShape: RequestShape = { bytesMax, fieldCountMax: BATCHES_PER_MESSAGE_MAX, depth: 1 }
    const recordsShape: RequestShape = { bytesMax, fieldCountMax: RECORD_FIELDS_PER_REQUEST_MAX, depth: 2 }
    this.#grpc.bidirectional(
      ProduceService.produceStream,
      (call) => {
        this.#assertServing()
        this.#produceStreams.add(call, new ProduceSession({ call, lookup, tellError, budget, ...timeouts }))
      },
      batchesShape,
    )
    const partitionCount = (topic: string) => {
      const found = findTopic(controller.image, topic)
      return isStratalogError(found) ? found : found.partitions.length
    }
    const leads = (topic: string, partition: number) => this.#isServing(topic, partition)
    const produceRecords = new ProduceRecordsHandler({
      lookup,
      clientError,
      partitionCount,
      leads,
      budget,
      nowMs,
      ...timeouts,
    })
    this.#grpc.unary(
      ProduceService.produceRecords,
      (request, context) => {
        this.#assertServing()
        return produceRecords.handle(request, context)
      },
      recordsShape,
    )
    this.#grpc.unary(ProduceService.initProducerId, (request) => {
      this.#assertServing()
      const { producerId, producerEpoch } = request
      // proto3 cannot tell 0 from unset, and a client that had an id names its epoch with it.
      const isNew = producerId < 0 || producerEpoch < 0
      return isNew ? controller.allocateProducerId() : controller.nextProducerEpoch(producerId, producerEpoch)
    })
  }

  #bindFetch(): void {
    const { config, registry, nowMs } = this.#options
    const { settings } = config
    const lookup = registry.get.bind(registry)
    const nameError = (error: unknown) => this.#nameError(error)
    const clientError = (error: StratalogError) => this.#clientErrors.of(error)
    const budget = new ByteBudget(settings['limits.fetch.outstanding.bytes'])
    const lookupCopy = anyCopy(lookup)
    const replayGate = new ReplayGate({
      rate: new ByteRate({ nowMs }, settings['replay.bytes.per.second']),
      rateBesideLive: new ByteRate({ nowMs }, settings['replay.beside.live.bytes.per.second']),
      writeCount: this.#options.flushCount,
      nowMs,
      schedule: (delayMs, task) => {
        const timer = setTimeout(task, delayMs)
        timer.unref()
        return () => clearTimeout(timer)
      },
    })
    this.#grpc.bidirectional(FetchService.fetchStream, (call) => {
      this.#assertServing()
      const session = new FetchSession({
        call,
        lookup,
        lookupCopy,
        replayGate,
        budget,
        creditBytesMax: settings['limits.fetch.credit.bytes.max'],
        handlesMax: settings['limits.fetch.handles.max'],
        heartbeatMs: settings['fetch.heartbeat.ms'],
        stallMs: settings['limits.write.stall.ms'],
        nowMs,
        nameError,
        tellError: this.#leaderWait.tell.bind(this.#leaderWait),
      })
      this.#fetchStreams.add(call, session)
    })
    this.#grpc.unary(FetchService.listOffsets, (request) => listOffsets({ lookup, nameError, clientError }, request))
    this.#grpc.unary(FetchService.planSplits, (request) => planSplits({ lookup, nameError, clientError }, request))
  }

  #bindDescriptions(): TopicWatches {
    const { config, registry, controller, cluster, clusterId, advertised } = this.#options
    const { settings } = config
    const brokerId = settings['broker.id']
    const view = new TopicView({
      brokerId,
      rack: settings['broker.rack'],
      advertised,
      image: () => controller.image,
      lookup: registry.get.bind(registry),
      cluster,
      errors: this.#clientErrors,
    })
    bindGroups(this.#grpc, { ...this.#options.groups, cluster, view })
    bindClusterAdmin(this.#grpc, { controller, commands: controller, cluster, view })
    bindTopicAdmin(this.#grpc, {
      controller,
      cluster,
      view,
      defaultPartitionCount: settings['topic.defaults.partition.count'],
      defaultReplicationFactor: settings['topic.defaults.replication.factor'],
      topicDefaults: config.topicDefaults,
    })
    return bindMetadata(this.#grpc, {
      view,
      cluster,
      clusterId,
      brokerId,
      version: BROKER_VERSION,
      registry,
    })
  }

  #isServing(topic: string, partition: number): boolean {
    const found = this.#options.registry.get(topic, partition)
    return !isStratalogError(found) && found.state().kind === 'serving'
  }

  #assertServing(): void {
    if (this.#isDraining) throw new StratalogError('SHUTTING_DOWN')
  }

  /** Errors of reads and searches, which are not a whole call's. */
  #nameError(error: unknown): StratalogError {
    return this.#grpc.nameError(error, 'a read')
  }
}

/** The partitions that clients may write to: none of the system's own. */
function clientWrites(lookup: PartitionLookup<Partition>): PartitionLookup<Partition> {
  return (topic, partition, topicId) => {
    if (!isInternalTopic(topic)) return lookup(topic, partition, topicId)
    return internalTopic(topic)
  }
}

/** Whether `work` is done within that time. */
async function within(timeoutMs: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs)
  })
  try {
    return await Promise.race([work.then(() => true), timeout])
  } finally {
    clearTimeout(timer)
  }
}
