/**
 * Checks the segments of all copies of a broker in the background, one piece after another, under one limit in bytes per
 * second: damage that nobody reads is found while the other copies can still replace it.
 *
 * Invariant: one piece at a time is read, into one buffer. What is wrong with a copy ends that copy, not the scrubber.
 * Owner: the broker's core.
 */
import type { ScrubCursor, ScrubStep } from '../log/log-scrub.ts'
import type { ByteRate } from '../replication/byte-rate.ts'
import type { Clock } from '../replication/tick-loop.ts'
import { ScrubSchedule } from './scrub-schedule.ts'

/** What the scrubber needs of a copy. */
export interface ScrubbedCopy {
  /** Checks what fits into `buffer`; see Partition.scrub. */
  scrub(from: ScrubCursor | null, buffer: Buffer): Promise<ScrubStep>
}

/** What a scrubber is made of. */
export interface ScrubberOptions {
  /** Those that are open now. */
  readonly copies: () => Iterable<ScrubbedCopy>
  readonly clock: Clock
  readonly rate: ByteRate
  /** From the end of a check to the next one of the same copy, ms. */
  readonly intervalMs: number
}

/** Read at a time: its CRC takes a fraction of a millisecond. */
const PIECE_BYTES = 256 * 1024
/** How often it is looked whether a check is due, ms. */
const LOOK_MS = 1000
/** What a piece costs at least: opening and reading a file takes the disk longer than its bytes. */
const PIECE_COST_BYTES_MIN = 16 * 1024

/** See the file's header. */
export class Scrubber {
  readonly #options: ScrubberOptions
  readonly #schedule: ScrubSchedule<ScrubbedCopy>
  #buffer: Buffer | null = null
  /** The check under way. */
  #pass: { readonly copy: ScrubbedCopy; next: ScrubCursor | null } | null = null
  #cancel: (() => void) | null = null
  #running: Promise<void> = Promise.resolve()
  #stopped = false

  /** Starts it. */
  constructor(options: ScrubberOptions) {
    this.#options = options
    this.#schedule = new ScrubSchedule(options.intervalMs)
    this.#later(LOOK_MS)
  }

  /** Ends it, and waits for the piece under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel?.()
    await this.#running
  }

  #later(delayMs: number): void {
    if (this.#stopped) return
    this.#cancel = this.#options.clock.schedule(delayMs, () => {
      this.#running = this.#run().then((pauseMs) => this.#later(pauseMs))
    })
  }

  /** Checks pieces until the rate is used up or nothing is due. Resolves with the time to wait then. */
  async #run(): Promise<number> {
    const { copies, clock, rate } = this.#options
    while (!this.#stopped) {
      const { delayMs } = rate
      if (delayMs > 0) return delayMs
      if (this.#pass === null) {
        const copy = this.#schedule.next(copies(), clock.nowMs())
        if (copy === null) break
        this.#pass = { copy, next: null }
      }
      await this.#step(this.#pass)
    }
    // Between checks nothing is held.
    this.#buffer = null
    return LOOK_MS
  }

  async #step(pass: { readonly copy: ScrubbedCopy; next: ScrubCursor | null }): Promise<void> {
    const { clock, rate } = this.#options
    this.#buffer ??= Buffer.allocUnsafeSlow(PIECE_BYTES)
    const { readBytes, next } = await pass.copy.scrub(pass.next, this.#buffer)
    rate.spend(readBytes === 0 ? 0 : Math.max(readBytes, PIECE_COST_BYTES_MIN))
    pass.next = next
    if (next !== null) return
    this.#schedule.ended(pass.copy, clock.nowMs())
    this.#pass = null
  }
}
