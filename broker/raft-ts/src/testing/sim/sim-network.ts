/**
 * The network between simulated nodes: every message has its own fate, drawn when it is sent.
 *
 * Links are one-way and can be cut one by one; partition shapes are sets of cut links. What was sent before a cut still
 * arrives, as it does in a real network. A snapshot with state travels in chunks, each of which fares like a message.
 */
import type { NodeId } from '../../core/ids.ts'
import type { Message, SnapshotMessage } from '../../core/messages.ts'
import type { Random } from './random.ts'
import type { LinkOptions } from './sim-options.ts'
import type { Timeline } from './timeline.ts'

/** How late a late message may be, in milliseconds. */
export const LATE_MAX_MS = 10_000
const ID_RANGE = 1024

/** Where messages go when they arrive, or when the sender finds out that they will not. */
export interface NetworkEnds {
  arrived(message: Message<number>): void
  lost(message: Message<number>): void
  /** A snapshot message with state sets out. */
  snapshotSent(message: SnapshotMessage): void
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
    this.sentCount++
    if (message.type === 'snapshot' && message.snapshot.data !== null) {
      this.#ends.snapshotSent(message)
      return
    }
    if (!this.carry(message.from, message.to, () => this.#ends.arrived(message))) this.#ends.lost(message)
  }

  /** Carries something to where `arrive` is called for it, once or twice. Returns false if it is lost instead. */
  carry(from: NodeId, to: NodeId, arrive: () => void): boolean {
    const { link } = this
    if (this.isCut(from, to) || this.#random.chance(link.loss)) return false
    this.#plan(from, to, arrive, link.ordered)
    if (this.#random.chance(link.duplication)) this.#plan(from, to, arrive, false)
    return true
  }

  #plan(from: NodeId, to: NodeId, arrive: () => void, ordered: boolean): void {
    const { link } = this
    const random = this.#random
    let delayMs = random.between(1, link.delayMaxMs)
    if (random.chance(link.late)) {
      delayMs = random.between(100, LATE_MAX_MS)
    } else if (ordered) {
      const key = from * ID_RANGE + to
      const { now } = this.#timeline
      const arrival = Math.max(now + delayMs, this.#lastArrival.get(key) ?? 0)
      this.#lastArrival.set(key, arrival)
      delayMs = arrival - now
    }
    this.#timeline.after(delayMs, arrive)
  }
}
