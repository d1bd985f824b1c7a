/**
 * The groups that this broker coordinates, and those that it could: one coordinator partition for each copy of a partition
 * of the offsets topic that it holds.
 *
 * A group is kept in the partition that its id hashes to, and the leader of that partition is its coordinator.
 * Owner: the broker's core, which says what is hosted, and gives the topics.
 */
import { partitionForKey, StratalogError } from '@stratalog/proto'
import { SerialQueue } from '../log/serial-queue.ts'
import type { Partition } from '../partition/partition.ts'
import type { PartitionLogger } from '../partition/partition-types.ts'
import type { Clock } from '../replication/tick-loop.ts'
import type { KeyValueStore } from '../storage/key-value-store.ts'
import { PartitionCoordinatorLog } from './coordinator-log.ts'
import { CoordinatorPartition } from './coordinator-partition.ts'
import type { GroupConfig, GroupSummary, HeartbeatRequest, HeartbeatResponse } from './group/group-api.ts'
import type { GroupShard } from './group/group-shard.ts'
import { NO_TOPICS, type Topics, topicsDelta } from './group/topics.ts'
import { GroupStore } from './group-store.ts'
import type { Patience, ShardCommand } from './led-shard.ts'

/** What a coordinator is made of. */
export interface GroupCoordinatorOptions {
  readonly store: KeyValueStore
  readonly config: GroupConfig
  /** See CheckpointWriterOptions.bytesMin. */
  readonly checkpointBytesMin: number
  readonly clock: Clock
  readonly logger: PartitionLogger
  /** What is stored cannot be read any more, or an invariant is broken: the broker must stop. */
  readonly onFatal: (error: unknown) => void
}

/** What is to be hosted of the offsets topic. */
export interface Hosting {
  readonly topic: string
  /** 32 hexadecimal digits. */
  readonly topicId: string
  /** Of the topic, whoever holds them. */
  readonly partitionCount: number
  /** The open copies of this broker. */
  readonly open: ReadonlyMap<number, Partition>
  /** Partitions that this broker is to hold, open or not. */
  readonly assigned: ReadonlySet<number>
}

interface Hosted {
  readonly source: Partition
  readonly coordinator: CoordinatorPartition
}

/** Partition that a group is kept in. */
export function partitionOfGroup(groupId: string, partitionCount: number): number {
  return partitionForKey(Buffer.from(groupId), partitionCount)
}

/** See the file's header. */
export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions
  readonly #hosted = new Map<number, Hosted>()
  readonly #changes = new SerialQueue()
  /** Partitions whose rows were looked for and removed, as this broker does not hold them. */
  readonly #cleared = new Set<number>()
  #hosting: Hosting | null = null
  #topics: Topics = NO_TOPICS
  #closed = false

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options
  }

  /** The topics as groups see them. */
  get topics(): Topics {
    return this.#topics
  }

  /** Hosts what is open now, and nothing else; removes what is left of copies that went elsewhere. Resolves when that is done. */
  host(hosting: Hosting): Promise<void> {
    this.#hosting = hosting
    return this.#changes.run(() => this.#converge()).catch(this.#fatal)
  }

  /** The topics of the cluster changed. */
  topicsChanged(topics: Topics): void {
    const delta = topicsDelta(this.#topics, topics)
    this.#topics = topics
    for (const { coordinator } of this.#hosted.values()) coordinator.topicsChanged(delta)
  }

  /** The partition that a group is kept in; null while the topic does not exist. */
  partitionOf(groupId: string): number | null {
    return this.#hosting === null ? null : partitionOfGroup(groupId, this.#hosting.partitionCount)
  }

  /**
   * Runs a command on the groups of the partition that `groupId` is kept in; resolves when it is committed.
   * Errors: as CoordinatorPartition.run.
   */
  run<Response>(groupId: string, command: ShardCommand<Response>): Promise<Response> {
    const coordinator = this.#coordinatorOf(groupId)
    return coordinator instanceof StratalogError ? Promise.reject(coordinator) : coordinator.run(groupId, command)
  }

  /** Handles a heartbeat, which may be parked; see LedShard.heartbeat. Errors: as {@link run}. */
  heartbeat(request: HeartbeatRequest, patience: Patience): Promise<HeartbeatResponse> {
    const coordinator = this.#coordinatorOf(request.groupId)
    return coordinator instanceof StratalogError
      ? Promise.reject(coordinator)
      : coordinator.heartbeat(request, patience)
  }

  /** The broker is about to stop, and must not wait for what is parked: see LedShard.endParking. */
  endParking(): void {
    const error = new StratalogError('SHUTTING_DOWN')
    for (const { coordinator } of this.#hosted.values()) coordinator.endParking(error)
  }

  /** What a look at the groups brings, once it is committed. Errors: as {@link run}. */
  read<Answer>(groupId: string, look: (shard: GroupShard, nowMs: number) => Answer | StratalogError): Promise<Answer> {
    return this.run(groupId, (shard, nowMs) => {
      const response = look(shard, nowMs)
      return response instanceof StratalogError ? response : { records: [], response, wakes: [], events: [] }
    })
  }

  /** The groups that are coordinated here. */
  list(): GroupSummary[] {
    return [...this.#hosted.values()].flatMap(({ coordinator }) => coordinator.list() ?? [])
  }

  /** Partitions whose groups this broker coordinates as soon as it has built them. */
  loadingPartitions(): number[] {
    return [...this.#hosted].filter(([, { coordinator }]) => coordinator.isLoading).map(([partition]) => partition)
  }

  /** What is wrong with what is hosted, each a sentence. */
  problems(): string[] {
    return [...this.#hosted.values()].flatMap(({ coordinator }) => coordinator.problem ?? [])
  }

  /** Coordinates nothing any more; what is under way is answered with SHUTTING_DOWN. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#changes.run(() => this.#closeAll([...this.#hosted.keys()]))
  }

  async #converge(): Promise<void> {
    const hosting = this.#hosting
    if (hosting === null || this.#closed) return
    const { open, assigned, partitionCount, topicId } = hosting
    await this.#closeAll([...this.#hosted].filter(([id, { source }]) => open.get(id) !== source).map(([id]) => id))
    for (const [partition, source] of open) {
      if (!this.#hosted.has(partition)) await this.#open(hosting, partition, source)
    }
    for (let partition = 0; partition < partitionCount; partition++) {
      if (assigned.has(partition)) this.#cleared.delete(partition)
      else if (!this.#cleared.has(partition)) {
        await new GroupStore(this.#options.store, topicId, partition).clear()
        this.#cleared.add(partition)
      }
    }
  }

  async #open({ topic, topicId }: Hosting, partition: number, source: Partition): Promise<void> {
    const { config, checkpointBytesMin, clock, logger, store, onFatal } = this.#options
    const coordinator = await CoordinatorPartition.open({
      topic,
      partition,
      log: new PartitionCoordinatorLog(source),
      store: new GroupStore(store, topicId, partition),
      config,
      checkpointBytesMin,
      clock,
      topics: () => this.#topics,
      onFatal,
      logger,
    })
    this.#hosted.set(partition, { source, coordinator })
  }

  async #closeAll(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) {
      const hosted = this.#hosted.get(partition)
      this.#hosted.delete(partition)
      await hosted?.coordinator.close()
    }
  }

  #coordinatorOf(groupId: string): CoordinatorPartition | StratalogError {
    const partition = this.partitionOf(groupId)
    const hosted = partition === null ? undefined : this.#hosted.get(partition)
    return hosted?.coordinator ?? this.#notHere(partition)
  }

  #notHere(partition: number | null): StratalogError {
    const { topic } = this.#hosting ?? {}
    if (topic === undefined || partition === null) {
      return new StratalogError('NOT_COORDINATOR', 'no group was looked for in this cluster yet: call FindCoordinator')
    }
    return new StratalogError('NOT_COORDINATOR', undefined, { topic, partition })
  }

  readonly #fatal = (error: unknown): void => {
    this.#options.onFatal(error)
  }
}
