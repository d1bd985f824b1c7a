/**
 * The clients of a simulated cluster: producers that write to every partition, and for each partition a consumer.
 *
 * What they do and see goes into the history; the observer checks it against the disks as it happens.
 */
import type { Random } from 'raft-ts/testing'
import { ClientLink, connect } from './client-link.ts'
import type { ClientEvent, ClientHistory } from './history.ts'
import type { Observer } from './observer.ts'
import type { SimCluster } from './sim-cluster.ts'
import { SimConsumer } from './sim-consumer.ts'
import { ProducerLane } from './sim-producer.ts'
import type { World } from './world.ts'

/** A partition as clients know it. */
export interface ClientPartition {
  readonly topic: string
  readonly topicId: Buffer
  readonly partition: number
  /** Over all topics; names it in the history. */
  readonly number: number
  /** Whether it is part of the history: topics that are to be deleted are not. */
  readonly recorded: boolean
}

const CLIENT_DELAY_MAX_MS = 4

/** See the file's header. */
export class Clients {
  readonly world: World
  readonly observer: Observer
  readonly link: ClientLink
  readonly consumers: SimConsumer[] = []
  /** By producer. */
  readonly lanes: ProducerLane[][] = []
  readonly #cluster: SimCluster
  readonly #random: Random
  readonly #history: ClientHistory | null
  readonly #errors = new Map<string, number>()
  readonly #partitions: ClientPartition[] = []
  /** Producers whose ids are known. */
  readonly #producerIds: number[] = []
  #producing = false
  acknowledgedCount = 0
  readCount = 0

  constructor(cluster: SimCluster, observer: Observer, history: ClientHistory | null) {
    this.world = cluster.world
    this.observer = observer
    this.#cluster = cluster
    this.#history = history
    this.#random = this.world.random(111)
    this.link = new ClientLink(cluster, this.world.random(112), CLIENT_DELAY_MAX_MS)
  }

  /** How often each error was met. */
  get errors(): ReadonlyMap<string, number> {
    return this.#errors
  }

  /** Batches that are not acknowledged. */
  get pendingCount(): number {
    return this.lanes.flat().reduce((sum, lane) => sum + lane.pendingCount, 0)
  }

  /** The partitions that are part of the history. */
  get partitions(): readonly ClientPartition[] {
    return this.#partitions
  }

  /** Begins to write and read. */
  start(): void {
    this.#producing = true
    for (let i = 0; i < this.#cluster.options.producerCount; i++) this.#startProducer()
  }

  /** Writes nothing more; what is under way goes on, and reads do. */
  stopProducing(): void {
    this.#producing = false
  }

  /** A topic is there to be used. */
  addTopic(topic: string, topicId: Buffer, partitionCount: number, recorded: boolean): void {
    for (let partition = 0; partition < partitionCount; partition++) {
      const number = this.#partitions.length
      const added: ClientPartition = { topic, topicId, partition, number, recorded }
      this.#partitions.push(added)
      this.consumers.push(new SimConsumer(this, added, number))
      for (const [index, producerId] of this.#producerIds.entries()) {
        this.lanes[index]!.push(new ProducerLane(this, added, producerId))
      }
    }
  }

  /** One batch to each partition, to see that it is taken. */
  probe(): void {
    for (const lane of this.lanes[0] ?? []) lane.produce(1, this.#cluster.options.valueBytesMax)
  }

  tell(partition: ClientPartition, event: ClientEvent): void {
    if (partition.recorded) this.#history?.(event)
  }

  count(error: string): void {
    this.#errors.set(error, (this.#errors.get(error) ?? 0) + 1)
  }

  /** Whether the topic has been deleted. */
  isGone({ topicId }: ClientPartition): boolean {
    return this.#cluster.deletedTopicIds.has(topicId.toString('hex'))
  }

  anyBroker(): number {
    return this.#random.between(1, this.#cluster.options.brokerCount)
  }

  /** Who leads, as some broker has it. */
  leaderOf({ topicId, partition }: ClientPartition): number | null {
    const broker = this.#cluster.brokers.get(this.anyBroker())!
    return broker.core?.status.leaderOf(topicId.toString('hex'), partition).leaderId ?? null
  }

  backoffMs(): number {
    return this.#random.between(20, 300)
  }

  readPauseMs(): number {
    return this.#random.between(1, 2 * this.#cluster.options.readEveryMs)
  }

  #startProducer(): void {
    this.link.call<number>({
      brokerId: this.anyBroker(),
      connection: connect(),
      timeoutMs: 5000,
      ask: (core, respond) => {
        core.controller.allocateProducerId().then(
          ({ producerId }) => respond(producerId),
          () => respond(-1),
        )
      },
      answered: (producerId) => {
        if (producerId === null || producerId < 0) this.world.after(200, () => this.#startProducer())
        else this.#run(producerId)
      },
    })
  }

  #run(producerId: number): void {
    this.#producerIds.push(producerId)
    const lanes = this.#partitions.map((partition) => new ProducerLane(this, partition, producerId))
    this.lanes.push(lanes)
    const { produceEveryMs, recordsMax, valueBytesMax } = this.#cluster.options
    const next = (): void => {
      this.world.after(this.#random.between(1, 2 * produceEveryMs), () => {
        if (!this.#producing) return
        const lane = lanes[this.#random.below(lanes.length)]
        lane?.produce(this.#random.between(1, recordsMax), this.#random.between(24, valueBytesMax))
        next()
      })
    }
    next()
  }
}
