/**
 * Bounds the fdatasyncs that run at once across all partitions.
 *
 * More than a handful at a time gains nothing (the journal merges them) and fills the thread pool that reads share
 * (PERFORMANCE: 8,488 syncs/s at 8). Waiting ones run in the order of asking. Owner: the broker; one per process.
 */

/** A counting gate with a queue. The queue is bounded by the number of open partitions: each asks for one at a time. */
export class FlushScheduler {
  readonly #inFlightMax: number
  readonly #waiting: (() => void)[] = []
  #inFlight = 0
  #runCount = 0

  /** @param inFlightMax syncs that may run at once. Default 8. */
  constructor(inFlightMax = 8) {
    this.#inFlightMax = inFlightMax
  }

  /** Syncs that run now. */
  get inFlightCount(): number {
    return this.#inFlight
  }

  /** Syncs so far, those that run included. */
  get runCount(): number {
    return this.#runCount
  }

  /** Runs `sync` as soon as there is room, and settles as it does. */
  async run(sync: () => Promise<void>): Promise<void> {
    if (this.#inFlight >= this.#inFlightMax) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#inFlight++
    this.#runCount++
    try {
      await sync()
    } finally {
      // The place passes straight to the next in line, so that a newcomer cannot overtake it.
      const next = this.#waiting.shift()
      if (next === undefined) this.#inFlight--
      else next()
    }
  }
}
