/**
 * The storage that a simulated node reads through: sometimes a read must wait, and snapshots are made when asked for.
 */
import type { Entry } from '../../core/entry.ts'
import type { Position, Term } from '../../core/ids.ts'
import type { InitialState, RaftStorage, Snapshot } from '../../core/storage.ts'
import type { MemoryStorage } from '../../memory-storage.ts'

/** Of this many offsets a coarse storage knows the boundaries of one. */
const COARSE_STEP = 50

/** What the storage needs from its node. */
export interface SimStorageSource {
  /** The log as far as this storage sees it. */
  readonly log: MemoryStorage<number>
  /** The newest state of the application as a snapshot, if one can be made now. */
  snapshot(): Snapshot | 'unavailable'
  /** Whether this read has to be waited for; then `loaded` is called later. */
  mustLoad(): boolean
  /** It knows only some of the boundaries between entries. */
  readonly coarse: boolean
}

/** A RaftStorage over a MemoryStorage, with the weather of a real one. */
export class SimStorage implements RaftStorage<number> {
  readonly #source: SimStorageSource
  #loading = false
  #warm = true

  constructor(source: SimStorageSource) {
    this.#source = source
  }

  /** From now on reads may have to wait: the node has started. */
  start(): void {
    this.#warm = false
  }

  /** What was waited for is there: the next read finds it. */
  loaded(): void {
    this.#loading = false
    this.#warm = true
  }

  initialState(): InitialState<number> {
    return this.#source.log.initialState()
  }

  entries(from: Position, to: Position, maxBytes: number): readonly Entry<number>[] | 'compacted' | 'pending' {
    const { log } = this.#source
    if (from < log.startPosition()) return 'compacted'
    if (this.#loading) return 'pending'
    if (!this.#warm && this.#source.mustLoad()) {
      this.#loading = true
      return 'pending'
    }
    return log.entries(from, to, maxBytes)
  }

  /** Ends what `loaded` began: reads may have to wait again. */
  cool(): void {
    this.#warm = false
  }

  termAt(position: Position): Term | 'compacted' | 'unavailable' {
    return this.#source.log.termAt(position)
  }

  startPosition(): Position {
    return this.#source.log.startPosition()
  }

  endPosition(): Position {
    return this.#source.log.endPosition()
  }

  get boundaries(): 'all' | 'some' {
    return this.#source.coarse ? 'some' : 'all'
  }

  boundaryAtOrBelow(position: Position): Position {
    const { log, coarse } = this.#source
    if (!coarse || position >= log.endPosition()) return log.boundaryAtOrBelow(position)
    return log.boundaryAtOrBelow(Math.max(log.startPosition(), position - (position % COARSE_STEP)))
  }

  snapshot(): Snapshot | 'unavailable' {
    return this.#source.snapshot()
  }
}
