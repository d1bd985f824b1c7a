/**
 * What an observer who sees everything knows of a group: who led which term, who voted for whom, every entry that was
 * ever in a log, and the one log that is committed.
 *
 * Invariant: `committedEnd` only grows; what is committed at a boundary is recorded once and never replaced.
 * The checks under `invariants/` compare what nodes do with it, and add to it what is new.
 */
import type { ConfState } from '../../core/conf-change.ts'
import type { Entry } from '../../core/entry.ts'
import type { NodeId, Position, Term } from '../../core/ids.ts'

/** An entry that has been in some log, and the term just before it. */
export interface KnownEntry {
  readonly entry: Entry<number>
  readonly prevTerm: Term
}

/** The committed log at a boundary: the entry that ends there and a hash of everything up to it. */
export interface CommittedPoint {
  readonly entry: Entry<number> | null
  readonly term: Term
  readonly hash: number
}

/** The end of what a leader of `term` has committed. */
export interface CommitRecord {
  readonly term: Term
  readonly end: Position
}

/** Omniscient bookkeeping of one run. */
export class Ledger {
  readonly leaders: Map<Term, NodeId> = new Map()
  readonly commits: CommitRecord[] = []
  /** Terms that somebody has campaigned in. */
  readonly campaigns: Set<Term> = new Set()
  /** Configurations by the end of the entry that made them, in order of that end. */
  readonly configs: { readonly end: Position; readonly confState: ConfState }[] = []
  committedEnd: Position = 0
  readonly #entries: Map<Position, KnownEntry[]> = new Map()
  readonly #committed: Map<Position, CommittedPoint> = new Map([[0, { entry: null, term: 0, hash: 0 }]])
  readonly #votes: Map<string, NodeId> = new Map()
  readonly #payloads: Set<number> = new Set()

  /** The entry of that end and term, if it was ever seen. */
  known(end: Position, term: Term): KnownEntry | undefined {
    return this.#entries.get(end)?.find((known) => known.entry.term === term)
  }

  note(entry: Entry<number>, prevTerm: Term): void {
    const list = this.#entries.get(entry.end)
    if (list === undefined) this.#entries.set(entry.end, [{ entry, prevTerm }])
    else list.push({ entry, prevTerm })
  }

  committedAt(position: Position): CommittedPoint | undefined {
    return this.#committed.get(position)
  }

  /** The newest committed point. */
  get committedPoint(): CommittedPoint {
    return this.#committed.get(this.committedEnd)!
  }

  /** Extends the committed log. Returns false if the payload is committed already, further down. */
  commit(entry: Entry<number>): boolean {
    const hash = hashOf(this.committedPoint.hash, entry)
    this.#committed.set(entry.end, { entry, term: entry.term, hash })
    this.committedEnd = entry.end
    if (entry.data === null) return true
    if (this.#payloads.has(entry.data)) return false
    this.#payloads.add(entry.data)
    return true
  }

  /** Whether a proposal has been committed anywhere in the log. */
  isCommitted(payload: number): boolean {
    return this.#payloads.has(payload)
  }

  /** Whom `voter` voted for in `term`, as far as anybody was told. */
  voteOf(voter: NodeId, term: Term): NodeId | undefined {
    return this.#votes.get(`${voter}@${term}`)
  }

  noteVote(voter: NodeId, term: Term, candidate: NodeId): void {
    this.#votes.set(`${voter}@${term}`, candidate)
  }

  /** The end of what leaders of terms below `term` have committed. */
  committedBefore(term: Term): Position {
    const { commits } = this
    for (let i = commits.length - 1; i >= 0; i--) if (commits[i]!.term < term) return commits[i]!.end
    return 0
  }
}

/** Hash of the state that an application is in after one more entry. */
export function hashOf(before: number, entry: Entry<number>): number {
  let hash = Math.imul(before ^ entry.base, 0x01000193)
  hash = Math.imul(hash ^ entry.end, 0x01000193)
  hash = Math.imul(hash ^ entry.term, 0x01000193)
  return Math.imul(hash ^ (entry.data ?? -1), 0x01000193)
}
