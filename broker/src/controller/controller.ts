/**
 * The controller: turns commands into records, makes them durable, replays them, then answers.
 *
 * One command at a time, in the order of arrival, so that each decides on the image its forerunner left.
 * Invariant: `image` never shows what is not durable.
 * The step "make durable" is a write to this broker's store; with several controllers it is a Raft commit of the same
 * records, and nothing else here changes.
 */
import { StratalogError } from '@stratalog/proto'
import type { StoreOperation } from '../storage/key-value-store.ts'
import {
  type AlterTopicConfigCommand,
  type CreateTopicCommand,
  type Decision,
  decideAddPartitions,
  decideAllocateProducerIds,
  decideAlterTopicConfig,
  decideCreateTopic,
  decideDeleteTopic,
  findTopic,
  type Placement,
  PRODUCER_EPOCH_MAX,
} from './commands.ts'
import { type BrokerImage, type MetadataImage, replay, type TopicImage } from './metadata-image.ts'
import type { MetadataRecord } from './metadata-records.ts'
import type { MetadataStore } from './metadata-store.ts'

/** A change that has become durable. */
export interface MetadataChange {
  readonly before: MetadataImage
  readonly after: MetadataImage
  readonly records: readonly MetadataRecord[]
}

/** What a controller is made of. */
export interface ControllerOptions {
  readonly store: MetadataStore
  /** Fills a buffer with chance, for topic ids. */
  readonly randomBytes: (count: number) => Buffer
  /** What this broker must store in the same batch as the records, such as which folders are to be removed. */
  readonly beside?: (records: readonly MetadataRecord[], before: MetadataImage) => readonly StoreOperation[]
  /** Carries a change out on this broker. The command is answered once it is done. Must not reject. */
  readonly carryOut?: (change: MetadataChange) => Promise<void>
  /** Commands waiting, at most; the next one is OVERLOADED. Default 1,000. */
  readonly pendingCountMax?: number
}

/** Hands out what an idempotent producer needs. */
export interface ProducerIdentity {
  readonly producerId: number
  readonly producerEpoch: number
}

/** See the file's header. */
export class Controller {
  readonly #options: ControllerOptions
  readonly #listeners = new Set<(change: MetadataChange) => void>()
  #image: MetadataImage
  #tail: Promise<unknown> = Promise.resolve()
  #pendingCount = 0
  #closed = false
  /** Next id of the block that was reserved last; the block ends at `#producerIdEnd`. */
  #producerId: number
  #producerIdEnd: number
  /** The reservation of the next block, shared by all who wait for one. */
  #allocation: Promise<unknown> | null = null

  private constructor(options: ControllerOptions, image: MetadataImage) {
    this.#options = options
    this.#image = image
    // What was left of the block before the restart may have been handed out: it is skipped.
    this.#producerId = image.nextProducerId
    this.#producerIdEnd = image.nextProducerId
  }

  /** Loads the image. Errors: those of the store. */
  static async open(options: ControllerOptions): Promise<Controller> {
    return new Controller(options, await options.store.load())
  }

  /** The cluster as of now. */
  get image(): MetadataImage {
    return this.#image
  }

  /** Calls `listener` after each change, before its command is answered. Returns how to stop it. */
  onChange(listener: (change: MetadataChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Notes where a broker is reached; nothing is written when that is known already. */
  async registerBroker(broker: BrokerImage): Promise<void> {
    await this.#run(() => {
      const known = this.#image.brokers.get(broker.brokerId)
      const same =
        known !== undefined && known.host === broker.host && known.port === broker.port && known.rack === broker.rack
      return same ? [] : [{ type: 'broker-registered', ...broker }]
    })
  }

  /**
   * Creates a topic; its partitions are open on this broker when it resolves.
   *
   * Errors: INVALID_TOPIC, TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_CONFIG, STORAGE_ERROR.
   * @param validateOnly check and answer as if it had been done.
   */
  async createTopic(command: CreateTopicCommand, validateOnly = false): Promise<TopicImage> {
    const topicId = this.#options.randomBytes(16).toString('hex')
    const after = await this.#run(() => decideCreateTopic(this.#image, command, topicId, this.#place()), validateOnly)
    return after.topicsById.get(topicId)!
  }

  /** Deletes a topic and answers with what it was. Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC, STORAGE_ERROR. */
  async deleteTopic(name: string): Promise<TopicImage> {
    let deleted: TopicImage | undefined
    await this.#run(() => {
      deleted = this.#image.topicsByName.get(name)
      return decideDeleteTopic(this.#image, name)
    })
    return deleted!
  }

  /** Changes a topic's configuration. Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_CONFIG, INVALID_REQUEST, STORAGE_ERROR. */
  async alterTopicConfig(command: AlterTopicConfigCommand, validateOnly = false): Promise<TopicImage> {
    const after = await this.#run(() => decideAlterTopicConfig(this.#image, command), validateOnly)
    return existing(after, command.name)
  }

  /** Adds partitions. @param partitionCount the new total. Errors: UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, INVALID_TOPIC, STORAGE_ERROR. */
  async addPartitions(name: string, partitionCount: number, validateOnly = false): Promise<TopicImage> {
    const decide = () => decideAddPartitions(this.#image, name, partitionCount, this.#place())
    return existing(await this.#run(decide, validateOnly), name)
  }

  /** A producer id that nobody has had, at epoch 0. Errors: STORAGE_ERROR, OVERLOADED. */
  async allocateProducerId(): Promise<ProducerIdentity> {
    while (this.#producerId >= this.#producerIdEnd) {
      this.#allocation ??= this.#run(() => decideAllocateProducerIds(this.#image)).finally(() => {
        this.#allocation = null
      })
      await this.#allocation
    }
    return { producerId: this.#producerId++, producerEpoch: 0 }
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
    if (!Number.isSafeInteger(producerId) || producerId < 0 || producerId >= this.#image.nextProducerId) {
      throw new StratalogError('UNKNOWN_PRODUCER_ID', `producer id ${producerId} was never given out`)
    }
    if (producerEpoch === PRODUCER_EPOCH_MAX) return this.allocateProducerId()
    return { producerId, producerEpoch: producerEpoch + 1 }
  }

  /** Refuses further commands and waits for those under way. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#tail
  }

  /** Queues a command; resolves with the image after it (or, with `validateOnly`, the image that it would have made). */
  async #run(decide: () => Decision, validateOnly = false): Promise<MetadataImage> {
    if (this.#closed) throw new StratalogError('SHUTTING_DOWN')
    const limit = this.#options.pendingCountMax ?? 1000
    if (this.#pendingCount >= limit) {
      throw new StratalogError('OVERLOADED', `${limit} changes of metadata are waiting already`)
    }
    this.#pendingCount++
    const result = this.#tail.then(() => this.#execute(decide, validateOnly))
    this.#tail = result.catch(() => undefined)
    try {
      return await result
    } finally {
      this.#pendingCount--
    }
  }

  async #execute(decide: () => Decision, validateOnly: boolean): Promise<MetadataImage> {
    const decision = decide()
    if (decision instanceof StratalogError) throw decision
    const before = this.#image
    if (decision.length === 0) return before
    const after = replay(before, decision)
    if (validateOnly) return after
    await this.#options.store.apply(decision, after, this.#options.beside?.(decision, before))
    this.#image = after
    this.#takeProducerIds(before, after)
    const change: MetadataChange = { before, after, records: decision }
    await this.#options.carryOut?.(change)
    for (const listener of this.#listeners) listener(change)
    return after
  }

  #takeProducerIds(before: MetadataImage, after: MetadataImage): void {
    if (after.nextProducerId === before.nextProducerId) return
    this.#producerId = before.nextProducerId
    this.#producerIdEnd = after.nextProducerId
  }

  /** Spreads preferred leaders round robin over the brokers, each replica of a partition on another one. */
  #place(): Placement {
    const brokerIds = [...this.#image.brokers.keys()].sort((a, b) => a - b)
    return (partition, replicationFactor) =>
      Array.from({ length: replicationFactor }, (_, i) => brokerIds[(partition + i) % brokerIds.length]!)
  }
}

function existing(image: MetadataImage, name: string): TopicImage {
  const topic = findTopic(image, name)
  if (topic instanceof StratalogError) throw topic
  return topic
}
