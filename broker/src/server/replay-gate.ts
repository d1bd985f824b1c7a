/**
 * When history may be read in bulk: behind live reads, a few reads at a time over all streams of the broker, and no faster
 * than a limit; than a lower one while the broker has live work: it writes, or live readers get something.
 *
 * ```
 *  stream ─ tryBegin ─> true: reads, then `ended`
 *                   └─> false: waits; is woken when a read ended, the limit allows one, or no live read is under way
 * ```
 * Live reads hold history back while they read from files, which is when they are behind themselves; but not for ever:
 * after {@link LIVE_FIRST_MS} one read of history goes anyway, so that a replay cannot stand still.
 * Owner: the server; one per broker.
 */
import type { ByteRate } from '../replication/byte-rate.ts'

/** Reads of history under way at once, over all streams: one on its way from the disk, one to the network. */
const READS_MAX = 2
/** Of one read, when nobody else wants the event loop, and when somebody does: so little that its turn is not noticed. */
const READ_BYTES_MAX = 256 * 1024
const READ_BYTES_BESIDE_LIVE_MAX = 64 * 1024
/** How long live reads may hold back history, ms. */
const LIVE_FIRST_MS = 50
/** How long live work counts as going on after its last sign, ms. */
const LIVE_WORK_MS = 1000

/** What a gate is made of. */
export interface ReplayGateOptions {
  readonly rate: ByteRate
  /** The limit while there is live work. */
  readonly rateBesideLive: ByteRate
  /** Grows whenever the broker has written something, for clients or as a replica. */
  readonly writeCount: () => number
  readonly nowMs: () => number
  /** Runs `task` once after `delayMs`. Returns how to cancel it. */
  readonly schedule: (delayMs: number, task: () => void) => () => void
}

/** See the file's header. */
export class ReplayGate {
  readonly #options: ReplayGateOptions
  /** In the order in which they came. One per stream at most. */
  #waiting = new Set<() => void>()
  #liveCount = 0
  #replayCount = 0
  /** Since when live reads hold back history; null while they do not. */
  #heldBackSinceMs: number | null = null
  #cancelTimer: (() => void) | null = null
  /** When live work was seen last. */
  #liveWorkMs = Number.NEGATIVE_INFINITY
  /** As of then. */
  #writeCount: number

  constructor(options: ReplayGateOptions) {
    this.#options = options
    this.#writeCount = options.writeCount()
  }

  /** Bytes that one read of history should have at most. */
  get readBytesMax(): number {
    return this.#hasLiveWork() ? READ_BYTES_BESIDE_LIVE_MAX : READ_BYTES_MAX
  }

  /** A live read began. */
  liveBegan(): void {
    this.#liveCount++
    this.#liveWorkMs = this.#options.nowMs()
  }

  /** It ended. */
  liveEnded(): void {
    this.#liveCount--
    if (this.#liveCount === 0) this.#wakeAll()
  }

  /** Begins a read of history if it may begin now; else `wake` is called once, when it is worth another try. */
  tryBegin(wake: () => void): boolean {
    const delayMs = this.#delayMs()
    if (delayMs === 0) {
      this.#heldBackSinceMs = null
      this.#replayCount++
      return true
    }
    this.#waiting.add(wake)
    if (delayMs !== null) this.#wakeIn(delayMs)
    return false
  }

  /** A read of history ended, with so many bytes. */
  ended(bytes: number): void {
    const { rate, rateBesideLive } = this.#options
    this.#replayCount--
    rate.spend(bytes)
    if (this.#hasLiveWork()) rateBesideLive.spend(bytes)
    this.#wakeAll()
  }

  /** A stream waits no more. */
  forget(wake: () => void): void {
    this.#waiting.delete(wake)
  }

  /** How long to wait at least; null until another read ends. */
  #delayMs(): number | null {
    const { rate, rateBesideLive, nowMs } = this.#options
    if (this.#replayCount >= READS_MAX) return null
    const delayMs = Math.max(rate.delayMs, this.#hasLiveWork() ? rateBesideLive.delayMs : 0)
    if (delayMs > 0) return delayMs
    if (this.#liveCount === 0) return 0
    this.#heldBackSinceMs ??= nowMs()
    return Math.max(0, this.#heldBackSinceMs + LIVE_FIRST_MS - nowMs())
  }

  #hasLiveWork(): boolean {
    const { writeCount, nowMs } = this.#options
    const count = writeCount()
    if (count !== this.#writeCount) {
      this.#writeCount = count
      this.#liveWorkMs = nowMs()
    }
    return nowMs() - this.#liveWorkMs < LIVE_WORK_MS
  }

  #wakeIn(delayMs: number): void {
    this.#cancelTimer ??= this.#options.schedule(delayMs, () => {
      this.#cancelTimer = null
      this.#wakeAll()
    })
  }

  #wakeAll(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const wake of waiting) wake()
  }
}
