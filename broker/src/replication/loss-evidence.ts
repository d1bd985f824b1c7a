/**
 * Tells a copy that has lost what it acknowledged (an old copy of its folder was put back, say) from one that lags.
 *
 * The leader remembers how far each log matched. A follower whose log ends before that is told to commit what it does not
 * have, which its core refuses as impossible; and it rejects appends at positions that it had accepted. Either may be the
 * echo of an old message, on a slow link of several; only what lasts counts, and only while nothing is accepted beyond it.
 */
import type { Message, NodeId, Position, RawNode, StepResult } from 'raft-ts'
import type { Clock } from './tick-loop.ts'

/** How long a contradiction must last, ms. */
const LASTING_MS = 3_000
/** How often it must be seen meanwhile. */
const SEEN_COUNT_MIN = 3
/** Not seen for this long, it was an echo, ms. */
const FORGOTTEN_MS = 2_000

/** A copy that has lost something. */
export interface LostCopy {
  readonly node: NodeId
  readonly detail: string
}

interface Contradiction {
  readonly sinceMs: number
  readonly seenMs: number
  readonly count: number
  /** The furthest that it was said to agree meanwhile. */
  readonly agreedEnd: Position
}

/** See the file's header. Owner: the Raft group. */
export class LossEvidence {
  readonly #clock: Pick<Clock, 'nowMs'>
  /** By kind of message, for this node itself; by node, for those that it leads. */
  readonly #contradictions = new Map<string | NodeId, Contradiction>()

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock
  }

  /** Weighs a message that was handled. @returns the copy that has evidently lost something, or null. */
  weigh(message: Message<Buffer>, result: StepResult, node: RawNode<Buffer>): LostCopy | null {
    if (message.type === 'heartbeat' || message.type === 'append') return this.#weighLeader(message, result, node)
    if (node.isLeader) return this.#weighFollower(message, node)
    return null
  }

  #weighLeader(message: Message<Buffer>, result: StepResult, node: RawNode<Buffer>): LostCopy | null {
    const impossible = result.kind === 'refused' && result.reason === 'impossible' && !node.isLeader
    if (impossible) return this.#contradicted(message.type, 0) ? { node: node.id, detail: result.detail } : null
    // An append without entries is accepted by a log that differs from its leader's just the same.
    if (message.type === 'heartbeat' || (message.type === 'append' && message.entries.length > 0)) {
      this.#contradictions.delete(message.type)
    }
    return null
  }

  #weighFollower(message: Message<Buffer>, node: RawNode<Buffer>): LostCopy | null {
    const { from, term } = message
    if (message.type === 'append-accepted') {
      // A copy that has lost something has not accepted more than it says that it agrees to.
      const seen = this.#contradictions.size === 0 ? undefined : this.#contradictions.get(from)
      if (seen !== undefined && message.end > seen.agreedEnd) this.#contradictions.delete(from)
      return null
    }
    if (message.type !== 'append-rejected' || term !== node.term || message.unconfigured) return null
    const match = matchOf(node, from)
    if (message.hint >= match || message.prev > node.endPosition) return null
    if (!this.#contradicted(from, message.hint)) return null
    const detail = `node ${from} had a log up to ${match}, but says that it agrees up to ${message.hint} at most`
    return { node: from, detail }
  }

  /** Counts it. @returns whether it has lasted. */
  #contradicted(key: string | NodeId, agreed: Position): boolean {
    const nowMs = this.#clock.nowMs()
    const known = this.#contradictions.get(key)
    const isFresh = known === undefined || nowMs - known.seenMs > FORGOTTEN_MS
    const sinceMs = isFresh ? nowMs : known.sinceMs
    const count = isFresh ? 1 : known.count + 1
    const agreedEnd = isFresh ? agreed : Math.max(agreed, known.agreedEnd)
    this.#contradictions.set(key, { sinceMs, seenMs: nowMs, count, agreedEnd })
    return nowMs - sinceMs >= LASTING_MS && count >= SEEN_COUNT_MIN
  }
}

function matchOf(node: RawNode<Buffer>, id: NodeId): Position {
  return node.status().progress.find((peer) => peer.id === id)?.match ?? 0
}
