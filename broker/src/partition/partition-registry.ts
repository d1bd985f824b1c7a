/**
 * The partitions of this broker: opened, created, grown and deleted as the metadata says.
 *
 * One bad partition never stops the others: its place holds the error that clients get. Nothing is deleted that the
 * metadata does not say is deleted: folders of unknown topics are left where they are and reported.
 * Owner: the broker; changes come one at a time from the controller.
 */
import { join } from 'node:path'
import { InvariantError, invariant, StratalogError, topicPartitionKey } from '@stratalog/proto'
import { hardStateKey } from '../replication/hard-state-store.ts'
import type { KeyValueStore } from '../storage/key-value-store.ts'
import { type CleanUp, cleanUpTopic, type DeletedTopic, loadDeletedTopics } from './deleted-topics.ts'
import { Partition } from './partition.ts'
import type { PartitionConfig } from './partition-config.ts'
import { publicError } from './partition-errors.ts'
import { claimFolder, isDeletedFolder, namesIn, partitionDirectory } from './partition-folder.ts'
import type { PartitionEnvironment } from './partition-types.ts'
import { runBounded } from './run-bounded.ts'

/** Partitions opened at once: enough to keep a disk busy, few enough for the thread pool. */
const OPENING_COUNT_MAX = 16

const NOT_REMOVED = 'folders of a deleted topic could not be removed yet'

/** Partitions of a topic that this broker is to hold. */
export interface TopicAssignment {
  readonly topic: string
  /** 32 hexadecimal digits. */
  readonly topicId: string
  readonly config: PartitionConfig
  /** All partitions of the topic, whoever holds them. */
  readonly partitionCount: number
  /** Those of this broker. */
  readonly partitions: readonly { readonly partition: number; readonly replicas: readonly number[] }[]
}

/** A partition that is not served here, and why. */
export interface PartitionProblem {
  readonly topic: string
  readonly partition: number
  readonly error: StratalogError
}

/** What a registry is made of. */
export interface PartitionRegistryOptions {
  /** `<data>/topics`. */
  readonly topicsDirectory: string
  readonly store: KeyValueStore
  readonly environment: PartitionEnvironment
}

interface TopicEntry {
  readonly topicId: Buffer
  partitionCount: number
  /** By partition id; absent where another broker holds it. */
  readonly places: Map<number, Partition | StratalogError>
}

/** See the file's header. */
export class PartitionRegistry {
  readonly #options: PartitionRegistryOptions
  readonly #topics = new Map<string, TopicEntry>()
  readonly #listeners = new Set<() => void>()
  #strayFolders: readonly string[] = []

  constructor(options: PartitionRegistryOptions) {
    this.#options = options
  }

  /** Folders below `topics/` that belong to no known topic: left alone. */
  get strayFolders(): readonly string[] {
    return this.#strayFolders
  }

  /**
   * The partition, or why it is not to be had here.
   *
   * @param topicId when given and not empty, the topic must have this id.
   * Errors: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, NOT_LEADER_OR_FOLLOWER, or what keeps it from being open.
   */
  get(topic: string, partition: number, topicId?: Uint8Array): Partition | StratalogError {
    const entry = this.#topics.get(topic)
    if (entry === undefined) {
      const text = `there is no topic ${JSON.stringify(topic.slice(0, 300))}`
      return new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', text, { topic, partition })
    }
    if (topicId !== undefined && topicId.length > 0 && !entry.topicId.equals(topicId)) {
      return new StratalogError('UNKNOWN_TOPIC_ID', `topic ${topic} has another id by now`, { topic, partition })
    }
    return entry.places.get(partition) ?? notHere(entry, topic, partition)
  }

  /** The partitions that are open. */
  *all(): Generator<Partition> {
    for (const entry of this.#topics.values()) {
      for (const place of entry.places.values()) if (place instanceof Partition) yield place
    }
  }

  /** The partitions that should be served here and are not. */
  *problems(): Generator<PartitionProblem> {
    for (const [topic, entry] of this.#topics) {
      for (const [partition, place] of entry.places) {
        if (place instanceof StratalogError) yield { topic, partition, error: place }
        else {
          const state = place.state()
          if (state.kind === 'unavailable') yield { topic, partition, error: state.error }
        }
      }
    }
  }

  /** Calls `listener` when partitions come or go. Returns how to stop it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Finishes interrupted deletions, opens all partitions, and looks for folders that nobody knows. Errors: those of the store. */
  async start(assignments: readonly TopicAssignment[]): Promise<void> {
    const { topicsDirectory, environment, store } = this.#options
    await environment.fileSystem.makeDirectory(topicsDirectory)
    for (const deleted of await loadDeletedTopics(store)) await this.#cleanUp(deleted)
    await this.#removeLeftovers()
    await this.#openAll(assignments)
    const known = new Set(
      assignments.flatMap(({ topic, partitions }) => partitions.map((p) => topicPartitionKey(topic, p.partition))),
    )
    this.#strayFolders = (await namesIn(environment.fileSystem, topicsDirectory)).filter((name) => !known.has(name))
    if (this.#strayFolders.length > 0) {
      const hint = 'Nothing was removed. Move the folders away if they are not needed.'
      environment.logger.warn({ folders: this.#strayFolders, hint }, 'folders of topics that do not exist')
    }
  }

  /** Opens partitions of a new topic, or those added to one; resolves when each is open or has its error. */
  async add(assignment: TopicAssignment): Promise<void> {
    await this.#openAll([assignment])
  }

  /** The topic's configuration changed. */
  updateConfig(topic: string, config: PartitionConfig): void {
    for (const place of this.#topics.get(topic)?.places.values() ?? []) {
      if (place instanceof Partition) place.updateConfig(config)
    }
  }

  /** Closes the partitions of a topic whose deletion is durable and removes their folders; what fails is done at the next start. */
  async remove(deleted: DeletedTopic): Promise<void> {
    const entry = this.#topics.get(deleted.topic)
    invariant(entry?.topicId.toString('hex') === deleted.topicId, () => `topic ${deleted.topic} is not open`)
    this.#topics.delete(deleted.topic)
    this.#notify()
    const reason = new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${deleted.topic} was deleted`, {
      topic: deleted.topic,
    })
    await runBounded(entry.places.values(), OPENING_COUNT_MAX, async (place) => {
      if (place instanceof Partition) await this.#attempt(deleted, NOT_REMOVED, () => place.delete(reason))
    })
    await this.#attempt(deleted, NOT_REMOVED, () => this.#cleanUp(deleted))
  }

  /** Closes all partitions cleanly; one that cannot be closed is logged, and recovers at the next start. */
  async close(): Promise<void> {
    const reason = new StratalogError('SHUTTING_DOWN')
    await runBounded([...this.all()], OPENING_COUNT_MAX, async (partition) => {
      await this.#attempt(partition, 'the partition was not closed cleanly', () => partition.close(reason))
    })
    this.#topics.clear()
    this.#notify()
  }

  async #openAll(assignments: readonly TopicAssignment[]): Promise<void> {
    const due = assignments.flatMap((assignment) => {
      const entry = this.#entryOf(assignment)
      return assignment.partitions
        .filter(({ partition }) => !entry.places.has(partition))
        .map((placed) => ({ assignment, entry, ...placed }))
    })
    await runBounded(due, OPENING_COUNT_MAX, async ({ assignment, entry, partition, replicas }) => {
      entry.places.set(partition, await this.#open(assignment, partition, replicas))
    })
    this.#notify()
  }

  #entryOf({ topic, topicId, partitionCount }: TopicAssignment): TopicEntry {
    const known = this.#topics.get(topic)
    const entry = known ?? { topicId: Buffer.from(topicId, 'hex'), partitionCount, places: new Map() }
    entry.partitionCount = partitionCount
    this.#topics.set(topic, entry)
    return entry
  }

  async #open(
    { topic, topicId, config }: TopicAssignment,
    partition: number,
    replicas: readonly number[],
  ): Promise<Partition | StratalogError> {
    const { environment, topicsDirectory } = this.#options
    const name = { topic, partition }
    try {
      const isNew = environment.hardStates.get(hardStateKey(topicId, partition)) === null
      await claimFolder(environment.fileSystem, topicsDirectory, { topic, topicId, partition }, isNew)
      const directory = partitionDirectory(topicsDirectory, topic, partition)
      return await Partition.open({ topic, topicId, partition, replicas, config, directory }, environment)
    } catch (error) {
      const shown = publicError(error, name)
      environment.logger.error({ ...name, err: error, hint: shown.hint }, 'the partition could not be opened')
      return shown
    }
  }

  async #cleanUp(deleted: DeletedTopic): Promise<void> {
    const { store, topicsDirectory, environment } = this.#options
    const { hardStates, fileSystem } = environment
    const cleanUp: CleanUp = { store, hardStates, fileSystem, topicsDirectory }
    await cleanUpTopic(deleted, cleanUp)
  }

  /** Removes folders whose deletion was begun: only then they bear the suffix, which no folder of a partition can have. */
  async #removeLeftovers(): Promise<void> {
    const { topicsDirectory, environment } = this.#options
    const { fileSystem } = environment
    for (const name of await namesIn(fileSystem, topicsDirectory)) {
      if (!isDeletedFolder(name)) continue
      await this.#attempt({ topic: name }, NOT_REMOVED, () => fileSystem.removeDirectory(join(topicsDirectory, name)))
    }
  }

  /** Runs a step whose failure is made good at the next start. */
  async #attempt(about: { readonly topic: string }, failure: string, step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      if (error instanceof InvariantError) throw error
      this.#options.environment.logger.warn({ topic: about.topic, err: error }, failure)
    }
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }
}

function notHere(entry: TopicEntry, topic: string, partition: number): StratalogError {
  if (Number.isInteger(partition) && partition >= 0 && partition < entry.partitionCount) {
    return new StratalogError('NOT_LEADER_OR_FOLLOWER', undefined, { topic, partition })
  }
  const text = `topic ${topic} has no partition ${partition}; it has ${entry.partitionCount}, numbered from 0`
  return new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', text, { topic, partition })
}
