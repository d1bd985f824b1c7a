/**
 * This broker's part in the metadata group: its copy of the log, the image that it follows, the controller, and how it
 * got in.
 *
 * A copy that is lost is replaced in place by one of the next generation, whoever found out: this broker, the leader of
 * the group, or the controllers when the broker registered.
 * Owner: the broker's core.
 */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { CONTROLLER_REQUEST } from '../controller/command-sender.ts'
import type { BrokerRegistration } from '../controller/commands.ts'
import { Controller } from '../controller/controller.ts'
import { MetadataGroup, type MetadataGroupOptions } from '../controller/metadata-group.ts'
import { EMPTY_IMAGE, type MetadataImage } from '../controller/metadata-image.ts'
import { MetadataStore } from '../controller/metadata-store.ts'
import { METADATA_PARTITION, METADATA_TOPIC, METADATA_TOPIC_ID } from '../controller/metadata-topic.ts'
import type { Partition } from '../partition/partition.ts'
import { publicError } from '../partition/partition-errors.ts'
import { PartitionReplicatedLog } from '../partition/partition-replicated-log.ts'
import type { LostReplica, PartitionEnvironment } from '../partition/partition-types.ts'
import type { PeerAddress, PeerIdentity, PeerNetwork } from '../peer/peer-port.ts'
import type { Replica } from '../replication/raft-ids.ts'
import type { Clock } from '../replication/tick-loop.ts'
import type { KeyValueStore } from '../storage/key-value-store.ts'
import { isLeaving } from './leader-balancer.ts'
import { bestSuccessor } from './leadership-transfers.ts'
import { MetadataCopy } from './metadata-copy.ts'
import { MetadataKeeper } from './metadata-keeper.ts'
import { type Acquaintance, ASK_REQUEST, decodeAcquaintance, planMetadataStart } from './metadata-start.ts'
import type { RequestHandler } from './peer-desk.ts'
import {
  REGISTER_REQUEST,
  RENEW_METADATA_REQUEST,
  Registrar,
  type Registration,
  type RenewedCopy,
} from './registration.ts'

/** What a member is made of. */
export interface MetadataMemberOptions {
  readonly environment: PartitionEnvironment
  readonly identity: () => PeerIdentity
  /** Founders of the cluster and their peer addresses. */
  readonly controllers: ReadonlyMap<number, PeerAddress>
  /** Peer addresses of brokers of a cluster to join. */
  readonly join: readonly PeerAddress[]
  readonly rack: string
  readonly clientAddress: PeerAddress
  readonly peerAddress: PeerAddress
  readonly network: PeerNetwork
  readonly clock: Clock
  readonly random: () => number
  readonly randomBytes: (count: number) => Buffer
  readonly store: KeyValueStore
  /** `<data>/metadata`. */
  readonly metadataDirectory: string
  readonly newClusterId: () => string
  readonly onRegistered: (clusterId: string, metadataOffset: number) => Promise<void>
  readonly onFatal: (error: unknown) => void
  readonly beside: NonNullable<MetadataGroupOptions['beside']>
  /** Addresses of the brokers that are known, by id. */
  readonly addresses: () => ReadonlyMap<number, PeerAddress>
  /** Whether a broker is up in that very run. */
  readonly isUpAs: (brokerId: number, run: string) => boolean
  /** The image changed. */
  readonly onChange: () => void
}

/** How long a controller that begins waits for word from the others. */
const ASK_TIMEOUT_MS = 1000

/** See the file's header. */
export class MetadataMember {
  readonly #options: MetadataMemberOptions
  readonly #registrar: Registrar
  #copy: MetadataCopy | null = null
  #group: MetadataGroup | null = null
  #controller: Controller | null = null
  #keeper: MetadataKeeper | null = null
  #renewing: Promise<void> = Promise.resolve()
  /** Addresses that came with the registration, for as long as the image is behind it. */
  introduced: ReadonlyMap<number, PeerAddress> = new Map()

  constructor(options: MetadataMemberOptions) {
    const { clock, network, environment } = options
    this.#options = options
    const { logger } = environment
    this.#registrar = new Registrar({ clock, peers: network, addresses: () => this.#whomToAsk(), logger })
  }

  /** The cluster, as far as this broker has followed. */
  get image(): MetadataImage {
    return this.#group?.image ?? EMPTY_IMAGE
  }

  /** Errors, here and below: LEADER_NOT_AVAILABLE while the broker starts. */
  get controller(): Controller {
    return available(this.#controller)
  }

  get group(): MetadataGroup {
    return available(this.#group)
  }

  /** This broker's copy of the log. */
  get partition(): Partition {
    return available(this.#copy).partition
  }

  /** The copy, or null before it is open. */
  get openPartition(): Partition | null {
    return this.#copy?.partition ?? null
  }

  /**
   * Opens the copy of the metadata log and registers, in the order that fits; see metadata-start.ts.
   * Errors: as BrokerCore.start.
   */
  async enter(): Promise<Registration> {
    const { network, onRegistered, addresses, controllers, identity, environment } = this.#options
    const start = await planMetadataStart({
      identity: identity(),
      storedGeneration: MetadataCopy.storedGeneration(environment),
      controllers,
      ask: (address) => this.#askOfMyself(address),
    })
    let registration = start.kind === 'join' ? await this.#registrar.register(this.#request()) : null
    if (registration !== null) this.introduced = new Map(registration.peers)
    network.setPeers(addresses())
    const generation = start.kind === 'resume' ? start.generation : (registration?.metadataGeneration ?? 0)
    await this.#open(await this.#openCopy(generation, start.kind === 'found' ? start.voters : null))
    // A controller that is alone need not wait for its next look.
    if (this.group.isLeader && this.image.clusterId === null) await this.#found()
    registration ??= await this.#registrar.register(this.#request(), () =>
      this.controller.leaderId === null ? null : this.#register(this.#request()),
    )
    await onRegistered(registration.clusterId, registration.metadataOffset)
    network.announce()
    await this.#renewTo(registration.metadataGeneration)
    return registration
  }

  /** Gives up an {@link enter} that waits for the others: it rejects with SHUTTING_DOWN. */
  giveUp(): void {
    this.#registrar.close()
  }

  /** What other brokers may ask. */
  handlers(): Array<readonly [kind: string, handler: RequestHandler]> {
    return [
      [ASK_REQUEST, async (_, from) => json(this.#acquaintance(from))],
      [REGISTER_REQUEST, async (body) => json(await this.#register(JSON.parse(body.toString())))],
      [RENEW_METADATA_REQUEST, async (body) => json(await this.#renewOf(JSON.parse(body.toString())))],
      [CONTROLLER_REQUEST, (body, from) => this.controller.handleControllerRequest(body, from)],
    ]
  }

  /**
   * Gets the next generation for a copy that is lost, of any partition; that of the metadata log is begun here at once,
   * that of another when the metadata says so. Errors: as Controller.renewReplica.
   */
  async renew({ topicId, partition, brokerId, generation }: LostReplica): Promise<void> {
    const next = await this.controller.renewReplica(topicId, partition, { brokerId, generation })
    if (topicId === METADATA_TOPIC_ID && brokerId === this.#options.environment.brokerId) await this.#renewTo(next)
  }

  /** Ends it: commands are refused, the log is closed cleanly. */
  async close(): Promise<void> {
    this.#registrar.close()
    this.#keeper?.close()
    await this.#controller?.close()
    await this.#group?.close()
    await this.#renewing
    await this.#copy?.close()
  }

  /** Opens the copy; one that is damaged is given up for the next, if there are others to fill it. */
  async #openCopy(generation: number, voters: readonly Replica[] | null): Promise<MetadataCopy> {
    const { environment, metadataDirectory } = this.#options
    const options = { environment, directory: metadataDirectory }
    try {
      return await MetadataCopy.open(options, generation, voters)
    } catch (error) {
      if (!isDamage(error) || this.#whomToAsk().length === 0) throw error
      const lost = { brokerId: environment.brokerId, generation }
      const next = await this.#registrar.renewMetadataCopy(lost)
      return await MetadataCopy.open(options, next.generation, null)
    }
  }

  async #open(copy: MetadataCopy): Promise<void> {
    const { environment, store, onFatal, beside, network, clock, random, randomBytes, isUpAs } = this.#options
    const { brokerId, logger } = environment
    this.#copy = copy
    const log = new PartitionReplicatedLog(copy.partition)
    const group = await MetadataGroup.open({ log, store: new MetadataStore(store), beside, onFailed: onFatal })
    this.#group = group
    const controller = new Controller({
      brokerId,
      group,
      peers: network,
      clock,
      randomBytes,
      random,
      isBrokerUp: (broker) => broker.brokerId === brokerId || isUpAs(broker.brokerId, broker.run),
    })
    this.#controller = controller
    group.onChange(() => this.#onChange())
    this.#keeper = new MetadataKeeper({
      clock,
      image: () => this.image,
      isLeader: () => group.isLeader,
      reconcile: (wanted, learners) => copy.partition.reconcile(wanted, learners),
      found: () => this.#found(),
      removeBroker: (leaving) => controller.maybeRemoveBroker(leaving),
      handOver: () => this.#handOverIfLeaving(),
      logger,
    })
  }

  #onChange(): void {
    const { environment, onChange } = this.#options
    onChange()
    const generation = this.image.brokers.get(environment.brokerId)?.metadataGeneration
    // The leader of the group has found that this copy is not what it was.
    if (generation !== undefined && generation > available(this.#copy).generation) {
      this.#renewTo(generation).catch(this.#options.onFatal)
    }
  }

  /** A controller that is drained does not lead the others. */
  #handOverIfLeaving(): void {
    const { brokerId } = this.#options.environment
    if (!isLeaving(this.image, brokerId)) return
    const successor = bestSuccessor(this.partition, brokerId, (id) => !isLeaving(this.image, id))
    if (successor !== null) this.partition.transferLeadership(successor)
  }

  /** Commits the beginning of the cluster: its id, and who its controllers are. */
  async #found(): Promise<void> {
    const { controllers, identity, newClusterId } = this.#options
    const clusterId = identity().clusterId ?? newClusterId()
    const founders = [...controllers.keys()].sort((a, b) => a - b).map((brokerId) => ({ brokerId, generation: 0 }))
    await this.controller.foundCluster({ clusterId, controllers: founders })
  }

  /** Gives the copy up for one of a later generation; nothing when it is of that one already. */
  #renewTo(generation: number): Promise<void> {
    this.#renewing = this.#renewing.then(async () => {
      const copy = available(this.#copy)
      if (generation <= copy.generation) return
      this.group.useLog(new PartitionReplicatedLog(await copy.renew(generation)))
    })
    return this.#renewing
  }

  /** Another broker cannot open its copy. */
  async #renewOf(lost: Replica): Promise<RenewedCopy> {
    return { generation: await this.controller.renewReplica(METADATA_TOPIC_ID, METADATA_PARTITION, lost) }
  }

  #request(): BrokerRegistration {
    const { identity, rack, clientAddress, peerAddress } = this.#options
    const { brokerId, directoryId, runs, clusterId } = identity()
    return {
      brokerId,
      host: clientAddress.host,
      port: clientAddress.port,
      rack,
      peerHost: peerAddress.host,
      peerPort: peerAddress.port,
      directoryId,
      runs,
      clusterId,
    }
  }

  /** Registers a broker, this one or one that asked, and tells it what it needs. */
  async #register(request: BrokerRegistration): Promise<Registration> {
    const { addresses, environment, peerAddress } = this.#options
    const answer = await this.controller.registerBroker(request)
    const peers = new Map(addresses()).set(environment.brokerId, peerAddress)
    return { ...answer, peers: [...peers] }
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
    return [...this.#options.addresses().values(), ...this.#options.join]
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
