/**
 * Whom a node has heard from lately, and how far its log was a tick ago: what "live" and "caught up" mean.
 *
 * Two generations of sets instead of a time per peer: hearing from somebody costs one insertion.
 */
import type { NodeId, Position } from 'raft-ts'

/** See the file's header. Owner: the Raft group. */
export class PeerLiveness {
  readonly #periodTicks: number
  #ticks = 0
  #heard = new Set<NodeId>()
  #heardBefore = new Set<NodeId>()
  #endAtTick: Position = 0
  #endAtTickBefore: Position = 0

  /** @param periodTicks silence of this many ticks, at most twice as many, makes a peer not live. */
  constructor(periodTicks: number) {
    this.#periodTicks = periodTicks
  }

  /** A log that ends here or later has caught up. */
  get caughtUpFrom(): Position {
    return this.#endAtTickBefore
  }

  heard(from: NodeId): void {
    this.#heard.add(from)
  }

  /** Somebody else knows that it is gone. */
  lost(node: NodeId): void {
    this.#heard.delete(node)
    this.#heardBefore.delete(node)
  }

  isLive(node: NodeId): boolean {
    return this.#heard.has(node) || this.#heardBefore.has(node)
  }

  /** A tick has passed. @param end of the node's own log. */
  tick(end: Position): void {
    this.#endAtTickBefore = this.#endAtTick
    this.#endAtTick = end
    if (++this.#ticks % this.#periodTicks !== 0) return
    this.#heardBefore = this.#heard
    this.#heard = new Set()
  }
}
