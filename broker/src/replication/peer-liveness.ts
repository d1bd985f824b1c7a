/**
 * Whom a node has heard from lately, and how far its log was lately: what "live" and "caught up" mean.
 *
 * Two generations of sets instead of a time per peer: hearing from somebody costs one insertion. Both are in periods of an
 * election timeout: a replica that is behind by less can take over within a transfer, however busy the hosts are.
 */
import type { NodeId, Position } from 'raft-ts'

/** See the file's header. Owner: the Raft group. */
export class PeerLiveness {
  readonly #periodTicks: number
  #ticks = 0
  #heard = new Set<NodeId>()
  #heardBefore = new Set<NodeId>()
  #periodStart: Position
  #periodStartBefore: Position

  /**
   * @param periodTicks silence of this many ticks, at most twice as many, makes a peer not live.
   * @param end of the node's own log: what it holds at its start is old.
   */
  constructor(periodTicks: number, end: Position) {
    this.#periodTicks = periodTicks
    this.#periodStart = end
    this.#periodStartBefore = end
  }

  /** A log that ends here or later has caught up: it holds what this one held one to two periods ago. */
  get caughtUpFrom(): Position {
    return this.#periodStartBefore
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
    if (++this.#ticks % this.#periodTicks !== 0) return
    this.#periodStartBefore = this.#periodStart
    this.#periodStart = end
    this.#heardBefore = this.#heard
    this.#heard = new Set()
  }
}
