/**
 * The controller as the rest of the broker sees it: commands that change the cluster, and the image of what it is.
 *
 * Whichever broker is asked, the command is decided by the leader of the metadata group (decision-loop.ts), committed in the
 * metadata log, and answered here once this broker has followed it. Each command takes effect once, or not at all.
 * Owner: the broker; one per process.
 */
import { invariant, StratalogError } from '@stratalog/proto'
import type { PeerIdentity, Peers } from '../peer/peer-port.ts'
import type { Replica } from '../replication/raft-ids.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { CommandSender } from './command-sender.ts'
import {
  type AlterTopicConfigCommand,
  type BrokerRegistration,
  type Command,
  type CreateTopicCommand,
  findTopic,
  PRODUCER_EPOCH_MAX,
} from './commands.ts'
import { type ControllerAnswer, decodeControllerRequest, encodeControllerAnswer } from './controller-protocol.ts'
import { DecisionLoop } from './decision-loop.ts'
import type { MetadataChange, MetadataGroup } from './metadata-group.ts'
import { type BrokerImage, FEATURE_LEVEL, type MetadataImage, type TopicImage } from './metadata-image.ts'
import { recordsOfImage } from './metadata-rows.ts'
import { OFFSETS_TOPIC } from './offsets-topic.ts'
import { ProducerIds } from './producer-ids.ts'

export type { MetadataChange } from './metadata-group.ts'

/** What a controller is made of. */
export interface ControllerOptions {
  readonly brokerId: number
  readonly group: MetadataGroup
  /** Null in a cluster of one broker. */
  readonly peers: Pick<Peers, 'request'> | null
  readonly clock: Clock
  /** Fills a buffer with chance, for ids. */
  readonly randomBytes: (count: number) => Buffer
  /** Draws from [0, 1). */
  readonly random: () => number
  /**
   * Whether the process of that registration is up now: a peer that is connected and presents that very data folder and
   * count of starts. This broker itself is.
   */
  readonly isBrokerUp: (broker: BrokerImage) => boolean
  /** How long a command may take, ms. Default 15,000. */
  readonly commandTimeoutMs?: number
  /** Commands waiting to be decided here, at most; the next one is OVERLOADED. Default 1,000. */
  readonly pendingCountMax?: number
}

/** Hands out what an idempotent producer needs. */
export interface ProducerIdentity {
  readonly producerId: number
  readonly producerEpoch: number
}

/** What a broker learns when it has registered. */
export interface RegistrationAnswer {
  readonly clusterId: string
  /** End of the metadata log that contains the registration. */
  readonly metadataOffset: number
  /** Of this broker's copy of the metadata log. */
  readonly metadataGeneration: number
  /** Whether its copies went up one generation: what is on its disk counts no more. */
  readonly storageLost: boolean
}

const COMMAND_TIMEOUT_MS = 15_000
const PENDING_COUNT_MAX = 1000

/** See the file's header. */
export class Controller {
  readonly #options: ControllerOptions
  readonly #decisions: DecisionLoop
  readonly #sender: CommandSender
  readonly #producerIds: ProducerIds
  #closed = false

  constructor(options: ControllerOptions) {
    const { brokerId, group, peers, clock, random, randomBytes, isBrokerUp } = options
    this.#options = options
    this.#decisions = new DecisionLoop({
      brokerId,
      group,
      clock,
      context: { isBrokerUp, newTopicId: () => randomBytes(16).toString('hex') },
      pendingCountMax: options.pendingCountMax ?? PENDING_COUNT_MAX,
    })
    this.#sender = new CommandSender({ brokerId, group, decisions: this.#decisions, peers, clock, random })
    this.#producerIds = new ProducerIds(() => this.#execute({ type: 'allocate-producer-ids' }))
  }

  /** The cluster, as far as this broker has followed. */
  get image(): MetadataImage {
    return this.#options.group.image
  }

  /** Whether this broker leads the metadata group. */
  get isLeader(): boolean {
    return this.#options.group.isLeader
  }

  /** The leader of the metadata group; null while none is known. */
  get leaderId(): number | null {
    return this.#options.group.leaderId
  }

  /** Calls `listener` after each change, before its command is answered. Returns how to stop it. */
  onChange(listener: (change: MetadataChange) => void): () => void {
    return this.#options.group.onChange(listener)
  }

  /**
   * Begins the cluster; to be called on the leader of the metadata group while `image.clusterId` is null. What this broker
   * held as its own, from a release with one broker, becomes the cluster's. Nothing happens when it was founded already.
   *
   * Errors: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST, NOT_CONTROLLER.
   */
  async foundCluster(founding: {
    readonly clusterId: string
    readonly controllers: readonly Replica[]
  }): Promise<void> {
    const { legacyImage } = this.#options.group
    const inherited = legacyImage === null ? [] : recordsOfImage(legacyImage)
    await this.#execute({ type: 'found-cluster', ...founding, featureLevel: FEATURE_LEVEL, inherited })
  }

  /**
   * Makes a broker that has started known, this one or one that asked it; nothing is written when it is a repetition.
   *
   * Errors: INCONSISTENT_CLUSTER_ID, DUPLICATE_BROKER_REGISTRATION, BROKER_DECOMMISSIONED, INVALID_REQUEST.
   */
  async registerBroker(registration: BrokerRegistration): Promise<RegistrationAnswer> {
    const answer = await this.#execute({ type: 'register-broker', registration })
    const metadataGeneration = this.image.brokers.get(registration.brokerId)?.metadataGeneration
    invariant(metadataGeneration !== undefined, 'a broker that has registered is in the image')
    const { clusterId, metadataOffset, result } = answer
    return { clusterId, metadataOffset, metadataGeneration, storageLost: result['storageLost'] === true }
  }

  /**
   * Creates a topic; its partitions are open on this broker when it resolves.
   *
   * Errors: INVALID_TOPIC, TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_CONFIG.
   * @param validateOnly check and answer as if it had been done.
   */
  async createTopic(command: CreateTopicCommand, validateOnly = false): Promise<TopicImage> {
    const configs = Object.fromEntries(command.configs)
    const answer = await this.#execute({ type: 'create-topic', ...command, configs }, validateOnly)
    return this.#topic(answer, command.name)
  }

  /**
   * Makes the topic of the groups unless it exists, and has its copies brought up to their number where brokers allow more of
   * them by now; see offsets-topic.ts. @param partitionCount of a new one.
   *
   * Errors: INVALID_PARTITIONS; INVALID_REPLICATION_FACTOR while no broker takes replicas.
   */
  async ensureOffsetsTopic(partitionCount: number): Promise<TopicImage> {
    return this.#topic(await this.#execute({ type: 'ensure-offsets-topic', partitionCount }), OFFSETS_TOPIC)
  }

  /** Deletes a topic. Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC. */
  async deleteTopic(name: string): Promise<{ readonly topicId: string }> {
    const { result } = await this.#execute({ type: 'delete-topic', name })
    return { topicId: String(result['topicId']) }
  }

  /** Changes a topic's configuration. Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_CONFIG, INVALID_REQUEST. */
  async alterTopicConfig(command: AlterTopicConfigCommand, validateOnly = false): Promise<TopicImage> {
    const { name, unset } = command
    const set = Object.fromEntries(command.set)
    return this.#topic(await this.#execute({ type: 'alter-topic-config', name, set, unset }, validateOnly), name)
  }

  /**
   * Adds partitions. @param partitionCount the new total.
   * Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, INVALID_TOPIC, INVALID_REPLICATION_FACTOR.
   */
  async addPartitions(name: string, partitionCount: number, validateOnly = false): Promise<TopicImage> {
    return this.#topic(await this.#execute({ type: 'add-partitions', name, partitionCount }, validateOnly), name)
  }

  /** A producer id that nobody has had, at epoch 0. */
  async allocateProducerId(): Promise<ProducerIdentity> {
    return { producerId: await this.#producerIds.take(), producerEpoch: 0 }
  }

  /**
   * The same producer with its epoch raised by one, which fences whoever still uses the old one; a new id when epochs
   * are used up. Errors: UNKNOWN_PRODUCER_ID for an id never given out, INVALID_REQUEST for an epoch that cannot be.
   */
  async nextProducerEpoch(producerId: number, producerEpoch: number): Promise<ProducerIdentity> {
    if (!Number.isInteger(producerEpoch) || producerEpoch < 0 || producerEpoch > PRODUCER_EPOCH_MAX) {
      throw new StratalogError(
        'INVALID_REQUEST',
        `producer epoch is ${producerEpoch}; it must be 0 to ${PRODUCER_EPOCH_MAX}`,
      )
    }
    if (!(await this.#wasGivenOut(producerId))) {
      throw new StratalogError('UNKNOWN_PRODUCER_ID', `producer id ${producerId} was never given out`)
    }
    if (producerEpoch === PRODUCER_EPOCH_MAX) return this.allocateProducerId()
    return { producerId, producerEpoch: producerEpoch + 1 }
  }

  /**
   * Keeps a broker free of leaders and new replicas, or no longer. Errors: BROKER_ID_NOT_REGISTERED, QUORUM_WOULD_BE_LOST.
   * @param force drain although partitions lose their quorum when the broker stops.
   */
  async drainBroker(brokerId: number, drained: boolean, validateOnly = false, force = false): Promise<void> {
    await this.#execute({ type: 'drain-broker', brokerId, drained, force }, validateOnly)
  }

  /**
   * Begins to empty a broker for good, or keeps it after all. {@link maybeRemoveBroker} must be called until it is gone.
   *
   * Errors: BROKER_ID_NOT_REGISTERED, QUORUM_WOULD_BE_LOST, INVALID_REPLICATION_FACTOR when its replicas have nowhere to
   * go, INVALID_REQUEST for the only broker.
   */
  async decommissionBroker(brokerId: number, decommissioning: boolean, validateOnly = false): Promise<void> {
    await this.#execute({ type: 'decommission-broker', brokerId, decommissioning }, validateOnly)
  }

  /** Goes on with emptying a broker; removes it once nothing is left on it. Errors: BROKER_ID_NOT_REGISTERED, INVALID_REQUEST. */
  async maybeRemoveBroker(brokerId: number): Promise<{ readonly removed: boolean; readonly remainingCount: number }> {
    const { result } = await this.#execute({ type: 'maybe-remove-broker', brokerId })
    return { removed: result['removed'] === true, remainingCount: Number(result['remainingCount']) }
  }

  /**
   * Begins to move a partition. @param brokerIds where it shall be, the preferred leader first.
   * Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_REPLICA_ASSIGNMENT, REASSIGNMENT_IN_PROGRESS, BROKER_NOT_AVAILABLE.
   */
  async movePartition(
    topic: string,
    partition: number,
    brokerIds: readonly number[],
    validateOnly = false,
  ): Promise<void> {
    await this.#execute({ type: 'move-partition', topic, partition, brokerIds }, validateOnly)
  }

  /** Gives up a move. Errors: UNKNOWN_TOPIC_OR_PARTITION, NO_REASSIGNMENT_IN_PROGRESS. */
  async cancelMove(topic: string, partition: number): Promise<void> {
    await this.#execute({ type: 'cancel-move', topic, partition })
  }

  /** Notes that a partition's group consists of `target`. @returns false when that is not its target any more. */
  async completeReassignment(topicId: string, partition: number, target: readonly Replica[]): Promise<boolean> {
    const { result } = await this.#execute({ type: 'complete-reassignment', topicId, partition, target })
    return result['completed'] === true
  }

  /**
   * Replaces a copy that was lost by one of the next generation, which begins empty. Also for the metadata log itself.
   *
   * @returns the generation that is current; repeating it changes nothing.
   * Errors: UNKNOWN_TOPIC_ID, REPLICA_NOT_AVAILABLE, INVALID_REQUEST; PARTITION_DAMAGED for the only copy.
   */
  async renewReplica(topicId: string, partition: number, lost: Replica): Promise<number> {
    const { result } = await this.#execute({ type: 'renew-replica', topicId, partition, lost })
    return Number(result['generation'])
  }

  /** Resolves when this broker has followed everything that was committed before the call. */
  async catchUp(): Promise<void> {
    await this.#execute({ type: 'barrier' })
  }

  /**
   * Answers a peer's request of kind {@link CONTROLLER_REQUEST}; a broker that does not lead passes it on once.
   *
   * Errors: as the command's; NOT_CONTROLLER when this broker neither leads nor knows who does; INCONSISTENT_CLUSTER_ID.
   */
  async handleControllerRequest(body: Buffer, from: PeerIdentity): Promise<Buffer> {
    if (this.#closed) throw new StratalogError('SHUTTING_DOWN')
    const { clusterId } = this.image
    if (clusterId !== null && from.clusterId !== null && from.clusterId !== clusterId) {
      const text = `broker ${from.brokerId} is of cluster ${from.clusterId}; this is cluster ${clusterId}`
      throw new StratalogError('INCONSISTENT_CLUSTER_ID', text)
    }
    const request = decodeControllerRequest(body)
    if (!this.isLeader && request.mayForward) return this.#sender.forward(request)
    return encodeControllerAnswer(await this.#decisions.submit(request))
  }

  /** Refuses further commands. Those under way are answered with SHUTTING_DOWN; they may take effect yet. */
  close(): void {
    this.#closed = true
    this.#sender.close()
    this.#decisions.close()
  }

  async #execute(command: Command, validateOnly = false): Promise<ControllerAnswer> {
    if (this.#closed) throw new StratalogError('SHUTTING_DOWN')
    const commandId = this.#options.randomBytes(12).toString('hex')
    const timeoutMs = this.#options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS
    return this.#sender.send({ commandId, command, validateOnly, timeoutMs })
  }

  /** The topic of an answer, as it is now; with `validateOnly` as it would be. */
  #topic({ result, topic }: ControllerAnswer, name: string): TopicImage {
    const found = topic ?? this.image.topicsById.get(String(result['topicId'])) ?? findTopic(this.image, name)
    if (found instanceof StratalogError) throw found
    return found
  }

  /** This broker may have to hear of the block first. */
  async #wasGivenOut(producerId: number): Promise<boolean> {
    if (!Number.isSafeInteger(producerId) || producerId < 0) return false
    if (producerId < this.image.nextProducerId) return true
    await this.catchUp()
    return producerId < this.image.nextProducerId
  }
}
