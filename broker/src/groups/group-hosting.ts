/**
 * Keeps the coordinator in step with the metadata: which copies of the offsets topic are here, what topics there are, and
 * that the offsets topic has its copies.
 *
 * The glue between controller, partitions and coordinator, none of which knows the others. Owner: the broker's core.
 */
import { isStratalogError, StratalogError } from '@stratalog/proto'
import type { ClusterView } from '../cluster/cluster-view.ts'
import type { Controller } from '../controller/controller.ts'
import type { MetadataImage, TopicImage } from '../controller/metadata-image.ts'
import { OFFSETS_TOPIC } from '../controller/offsets-topic.ts'
import { lacksCopies } from '../controller/offsets-topic-decisions.ts'
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts'
import type { Partition } from '../partition/partition.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type { PartitionLogger } from '../partition/partition-types.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { TopicsView } from './topics-view.ts'

/** What hosting is made of. */
export interface GroupHostingOptions {
  readonly brokerId: number
  readonly clock: Clock
  readonly controller: Controller
  readonly cluster: Pick<ClusterView, 'liveness' | 'onChange'>
  readonly registry: PartitionRegistry
  readonly coordinator: GroupCoordinator
  readonly logger: PartitionLogger
}

/** At most so often the controllers are asked for more copies. */
const COPIES_INTERVAL_MS = 5000

/** See the file's header. */
export class GroupHosting {
  readonly #options: GroupHostingOptions
  readonly #view = new TopicsView()
  readonly #stops: ReadonlyArray<() => void>
  #image: MetadataImage | null = null
  /** Set for a while after the controllers were asked for copies; then it is looked again. */
  #cancelNextLook: (() => void) | null = null

  /** Begins; the registry has opened what the image says. */
  constructor(options: GroupHostingOptions) {
    const { controller, registry, cluster } = options
    this.#options = options
    this.#stops = [
      controller.onChange(() => this.#look()),
      registry.onChange(() => this.#look()),
      cluster.onChange(() => this.#raiseCopies()),
    ]
    this.#look()
  }

  close(): void {
    for (const stop of this.#stops) stop()
    this.#cancelNextLook?.()
  }

  #look(): void {
    const { controller, coordinator } = this.#options
    const { image } = controller
    if (image !== this.#image) {
      this.#image = image
      coordinator.topicsChanged(this.#view.of(image))
    }
    const topic = image.topicsByName.get(OFFSETS_TOPIC)
    if (topic !== undefined) this.#host(topic)
    this.#raiseCopies()
  }

  #host({ name, topicId, partitions }: TopicImage): void {
    const { brokerId, registry, coordinator } = this.#options
    const open = new Map<number, Partition>()
    const assigned = new Set<number>()
    for (const { partition, replicas, target } of partitions) {
      const isHere = [...replicas, ...(target ?? [])].some((replica) => replica.brokerId === brokerId)
      if (!isHere) continue
      assigned.add(partition)
      const found = registry.get(name, partition)
      if (!(found instanceof StratalogError)) open.set(partition, found)
    }
    void coordinator.host({ topic: name, topicId, partitionCount: partitions.length, open, assigned })
  }

  /** A topic that was made while few brokers were up gets its copies once there are more. The controllers' leader sees to it. */
  #raiseCopies(): void {
    const { controller, cluster, clock, logger } = this.#options
    if (!controller.isLeader || this.#cancelNextLook !== null) return
    const topic = controller.image.topicsByName.get(OFFSETS_TOPIC)
    if (topic === undefined) return
    const brokers = [...cluster.liveness().values()]
    const eligible = brokers.filter(
      ({ isUp, isDrained, isDecommissioning }) => isUp && !isDrained && !isDecommissioning,
    )
    if (!lacksCopies(topic, eligible.length)) return
    this.#cancelNextLook = clock.schedule(COPIES_INTERVAL_MS, () => {
      this.#cancelNextLook = null
      this.#raiseCopies()
    })
    controller.ensureOffsetsTopic(topic.partitions.length).catch((error: unknown) => {
      if (isStratalogError(error) && error.retriable) return
      logger.warn({ topic: OFFSETS_TOPIC, err: error }, 'more copies could not be asked for')
    })
  }
}
