/**
 * The disk of a simulated broker: files and key-value store on one device, its speed, and what goes wrong with it.
 *
 * Invariant: what a power loss leaves is what was synced, and any part of the rest; a disk that is told to destroy synced
 * bytes is `damaged` until the copies on it have been given up, and only then checks of its bytes mean anything again.
 */
import type { Random } from 'raft-ts/testing'
import type { CrashLoss } from '../fake-disk.ts'
import { type DiskOperation, FakeFileSystem } from '../fake-file-system.ts'
import { MemoryStore } from '../memory-store.ts'
import type { SimProcess } from './sim-process.ts'
import type { World } from './world.ts'

/** How long operations take, in ms. */
export interface DiskSpeed {
  readonly syncMaxMs: number
  /** Probability that a read, or a change of names, is not answered at once. */
  readonly slowReads: number
}

/** A copy of a disk, as a backup of it. */
export interface DiskCopy {
  readonly fileSystem: FakeFileSystem
  readonly store: MemoryStore
  readonly directoryId: string
  readonly clusterId: string | null
}

const SLOW_SYNC_MAX_MS = 1500

/** See the file's header. */
export class SimDisk {
  fileSystem: FakeFileSystem = new FakeFileSystem()
  store: MemoryStore = new MemoryStore()
  /** Of the folder's meta.properties. */
  directoryId: string
  clusterId: string | null = null
  /** Operations that fail with EIO until the process is started again. */
  failing: DiskOperation | null = null
  /** Which part of those: a disk may fail once and work at the next attempt. */
  failingRate = 1
  slowUntilMs = 0
  readonly #world: World
  readonly #random: Random
  readonly #speed: DiskSpeed
  #healed = false

  constructor(world: World, random: Random, speed: DiskSpeed) {
    this.#world = world
    this.#random = random
    this.#speed = speed
    this.directoryId = this.#newId()
  }

  /** Lets a process use it. */
  serve(process: SimProcess): void {
    this.failing = null
    const pause = (delayMs: number): Promise<void> | null => (delayMs === 0 ? null : process.pause(delayMs))
    this.fileSystem.pace = (operation, bytes) => pause(this.#delayMs(operation, bytes))
    this.fileSystem.fails = (operation) => operation === this.failing && this.#random.next() < this.failingRate
    this.store.pace = (sync) => pause(sync ? this.#syncMs() : 0)
  }

  /** Nothing goes wrong any more, and it is fast. */
  heal(): void {
    this.#healed = true
    this.failing = null
    this.slowUntilMs = 0
    this.fileSystem.diskFullAfterBytes(Number.POSITIVE_INFINITY)
  }

  /** The process is gone, the host is not. */
  keepAll(): void {
    this.store = this.store.kill()
  }

  /** The power is gone. */
  losePower(): void {
    this.fileSystem = this.fileSystem.crash(this.#loss())
    this.store = this.store.crash(this.#random.pick([0, 0.5, 1]))
  }

  /** Everything is gone. */
  wipe(): void {
    this.fileSystem = new FakeFileSystem()
    this.store = new MemoryStore()
    this.directoryId = this.#newId()
    this.clusterId = null
  }

  /** A backup of what is durable now. */
  copy(): DiskCopy {
    const { directoryId, clusterId } = this
    return { fileSystem: this.fileSystem.crash({ keep: 'none' }), store: this.store.copy(), directoryId, clusterId }
  }

  /** Puts a backup in the place of what is there. */
  restore(copy: DiskCopy): void {
    this.fileSystem = copy.fileSystem.crash({ keep: 'all' })
    this.store = copy.store.copy()
    this.directoryId = copy.directoryId
    this.clusterId = copy.clusterId
  }

  #loss(): CrashLoss {
    const seed = this.#random.below(2 ** 31)
    return this.#random.pick<CrashLoss>([
      { keep: 'none' },
      { keep: 'random', seed },
      { keep: 'torn', bytes: this.#random.next() * 0.99 },
      { keep: 'sectors', seed },
      { keep: 'sectors', seed, each: true },
      { keep: 'all' },
    ])
  }

  #delayMs(operation: DiskOperation, bytes: number): number {
    switch (operation) {
      case 'sync':
        return this.#syncMs()
      case 'write':
        return 1 + Math.floor(bytes / 1_000_000)
      default:
        return this.#random.chance(this.#healed ? 0 : this.#speed.slowReads) ? this.#random.between(1, 5) : 0
    }
  }

  #syncMs(): number {
    if (this.#healed) return 1
    if (this.slowUntilMs > this.#world.now) return this.#random.between(1, SLOW_SYNC_MAX_MS)
    return this.#random.between(1, this.#speed.syncMaxMs)
  }

  #newId(): string {
    return `folder-${this.#random.below(2 ** 31).toString(16)}`
  }
}
