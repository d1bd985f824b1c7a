/**
 * Sees to it that how far each log is flushed is known durably: about once a second, for the groups whose logs have moved.
 *
 * After a power loss a bad batch at the end of a log looks like a write that was torn, and is cut; below the stored mark it
 * is damage. So a mark bounds what one flipped bit can make a copy forget to what it wrote in the last second.
 * Idle groups cost nothing: no write, and no timer while nobody has moved. All marks of one moment go out in one synced
 * batch of the store.
 */
import type { Clock } from './tick-loop.ts'

/** A group whose log is flushed from time to time. */
export interface MarkedGroup {
  /** Stores how far its log is flushed, unless that is known, or the log is being cut. Must not throw. */
  storeFlushedEnd(): void
}

/** How long a mark may lag behind the flush, ms. */
export const FLUSHED_MARK_INTERVAL_MS = 1000

/** See the file's header. Owner: the broker; one per process. */
export class FlushedMarks {
  readonly #clock: Pick<Clock, 'schedule'>
  readonly #moved = new Set<MarkedGroup>()
  #cancel: (() => void) | null = null

  constructor(clock: Pick<Clock, 'schedule'>) {
    this.#clock = clock
  }

  /** The group's log is flushed further than before. */
  moved(group: MarkedGroup): void {
    this.#moved.add(group)
    this.#cancel ??= this.#clock.schedule(FLUSHED_MARK_INTERVAL_MS, () => this.#store())
  }

  /** The group ends: nothing of it is stored any more. */
  forget(group: MarkedGroup): void {
    this.#moved.delete(group)
  }

  /** Stores nothing any more. */
  stop(): void {
    this.#moved.clear()
    this.#cancel?.()
    this.#cancel = null
  }

  #store(): void {
    this.#cancel = null
    const moved = [...this.#moved]
    this.#moved.clear()
    for (const group of moved) group.storeFlushedEnd()
  }
}
