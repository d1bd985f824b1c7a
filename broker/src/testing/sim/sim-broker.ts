/**
 * One simulated host: a disk and a clock that last, and a process that comes and goes.
 *
 * The process runs the real broker without its sockets and its server; everything that it touches is the simulation's.
 */
import type { HardState, NodeId } from 'raft-ts'
import type { Partition } from '../../partition/partition.ts'
import { type BrokerCore, openCore, readStoredVote } from './open-core.ts'
import type { Observer } from './observer.ts'
import { HostClock } from './sim-clock.ts'
import type { SimCluster } from './sim-cluster.ts'
import { SimDisk } from './sim-disk.ts'
import { SimProcess } from './sim-process.ts'
import { isBroken } from './world.ts'

export type { BrokerCore } from './open-core.ts'

/** `topics` folder of every broker. */
export const TOPICS_DIRECTORY = '/data/topics'

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
  /** Processes so far. */
  startCount = 0
  /** Those that have registered. */
  registeredCount = 0
  /** Whether it has registered since the last start. */
  isRegistered = false
  /** Groups whose copy here was damaged on purpose, and the folder's content that was. */
  readonly #damaged = new Set<string>()
  /** Folders of the copies, by group. */
  readonly #directories = new Map<string, string>()
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
    this.isRegistered = false
    this.#stopping = false
    this.disk.serve(process)
    world.note(this.id, () => 'starts')
    process.enter(() => {
      openCore(this, process).then(
        (core) => {
          this.core = core
          core.registry.onChange(() => this.observer.partitionsChanged(this))
          this.observer.partitionsChanged(this)
        },
        (error: unknown) => {
          if (isBroken(error)) throw error
          this.#ended(process, error as Error)
        },
      )
    })
  }

  /** The metadata knows of this start: {@link openCore} says so. */
  registered(): void {
    this.isRegistered = true
    this.registeredCount++
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
    // A log that has failed stays so until its broker is started again.
    if (this.disk.failing !== null) this.kill()
    this.disk.heal()
    this.clock.run(1)
    this.process?.resume()
  }

  /** The copies that are open, that of the metadata among them. */
  partitions(): Partition[] {
    const { core } = this
    if (core === null) return []
    const metadata = core.metadataPartition()
    return metadata === null ? [...core.registry.all()] : [metadata, ...core.registry.all()]
  }

  /** Whether it serves any partition. */
  leadsAnything(): boolean {
    return this.partitions().some((partition) => partition.state().kind === 'serving')
  }

  /** Folder of the copy of a group; null when there is none. */
  directoryOf(group: string): string | null {
    return this.#directories.get(group) ?? null
  }

  /** Folders of the copies by group. */
  directories(): ReadonlyMap<string, string> {
    return this.#directories
  }

  /** A copy is in that folder from now on; a `fresh` one holds nothing of what was there. */
  copyIn(group: string, directory: string, fresh: boolean): void {
    this.#directories.set(group, directory)
    if (fresh) this.#damaged.delete(group)
  }

  /** The copy is here no more. */
  copyGone(group: string): void {
    this.#directories.delete(group)
    this.#damaged.delete(group)
  }

  /** Bytes of the copy were destroyed on purpose, and it has not been given up since. */
  isDamaged(group: string): boolean {
    return this.#damaged.has(group)
  }

  /** Bytes of the copy are about to be destroyed. */
  damage(group: string): void {
    this.#damaged.add(group)
  }

  damageAll(): void {
    for (const group of this.#directories.keys()) this.#damaged.add(group)
  }

  /** Whether it runs, is known to the others, and holds nothing that was damaged. */
  isWhole(): boolean {
    return this.core !== null && this.isRegistered && this.#damaged.size === 0
  }

  /** Where the copy's log begins: before it there is nothing to be found on disk. */
  startsAt(group: string): number {
    for (const partition of this.partitions()) {
      if (`raft/${partition.topicId.toString('hex')}-${partition.partition}` === group) {
        return partition.bounds().logStartOffset
      }
    }
    return 0
  }

  /** Term and vote as a power loss now would leave them. */
  durableVote(group: string): Pick<HardState, 'term'> & { readonly vote: NodeId | null } | null {
    const row = this.disk.store.durableValue(group)
    return row === null ? null : readStoredVote(row)
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
    this.observer.died(this)
    this.cluster.network.died(this.id)
  }
}
