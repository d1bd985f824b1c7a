/**
 * The network between simulated nodes: every message has its own fate, drawn when it is sent.
 *
 * Links are one-way and can be cut one by one; partition shapes are sets of cut links. What was sent before a cut still
 * arrives, as it does in a real network. A snapshot travels in chunks, so it takes long and often fails.
 */
import type { NodeId } from '../../core/ids.ts'
import type { Message } from '../../core/messages.ts'
import type { Random } from './random.ts'
import type { LinkOptions } from './sim-options.ts'
import type { Timeline } from './timeline.ts'

/** How late a late message may be, in milliseconds. */
export const LATE_MAX_MS = 10_000
const CHUNK_COUNT_MAX = 20
const ID_RANGE = 1024

/** Where messages go when they arrive, or when the sender finds out that they will not. */
export interface NetworkEnds {
  arrived(message: Message<number>): void
  lost(message: Message<number>): void
  snapshotDone(message: Message<number>, ok: boolean): void
}

/** All links. */
export class SimNetwork {
  /** The links as they are now; replaced by faults and put back. */
  link: LinkOptions
  sentCount = 0
  readonly #timeline: Timeline
  readonly #random: Random
  readonly #ends: NetworkEnds
  readonly #cut: Set<number> = new Set()
  /** When the last message of each ordered link arrives. */
  readonly #lastArrival: Map<number, number> = new Map()

  constructor(timeline: Timeline, random: Random, link: LinkOptions, ends: NetworkEnds) {
    this.#timeline = timeline
    this.#random = random
    this.link = link
    this.#ends = ends
  }

  /** True if nothing sent by `from` reaches `to`. */
  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cut.has(from * ID_RANGE + to)
  }

  /** Cuts the link in one direction. */
  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(from * ID_RANGE + to)
  }

  /** Every link works again. */
  mend(): void {
    this.#cut.clear()
  }

  /** Sends a message. Some time later it arrives once, twice, or not at all. */
  send(message: Message<number>): void {
    const random = this.#random
    const { link } = this
    this.sentCount++
    if (message.type === 'snapshot') {
      this.#sendSnapshot(message)
      return
    }
    if (this.isCut(message.from, message.to) || random.chance(link.loss)) {
      this.#ends.lost(message)
      return
    }
    this.#plan(message, link.ordered)
    if (random.chance(link.duplication)) this.#plan(message, false)
  }

  #plan(message: Message<number>, ordered: boolean): void {
    const { link } = this
    const random = this.#random
    let delayMs = random.between(1, link.delayMaxMs)
    if (random.chance(link.late)) {
      delayMs = random.between(100, LATE_MAX_MS)
    } else if (ordered) {
      const key = message.from * ID_RANGE + message.to
      const { now } = this.#timeline
      const arrival = Math.max(now + delayMs, this.#lastArrival.get(key) ?? 0)
      this.#lastArrival.set(key, arrival)
      delayMs = arrival - now
    }
    this.#timeline.after(delayMs, () => this.#ends.arrived(message))
  }

  #sendSnapshot(message: Message<number>): void {
    const { link } = this
    const random = this.#random
    const chunkCount = random.between(1, CHUNK_COUNT_MAX)
    let delayMs = 0
    let ok = !this.isCut(message.from, message.to)
    for (let chunk = 0; chunk < chunkCount; chunk++) {
      delayMs += random.between(1, link.delayMaxMs)
      if (random.chance(link.loss / 2)) ok = false
    }
    this.#timeline.after(Math.min(delayMs, LATE_MAX_MS), () => {
      const arrives = ok && !this.isCut(message.from, message.to)
      if (arrives) this.#ends.arrived(message)
      if (arrives && random.chance(link.duplication)) this.#plan(message, false)
      this.#ends.snapshotDone(message, arrives)
    })
  }
}
