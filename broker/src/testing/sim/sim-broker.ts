/**
 * One simulated host: a disk and a clock that last, and a process that comes and goes.
 *
 * The process runs the real broker without its sockets and its server; everything that it touches is the simulation's.
 */
import { join } from 'node:path'
import type { BrokerCore } from '../../broker-core.ts'
import { METADATA_TOPIC } from '../../controller/metadata-topic.ts'
import type { Partition } from '../../partition/partition.ts'
import type { GroupStateRow } from '../../replication/group-state-store.ts'
import type { Observer } from './observer.ts'
import { groupOf } from './observer.ts'
import { openCore } from './open-core.ts'
import { HostClock } from './sim-clock.ts'
import type { SimCluster } from './sim-cluster.ts'
import { SimDisk } from './sim-disk.ts'
import { METADATA_DIRECTORY, TOPICS_DIRECTORY } from './sim-folders.ts'
import { SimProcess } from './sim-process.ts'
import { InvariantViolation } from './violation.ts'
import { isBroken } from './world.ts'

export type { BrokerCore } from '../../broker-core.ts'

/** A process that ended of itself is started again after this time, ms. */
const RESTART_MS = 1000

/** See the file's header. */
export class SimBroker {
  readonly id: number
  readonly cluster: SimCluster
  readonly disk: SimDisk
  readonly clock: HostClock
  readonly observer: Observer
  /** Null while it is down. */
  process: SimProcess | null = null
  /** Null while it is down, or starting. */
  core: BrokerCore | null = null
  /** The core from the beginning of its start on. */
  #beginning: BrokerCore | null = null
  /** Without power: nobody is told that the process is gone. */
  isDark = false
  /** Processes so far. */
  startCount = 0
  /** Whether it has registered since the last start. */
  isRegistered = false
  /** Groups whose copy here was damaged on purpose, and the folder's content that was. */
  readonly #damaged = new Set<string>()
  /** Folders of the copies, by group. */
  readonly #directories = new Map<string, string>()
  readonly #generations = new Map<string, number>()
  /** Latest generation of each group whose copy was damaged on purpose. */
  readonly #damagedGenerations = new Map<string, number>()
  #stopping = false

  constructor(cluster: SimCluster, observer: Observer, id: number) {
    const { world, options } = cluster
    this.id = id
    this.cluster = cluster
    this.observer = observer
    this.disk = new SimDisk(world, world.random(1000 + id), options.disk)
    this.clock = new HostClock(world)
    observer.add(this)
  }

  /** Starts a process, unless one runs. */
  start(): void {
    if (this.process !== null) return
    const { world } = this.cluster
    const process = new SimProcess(world, this.id, (error) => this.#ended(process, error))
    this.process = process
    this.startCount++
    this.isDark = false
    this.isRegistered = false
    this.#stopping = false
    this.disk.serve(process)
    world.note(this.id, () => 'starts')
    process.enter(() => {
      openCore(this, process, (core) => {
        this.#beginning = core
      }).then(
        (core) => {
          this.core = core
          this.isRegistered = true
          world.note(this.id, () => 'has started')
        },
        (error: unknown) => {
          if (isBroken(error) || error instanceof InvariantViolation) throw error
          this.#ended(process, error as Error)
        },
      )
    })
  }

  /** What the broker logs is part of the trace. */
  log(level: string, fields: object, message: string): void {
    this.cluster.world.note(this.id, () => `${level}: ${message} ${describeFields(fields)}`)
  }

  /** The process is gone at once; the host goes on. */
  kill(): void {
    if (this.process === null) return
    this.cluster.world.note(this.id, () => 'is killed')
    this.#die()
    this.disk.keepAll()
  }

  /** The host is without power. */
  losePower(): void {
    if (this.process === null) return
    this.cluster.world.note(this.id, () => 'loses power')
    this.isDark = true
    this.#die()
    this.disk.losePower()
  }

  /** Stops in an orderly way; the process ends when it is done. */
  stop(): void {
    const { process, core } = this
    if (process === null || core === null || this.#stopping) {
      this.kill()
      return
    }
    this.#stopping = true
    this.cluster.world.note(this.id, () => 'stops')
    process.enter(() => {
      core.close().then(
        () => this.#ended(process, null),
        (error: unknown) => this.#ended(process, error as Error),
      )
    })
  }

  /** Nothing is wrong with the host any more. */
  heal(): void {
    this.disk.heal()
    this.clock.run(1)
    this.process?.resume()
  }

  /** The copies that are open, that of the metadata among them. */
  partitions(): Iterable<Partition> {
    return this.#beginning?.partitions() ?? []
  }

  /** The metadata that it shows; null while it is down, or has none. */
  image(): BrokerCore['image'] | null {
    return this.#beginning?.image ?? null
  }

  /** Whether it serves any partition. */
  leadsAnything(): boolean {
    return [...this.partitions()].some((partition) => partition.state().kind === 'serving')
  }

  /** Folder of the copy of a group; null when there is none. */
  directoryOf(group: string): string | null {
    return this.#directories.get(group) ?? null
  }

  /** Folders of the copies by group. */
  directories(): ReadonlyMap<string, string> {
    return this.#directories
  }

  /** A copy was opened. One of a later generation than the last holds nothing of what was there. */
  opened(partition: Partition): void {
    const group = groupOf(partition)
    const { generation } = partition.describe()
    const parent = partition.topic === METADATA_TOPIC ? METADATA_DIRECTORY : TOPICS_DIRECTORY
    this.#directories.set(group, join(parent, `${partition.topic}-${partition.partition}`))
    if (generation > (this.#generations.get(group) ?? -1)) this.#damaged.delete(group)
    this.#generations.set(group, generation)
  }

  /** Bytes of the copy were destroyed on purpose, and it has not been given up since. */
  isDamaged(group: string): boolean {
    return this.#damaged.has(group)
  }

  /** Groups whose copy here was damaged on purpose and has not been given up since. */
  get damagedGroups(): ReadonlySet<string> {
    return this.#damaged
  }

  /** Bytes of the copy are about to be destroyed. */
  damage(group: string): void {
    this.#damaged.add(group)
    this.#damagedGenerations.set(group, this.#generations.get(group) ?? 0)
  }

  damageAll(): void {
    for (const group of this.#directories.keys()) this.damage(group)
  }

  /** Bytes of that copy were destroyed on purpose, whether or not another has taken its place since. */
  wasDamaged(group: string, generation: number): boolean {
    return generation <= (this.#damagedGenerations.get(group) ?? -1)
  }

  /** Whether it runs, is known to the others, and holds nothing that was damaged. */
  isWhole(): boolean {
    return this.core !== null && this.isRegistered && this.#damaged.size === 0
  }

  /** Where the copy's log begins: before it there is nothing to be found on disk. */
  startsAt(group: string): number {
    for (const partition of this.partitions()) {
      if (groupOf(partition) === group) return partition.bounds().logStartOffset
    }
    return 0
  }

  /** Term and vote as a power loss now would leave them; null when there are none. */
  durableVote(group: string): { readonly term: number; readonly vote: number | null } | null {
    const row = this.disk.store.durableValue(group)
    return row === null ? null : (JSON.parse(row.toString()) as GroupStateRow).hardState
  }

  /** Up to where the disk knows the copy's log to be flushed, whatever happens to its power. */
  durableFlushedEnd(group: string): number {
    const row = this.disk.store.durableValue(group)
    return row === null ? 0 : (JSON.parse(row.toString()) as GroupStateRow).flushedEnd
  }

  /** The process ended of itself: a failed start, a failed disk, or an orderly end. */
  #ended(process: SimProcess, error: Error | null): void {
    if (this.process !== process) return
    const { world } = this.cluster
    world.note(this.id, () => (error === null ? 'has stopped' : `ends: ${error.message}`))
    this.#die()
    this.disk.keepAll()
    world.after(RESTART_MS, () => this.start())
  }

  #die(): void {
    this.process?.die()
    this.process = null
    this.core = null
    this.#beginning = null
    this.observer.died(this)
  }
}

function describeFields(fields: object): string {
  return JSON.stringify(fields, (key, value: unknown) => {
    if (key === 'hint' || key === 'topicId') return undefined
    return value instanceof Error ? value.message : value
  })
}
