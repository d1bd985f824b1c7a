/**
 * A leader's view of one replica, itself included: how far its log matches, what was sent, and whether to send more.
 *
 * Invariant: match <= next; everything in (match, next] is in flight while replicating.
 * Owner: the leader's step functions; reset whenever the role changes.
 *
 *   probe ──accepted──▶ replicate ──rejected, unreachable──▶ probe
 *     └──── next is compacted away ──▶ snapshot ──accepted past the log's start, or reported──▶ probe / replicate
 */

import type { NodeId, Position } from './ids.ts'
import type { Inflights } from './inflights.ts'
import type { ProgressState } from './status.ts'

/** Replication state of one replica. */
export class Progress {
  readonly id: NodeId
  /** The replica's log is known to match the leader's, durably, up to here. */
  match: Position = 0
  /** Position after which the next append begins: its `prev`. A boundary of the leader's log. */
  next: Position
  state: ProgressState = 'probe'
  learner: boolean
  /** Heard from since the last quorum check. Always true for the leader itself. */
  recentActive: boolean
  /** Leader's tick count when last heard from; a node just added counts as heard from. */
  heardAt: number
  /** No more appends until an answer or a heartbeat answer: a probe is out, or the window is full. */
  flowPaused = false
  /** End of the latest probe. */
  probeEnd: Position = 0
  /** Position of the snapshot under way, 0 when none. */
  pendingSnapshot: Position = 0
  /** Leader's tick count when a hand-over without state was sent; Infinity for a snapshot, whose sender reports on it. */
  handOverAt: number = Number.POSITIVE_INFINITY
  /** Highest commit position sent. */
  sentCommit: Position = 0
  /** Highest read round confirmed. */
  readRound = 0
  /** The entries to send next are being loaded from storage. */
  awaitsStorage = false
  readonly inflights: Inflights

  constructor(id: NodeId, next: Position, learner: boolean, inflights: Inflights) {
    this.heardAt = Number.POSITIVE_INFINITY
    this.id = id
    this.next = next
    this.learner = learner
    this.inflights = inflights
    // A node just added counts as active, or the next quorum check might depose the leader before it could answer.
    this.recentActive = true
  }

  /** Back to what a new leader knows: nothing but its own log's end. */
  reset(logEnd: Position): void {
    this.match = 0
    this.next = logEnd
    this.#enter('probe')
    this.inflights.widen()
    this.probeEnd = 0
    this.recentActive = false
    this.heardAt = Number.NEGATIVE_INFINITY
    this.sentCommit = 0
    this.readRound = 0
    this.awaitsStorage = false
  }

  /** After a snapshot that arrived, probe from it; otherwise from what is known to match. */
  becomeProbe(): void {
    const from = this.state === 'snapshot' ? Math.max(this.match, this.pendingSnapshot) : this.match
    if (this.state === 'replicate') this.inflights.narrow()
    this.#enter('probe')
    this.next = from
    this.sentCommit = Math.min(this.sentCommit, from)
  }

  becomeReplicate(): void {
    this.#enter('replicate')
    this.next = this.match
    this.sentCommit = Math.min(this.sentCommit, this.next)
  }

  becomeSnapshot(position: Position): void {
    this.#enter('snapshot')
    this.pendingSnapshot = position
    this.next = position
    this.sentCommit = position
  }

  #enter(state: ProgressState): void {
    this.flowPaused = false
    this.pendingSnapshot = 0
    this.handOverAt = Number.POSITIVE_INFINITY
    this.state = state
    this.inflights.reset()
  }

  /** An append that reaches `end` and carries `bytes` was sent; `end` equals `next` when it carries no entry. */
  sentEntries(end: Position, bytes: number): void {
    if (this.state === 'replicate') {
      if (end > this.next) {
        this.next = end
        this.inflights.add(end, bytes)
      }
      // A message that fills the window, or is sent into a full one, is a probe: pause until something is heard.
      this.flowPaused = this.inflights.full()
    } else {
      this.probeEnd = end
      if (end > this.next) this.flowPaused = true
    }
  }

  /** The greatest end at or below `position` of what was sent lately: a boundary, whether or not storage knows it. */
  sentAtOrBelow(position: Position): Position {
    let end = this.inflights.endAtOrBelow(position)
    for (const sent of [this.match, this.next, this.probeEnd, this.pendingSnapshot]) {
      if (sent <= position && sent > end) end = sent
    }
    return end
  }

  /** Whether the commit position `commit` would be news to the replica. */
  canBumpCommit(commit: Position): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next
  }

  /** The replica matches up to `end`. Returns false for old news. */
  maybeUpdate(end: Position): boolean {
    if (end <= this.match) return false
    this.match = end
    if (end > this.next) this.next = end
    this.flowPaused = false
    return true
  }

  /**
   * The replica has no entry ending at `rejected`.
   *
   * @param hint boundary of the leader's log, below `rejected`, at which the logs may match.
   * @returns false for a rejection that later news has overtaken.
   */
  maybeDecrease(rejected: Position, hint: Position): boolean {
    if (this.state === 'replicate') {
      // A log that ended before what has matched since: this was said long ago, and repeating the window would not help.
      if (rejected <= this.match || hint < this.match) return false
      this.next = this.match
      this.sentCommit = Math.min(this.sentCommit, this.next)
      return true
    }
    // While probing, only an answer to the latest probe counts.
    if (this.next !== rejected) return false
    this.next = Math.max(hint, this.match)
    this.sentCommit = Math.min(this.sentCommit, this.next)
    this.flowPaused = false
    return true
  }

  paused(): boolean {
    return this.state === 'snapshot' || this.flowPaused
  }
}
