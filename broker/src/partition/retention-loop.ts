/** Applies retention to all partitions, one after another, at an interval; runs never overlap. */
import type { Clock } from '../replication/tick-loop.ts'
import type { Partition } from './partition.ts'

/** See the file's header. Owner: the broker. */
export class RetentionLoop {
  readonly #partitions: () => Iterable<Partition>
  readonly #cancel: () => void
  #running: Promise<void> | null = null
  #stopped = false

  /** Starts it. @param intervalMs between the starts of two runs; a run that takes longer delays the next. */
  constructor(partitions: () => Iterable<Partition>, clock: Clock, intervalMs: number) {
    this.#partitions = partitions
    this.#cancel = clock.every(intervalMs, () => {
      this.#running ??= this.run().finally(() => {
        this.#running = null
      })
    })
  }

  /** One run over all partitions. */
  async run(): Promise<void> {
    for (const partition of [...this.#partitions()]) {
      if (this.#stopped) return
      await partition.enforceRetention()
    }
  }

  /** Ends it, and waits for the run under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel()
    await this.#running
  }
}
