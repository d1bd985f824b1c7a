/**
 * The partitions of this broker: opened, created, grown and deleted as the metadata says.
 *
 * One bad partition never stops the others: its place holds the error that clients get. Nothing is deleted that the
 * metadata does not say is deleted: folders of unknown topics are left where they are and reported.
 * Owner: the broker's core.
 */
import { join } from 'node:path'
import { InvariantError, invariant, isStratalogError, StratalogError, topicPartitionKey } from '@stratalog/proto'
import { SerialQueue } from '../log/serial-queue.ts'
import { groupKey } from '../replication/group-state-store.ts'
import type { Replica } from '../replication/raft-ids.ts'
import type { KeyValueStore } from '../storage/key-value-store.ts'
import type { CommittedMarks } from './committed-marks.ts'
import { cleanUpReplica, cleanUpTopic, type DeletedTopic, loadDeletedTopics } from './deleted-topics.ts'
import type { FailedCopy } from './open-copy.ts'
import { Partition } from './partition.ts'
import type { PartitionConfig } from './partition-config.ts'
import { folderOfCopy } from './partition-copy.ts'
import { openingError } from './partition-errors.ts'
import { isDeletedFolder, namesIn, partitionDirectory } from './partition-folder.ts'
import type { PartitionEnvironment } from './partition-types.ts'
import { RepairSchedule } from './repair-schedule.ts'
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
  /** Those of this broker: of others nothing is opened. */
  readonly partitions: readonly PartitionAssignment[]
}

/** Who holds a partition. */
export interface PartitionAssignment {
  readonly partition: number
  /** The preferred leader first. */
  readonly replicas: readonly Replica[]
  /** Who is to hold it, while it is being moved or rebuilt. */
  readonly target: readonly Replica[] | null
  /** Whether the replicas are those that it was created with: the voters of a group that has never run. */
  readonly founding: boolean
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
  /** Where the committed offsets of all copies are written down. Default: nowhere. */
  readonly committedMarks?: CommittedMarks
}

interface TopicEntry {
  /** As it was given last. */
  assignment: TopicAssignment
  readonly topicId: Buffer
  partitionCount: number
  /** By partition id; absent where another broker holds it. */
  readonly places: Map<number, Partition | Closed>
  /** Of the copies that are open here, or could not be opened. */
  readonly generations: Map<number, number>
  /** Of the copies that have failed since they were opened and are not open again. */
  readonly failed: Map<number, FailedCopy>
}

/** A copy that is not open. */
interface Closed {
  /** Why, for operators. */
  readonly error: StratalogError
  /** What clients are told: where others hold the partition too, to look for its leader. */
  readonly shown: StratalogError
  /** Whether the disk kept it from being opened: another time it may not. */
  readonly mayPass: boolean
}

/** See the file's header. */
export class PartitionRegistry {
  readonly #options: PartitionRegistryOptions
  readonly #topics = new Map<string, TopicEntry>()
  readonly #listeners = new Set<() => void>()
  /** Comings and goings, one at a time: a partition must not be opened twice. */
  readonly #changes = new SerialQueue()
  readonly #repairs: RepairSchedule
  #strayFolders: readonly string[] = []

  constructor(options: PartitionRegistryOptions) {
    this.#options = options
    this.#repairs = new RepairSchedule(options.environment.random)
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
    const place = entry.places.get(partition) ?? notHere(entry, topic, partition)
    return place instanceof Partition || place instanceof StratalogError ? place : place.shown
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
        const error = place instanceof Partition ? place.problem() : place.error
        if (error !== null) yield { topic, partition, error }
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
    for (const deleted of await loadDeletedTopics(store)) await cleanUpTopic(deleted, this.#cleanUp)
    await this.#removeLeftovers()
    await this.#removeUnassigned(assignments)
    await this.#openAll(assignments)
    const known = new Set(
      assignments.flatMap(({ topic, partitions }) => partitions.map((p) => topicPartitionKey(topic, p.partition))),
    )
    this.#strayFolders = (await namesIn(environment.fileSystem, topicsDirectory)).filter(
      (name) => !known.has(folderOfCopy(name)),
    )
    if (this.#strayFolders.length > 0) {
      const hint = 'Nothing was removed. Move the folders away if they are not needed.'
      environment.logger.warn({ folders: this.#strayFolders, hint }, 'folders of topics that do not exist')
    }
  }

  /** The topic's configuration changed. */
  updateConfig(topic: string, config: PartitionConfig): void {
    for (const place of this.#topics.get(topic)?.places.values() ?? []) {
      if (place instanceof Partition) place.updateConfig(config)
    }
  }

  /** Closes the partitions of a topic whose deletion is durable and removes their folders; what fails is done at the next start. */
  remove(deleted: DeletedTopic): Promise<void> {
    return this.#changes.run(() => this.#remove(deleted))
  }

  async #remove(deleted: DeletedTopic): Promise<void> {
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
    for (const partition of entry.places.keys()) this.#options.committedMarks?.removed(deleted.topic, partition)
    await this.#attempt(deleted, NOT_REMOVED, () => cleanUpTopic(deleted, this.#cleanUp))
  }

  /**
   * Brings the copies of a topic to what is assigned: removes those that are not this broker's any more, begins anew those
   * whose generation went up, opens those that are missing.
   */
  converge(assignment: TopicAssignment): Promise<void> {
    return this.#changes.run(() => this.#converge(assignment))
  }

  async #converge(assignment: TopicAssignment): Promise<void> {
    const { brokerId } = this.#options.environment
    const { places, generations } = this.#entryOf(assignment)
    const wanted = new Map(
      assignment.partitions.flatMap(({ partition, replicas, target }) => {
        const own = copyOf(brokerId, replicas, target)
        return own === null ? [] : [[partition, own.generation] as const]
      }),
    )
    for (const partition of [...places.keys()]) {
      const generation = wanted.get(partition)
      if (generation === undefined) await this.#removeReplica(assignment.topicId, partition)
      else if (generation !== generations.get(partition)) await this.#renewReplica(assignment, partition)
    }
    await this.#openAll([assignment])
  }

  /** This broker holds the partition no longer: closes it and removes what it has; what fails is done at the next start. */
  async #removeReplica(topicId: string, partition: number): Promise<void> {
    const found = this.#find(topicId)
    const place = found?.entry.places.get(partition)
    if (found === undefined || place === undefined) return
    const { topic, entry } = found
    entry.places.delete(partition)
    entry.failed.delete(partition)
    this.#repairs.forget(groupKey(topicId, partition))
    this.#notify()
    const reason = new StratalogError('NOT_LEADER_OR_FOLLOWER', undefined, { topic, partition })
    const name = { topic, topicId, partition }
    if (place instanceof Partition) await this.#attempt(name, NOT_REMOVED, () => place.delete(reason))
    this.#options.committedMarks?.removed(topic, partition)
    await this.#attempt(name, NOT_REMOVED, () => cleanUpReplica(name, this.#cleanUp))
  }

  /** The copy of this broker was given up: closes it, and opens the next generation as the assignment has it. */
  async #renewReplica(assignment: TopicAssignment, partition: number): Promise<void> {
    const { topic } = assignment
    const entry = this.#entryOf(assignment)
    const place = entry.places.get(partition)
    const text = 'this copy is being rebuilt'
    const reason = new StratalogError('NOT_LEADER_OR_FOLLOWER', text, { topic, partition })
    entry.places.set(partition, { error: reason, shown: reason, mayPass: false })
    entry.failed.delete(partition)
    this.#notify()
    if (place instanceof Partition) {
      await this.#attempt({ topic }, 'a copy that was given up was not closed cleanly', () => place.close(reason))
    }
    this.#options.committedMarks?.removed(topic, partition)
    entry.places.delete(partition)
    await this.#openAll([assignment])
  }

  /** Closes all partitions cleanly; one that cannot be closed is logged, and recovers at the next start. */
  close(): Promise<void> {
    return this.#changes.run(() => this.#close())
  }

  async #close(): Promise<void> {
    const reason = new StratalogError('SHUTTING_DOWN')
    await runBounded([...this.all()], OPENING_COUNT_MAX, async (partition) => {
      await this.#attempt(partition, 'the partition was not closed cleanly', () => partition.close(reason))
      this.#options.committedMarks?.closed(partition)
    })
    this.#topics.clear()
    this.#notify()
  }

  /**
   * Opens copies anew that a full disk, or an error of the disk, kept from being opened, or that have failed since: the latter
   * without what was not flushed. Resolves when each whose turn it is was tried; to be called every few seconds.
   */
  repair(): Promise<void> {
    return this.#changes.run(() => this.#repair())
  }

  async #repair(): Promise<void> {
    const nowMs = this.#options.environment.ticks.clock.nowMs()
    const assignments = new Set<TopicAssignment>()
    for (const entry of this.#topics.values()) {
      for (const [partition, place] of [...entry.places]) {
        if (!this.#isToBeTried(entry, partition, place, nowMs)) continue
        if (place instanceof Partition) await this.#closeFailed(entry, place)
        entry.places.delete(partition)
        assignments.add(entry.assignment)
      }
    }
    if (assignments.size > 0) await this.#openAll([...assignments])
  }

  #isToBeTried(entry: TopicEntry, partition: number, place: Partition | Closed, nowMs: number): boolean {
    if (place instanceof Partition) {
      if (place.failedCopy() === null) return false
    } else if (place.error.code === 'DISK_FULL') return true
    else if (!place.mayPass) return false
    return this.#repairs.isDue(groupKey(entry.assignment.topicId, partition), nowMs)
  }

  async #closeFailed(entry: TopicEntry, place: Partition): Promise<void> {
    const failed = place.failedCopy()
    invariant(failed !== null, 'a copy that has not failed stays open')
    const error = place.problem() ?? new StratalogError('STORAGE_ERROR')
    const { topic, partition } = place
    entry.failed.set(partition, failed)
    entry.places.set(partition, { error, shown: error, mayPass: true })
    this.#notify()
    await this.#attempt({ topic }, 'a copy that has failed was not closed cleanly', () => place.close(error))
    this.#options.committedMarks?.closed(place)
  }

  async #openAll(assignments: readonly TopicAssignment[]): Promise<void> {
    const due = assignments.flatMap((assignment) => {
      const entry = this.#entryOf(assignment)
      return assignment.partitions
        .filter(({ partition }) => !entry.places.has(partition))
        .map((placed) => ({ assignment, entry, ...placed }))
    })
    await runBounded(due, OPENING_COUNT_MAX, async ({ assignment, entry, partition, ...placed }) => {
      const own = copyOf(this.#options.environment.brokerId, placed.replicas, placed.target)
      if (own === null) return
      entry.generations.set(partition, own.generation)
      const failed = entry.failed.get(partition) ?? null
      const place = await this.#open(assignment, { partition, ...placed }, own, failed)
      entry.places.set(partition, place)
      if (!(place instanceof Partition)) return
      entry.failed.delete(partition)
      this.#options.committedMarks?.opened(place)
    })
    this.#notify()
  }

  #entryOf(assignment: TopicAssignment): TopicEntry {
    const { topic, topicId, partitionCount } = assignment
    const known = this.#topics.get(topic)
    const entry = known ?? {
      assignment,
      topicId: Buffer.from(topicId, 'hex'),
      partitionCount,
      places: new Map(),
      generations: new Map(),
      failed: new Map(),
    }
    entry.assignment = assignment
    entry.partitionCount = partitionCount
    this.#topics.set(topic, entry)
    return entry
  }

  async #open(
    { topic, topicId, config }: TopicAssignment,
    { partition, replicas, target, founding }: PartitionAssignment,
    { generation }: Replica,
    failed: FailedCopy | null,
  ): Promise<Partition | Closed> {
    const { environment, topicsDirectory } = this.#options
    const name = { topic, partition }
    const initialVoters = founding ? replicas : null
    const directory = partitionDirectory(topicsDirectory, topic, partition)
    try {
      const spec = { ...name, topicId, generation, initialVoters, config, directory }
      const opened = await Partition.open(spec, environment, failed?.generation === generation ? failed : null)
      if (failed !== null) environment.logger.info(name, 'a copy that has failed is open again')
      return opened
    } catch (error) {
      const closed = openingError(error, name)
      const mayPass = closed.code === 'STORAGE_ERROR' && !isStratalogError(error)
      environment.logger.error({ ...name, err: error, hint: closed.hint }, 'the partition could not be opened')
      if (replicas.length === 1 && target === null) return { error: closed, shown: closed, mayPass }
      return {
        error: closed,
        shown: new StratalogError('NOT_LEADER_OR_FOLLOWER', undefined, { ...name, cause: closed }),
        mayPass,
      }
    }
  }

  get #cleanUp() {
    const { store, topicsDirectory, environment } = this.#options
    const { groupStates, fileSystem } = environment
    return { store, groupStates, fileSystem, topicsDirectory }
  }

  #find(topicId: string): { readonly topic: string; readonly entry: TopicEntry } | undefined {
    for (const [topic, entry] of this.#topics) if (entry.topicId.toString('hex') === topicId) return { topic, entry }
    return undefined
  }

  /** Finishes removals of copies that were interrupted: those of known topics that have run here and are assigned no more. */
  async #removeUnassigned(assignments: readonly TopicAssignment[]): Promise<void> {
    const { brokerId, groupStates } = this.#options.environment
    const stored = new Set(groupStates.keys())
    for (const { topic, topicId, partitionCount, partitions } of assignments) {
      const held = new Set(
        partitions.flatMap(({ partition, replicas, target }) =>
          copyOf(brokerId, replicas, target) ? [partition] : [],
        ),
      )
      for (let partition = 0; partition < partitionCount; partition++) {
        if (held.has(partition) || !stored.has(groupKey(topicId, partition))) continue
        const name = { topic, topicId, partition }
        await this.#attempt(name, NOT_REMOVED, () => cleanUpReplica(name, this.#cleanUp))
      }
    }
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

/** This broker's copy: the newest that it is or is to be. */
function copyOf(brokerId: number, replicas: readonly Replica[], target: readonly Replica[] | null): Replica | null {
  const own = [...replicas, ...(target ?? [])].filter((replica) => replica.brokerId === brokerId)
  return own.sort((a, b) => b.generation - a.generation)[0] ?? null
}

function notHere(entry: TopicEntry, topic: string, partition: number): StratalogError {
  if (Number.isInteger(partition) && partition >= 0 && partition < entry.partitionCount) {
    return new StratalogError('NOT_LEADER_OR_FOLLOWER', undefined, { topic, partition })
  }
  const text = `topic ${topic} has no partition ${partition}; it has ${entry.partitionCount}, numbered from 0`
  return new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', text, { topic, partition })
}
