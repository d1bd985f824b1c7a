/**
 * A simulated disk: what was written, what is durable, and what a crash makes of the difference.
 *
 * Invariant: `durable` is what `written` was after some request, or lags behind it; writes become durable in order.
 * Invariant: after a crash exactly `durable` is left, and of the writes under way a prefix, the last of it perhaps torn.
 * Log and hard state lie in different files: term and vote may get further than the log, or less far.
 * A request that needs no sync counts as done before it is durable, and may be lost.
 */
import { invariant } from '../../core/invariant.ts'
import type { PersistRequest } from '../../core/ready.ts'
import type { HardState } from '../../core/storage.ts'
import type { MemoryStorage } from '../../memory-storage.ts'
import type { Random } from './random.ts'

/** One node's disk. The payload of an entry is the number of its proposal. */
export class SimDisk {
  /** Everything handed to the disk. */
  readonly written: MemoryStorage<number>
  /** Everything that has been synced. */
  readonly durable: MemoryStorage<number>
  #queue: PersistRequest<number>[] = []
  #syncing = 0
  #unsynced: HardState | null = null

  constructor(content: MemoryStorage<number>) {
    this.durable = content
    this.written = content.clone()
  }

  /** True while a sync is under way. */
  get busy(): boolean {
    return this.#syncing > 0
  }

  /** True if something waits to be synced. */
  get pending(): boolean {
    return this.#queue.length > 0
  }

  /** Takes a write; it is durable some time later. */
  submit(request: PersistRequest<number>): void {
    this.written.write(request)
    this.#queue.push(request)
  }

  /** Begins to sync the oldest write (and those after it that need no sync), or all that wait. */
  beginSync(all: boolean): void {
    let count = all ? this.#queue.length : 1
    while (count < this.#queue.length && !this.#queue[count]!.mustSync) count++
    this.#syncing = count
  }

  /** The sync is done. Returns the writes that are complete, oldest first. */
  endSync(): PersistRequest<number>[] {
    const done = this.#queue.splice(0, this.#syncing)
    this.#syncing = 0
    return done
  }

  /** Makes one completed write durable; to be called for each, in order. */
  harden(request: PersistRequest<number>): void {
    if (!request.mustSync) {
      if (request.hardState !== null) this.#unsynced = request.hardState
      return
    }
    if (this.#unsynced !== null) this.durable.hardState = this.#unsynced
    this.#unsynced = null
    this.durable.write(request)
  }

  /**
   * The node has stopped without warning. Returns the disk that it finds when it comes back.
   *
   * @param survival probability that each write under way gets through; the first that does not may be torn.
   */
  crash(random: Random, survival: number): SimDisk {
    const left = this.durable.clone()
    if (this.#unsynced !== null && random.chance(survival)) left.hardState = this.#unsynced
    let voted = left.hardState
    for (const request of this.#queue) {
      if (!random.chance(survival)) break
      voted = request.hardState ?? voted
    }
    for (const request of this.#queue) {
      if (random.chance(survival)) {
        left.write(request)
        continue
      }
      if (random.chance(survival)) tear(left, request, random)
      break
    }
    left.hardState = reconcile(voted, left)
    return new SimDisk(left)
  }
}

/** Of an unfinished write a part of the entries is there. */
function tear(left: MemoryStorage<number>, request: PersistRequest<number>, random: Random): void {
  if (request.snapshot !== null) return
  const kept = random.below(request.entries.length + 1)
  left.write({ ...request, entries: request.entries.slice(0, kept), hardState: null })
}

/**
 * What a storage that keeps log and hard state apart must do when it starts. Term and vote may have got further than the
 * log: they are kept. Entries may be of a later term than was stored: it came with them, and no vote of it had been told
 * to anybody. The commit position is never taken from a write whose entries did not get through.
 */
function reconcile(voted: HardState | null, left: MemoryStorage<number>): HardState | null {
  const logTerm = left.termAt(left.endPosition())
  invariant(typeof logTerm === 'number', 'a log knows the term of its end')
  const { hardState } = left
  const newest = voted !== null && voted.term >= (hardState?.term ?? 0) ? voted : hardState
  if (newest === null && logTerm === 0) return null
  const { term, vote } = newest ?? { term: 0, vote: null }
  const commit = hardState?.commit ?? 0
  return logTerm > term ? { term: logTerm, vote: null, commit } : { term, vote, commit }
}
