/**
 * From a node's state to the next Ready, and back from a finished write to the state.
 *
 * Invariant: persist requests finish in the order they were handed out; one that was not handed out changes nothing.
 * Invariant: a finished write attests the log up to (term, end) only if this node's term is still what it was: then
 * nothing under way can replace those entries. Otherwise the next request attests them again, and every change of term
 * makes a next request (RELIABILITY: a flush that completes after a truncate and a new append).
 */
import type { Entry } from './entry.ts'
import { NO_NODE, type NodeId, type Position, type Term } from './ids.ts'
import type { Message } from './messages.ts'
import { maybeAutoLeave } from './proposals.ts'
import type { Raft } from './raft.ts'
import type { Attestation, Committed, PersistRequest, Ready, Role, SoftState } from './ready.ts'
import { flushAppends } from './replication.ts'
import { ACCEPTED, type ReportResult } from './results.ts'
import { step } from './step.ts'
import type { HardState } from './storage.ts'

/** Shared by everything that is empty: a list that is handed out must not be the one that is still being filled. */
const NOTHING: readonly never[] = Object.freeze([])

/** What has been handed out, and what is new since. */
export class ReadyBuilder<D> {
  readonly #raft: Raft<D>
  #role: Role
  #leaderId: NodeId
  #softTerm: Term
  #term: Term
  #vote: NodeId
  #commit: Position
  /** The commit position of the last hard state that was handed out. */
  #storedCommit: Position
  /** Term in which `leaderReady` was announced. */
  #readyTerm: Term = 0
  #outstanding: PersistRequest<D>[] = []

  constructor(raft: Raft<D>) {
    this.#raft = raft
    this.#role = raft.role
    this.#leaderId = raft.leaderId
    this.#softTerm = raft.term
    this.#term = raft.term
    this.#vote = raft.vote
    this.#commit = raft.log.committed
    this.#storedCommit = raft.log.committed
  }

  hasReady(): boolean {
    const raft = this.#raft
    return (
      raft.messages.length > 0 ||
      raft.afterPersist.length > 0 ||
      raft.sendsPending ||
      raft.log.unstable.hasNewEntries() ||
      raft.log.unstable.hasNewSnapshot() ||
      raft.term !== this.#term ||
      raft.vote !== this.#vote ||
      (raft.options.persistCommit && raft.log.committed !== this.#commit) ||
      raft.log.appliable(raft.options.applyBeforePersisted) > raft.log.applying ||
      raft.readStates.length > 0 ||
      raft.role !== this.#role ||
      raft.leaderId !== this.#leaderId ||
      raft.term !== this.#softTerm ||
      this.#leaderIsNewlyReady()
    )
  }

  ready(): Ready<D> {
    const raft = this.#raft
    if (raft.sendsPending) flushAppends(raft)
    raft.readRoundOpen = false
    const softState = this.#takeSoftState()
    const readStates = raft.readStates.length > 0 ? raft.readStates : NOTHING
    if (readStates.length > 0) raft.readStates = []
    const persist = this.#takePersist()
    const messages = raft.messages.length > 0 ? raft.messages : NOTHING
    if (messages.length > 0) raft.messages = []
    const committed = this.#takeCommitted()
    let leaderReady: Position | null = null
    if (this.#leaderIsNewlyReady()) {
      this.#readyTerm = raft.term
      leaderReady = raft.log.committed
    }
    return { softState, persist, messages, committed, readStates, leaderReady }
  }

  /** Hands the write over as durable: releases its messages, and counts its entries. */
  persisted(request: PersistRequest<D>): ReportResult {
    const raft = this.#raft
    if (this.#outstanding[0] !== request) {
      const known = this.#outstanding.includes(request)
      const detail = known
        ? 'persist requests finish in the order they were handed out'
        : 'no such request is outstanding'
      return { kind: 'refused', detail }
    }
    this.#outstanding.shift()
    this.#deliver(request.responses)
    stored(raft, request)
    return ACCEPTED
  }

  /** Forgets the oldest request without releasing anything: the caller delivers its parts itself. */
  release(): void {
    this.#outstanding.shift()
  }

  #deliver(responses: readonly Message<D>[]): void {
    const raft = this.#raft
    for (const response of responses) {
      if (response.to === raft.id) step(raft, response)
      else raft.send(response)
    }
  }

  #leaderIsNewlyReady(): boolean {
    const raft = this.#raft
    return raft.role === 'leader' && this.#readyTerm !== raft.term && raft.committedInOwnTerm()
  }

  #takeSoftState(): SoftState | null {
    const raft = this.#raft
    if (raft.role === this.#role && raft.leaderId === this.#leaderId && raft.term === this.#softTerm) return null
    this.#role = raft.role
    this.#leaderId = raft.leaderId
    this.#softTerm = raft.term
    return { role: raft.role, leaderId: raft.leaderId === NO_NODE ? null : raft.leaderId, term: raft.term }
  }

  #takePersist(): PersistRequest<D> | null {
    const raft = this.#raft
    const { log } = raft
    const voted = raft.term !== this.#term || raft.vote !== this.#vote
    const commitMoved = log.committed !== this.#commit
    const snapshot = log.takeSnapshot()
    const { entries, truncateTo } = log.takeEntries()
    const responses = raft.afterPersist.length > 0 ? raft.afterPersist : NOTHING
    const somethingToWrite = voted || entries.length > 0 || snapshot !== null
    if (!somethingToWrite && !(commitMoved && raft.options.persistCommit) && responses.length === 0) return null
    if (responses.length > 0) raft.afterPersist = []
    if (!somethingToWrite && !(commitMoved && raft.options.persistCommit) && this.#outstanding.length === 0) {
      // All that these messages rest on is durable already.
      this.#deliver(responses)
      return null
    }
    let hardState: HardState | null = null
    if (
      voted ||
      (commitMoved && (raft.options.persistCommit || snapshot !== null)) ||
      this.#provesOlderChange(entries)
    ) {
      hardState = { term: raft.term, vote: raft.vote === NO_NODE ? null : raft.vote, commit: log.committed }
      this.#term = raft.term
      this.#vote = raft.vote
      this.#storedCommit = log.committed
    }
    this.#commit = log.committed
    const request: PersistRequest<D> = {
      hardState,
      truncateTo,
      entries,
      snapshot,
      mustSync: voted || entries.length > 0 || snapshot !== null,
      attestation: attestationOf(raft),
      responses,
    }
    this.#outstanding.push(request)
    return request
  }

  /**
   * Whether a change of the configuration is written while the stored commit position is behind. A change is proposed
   * only once the one before has committed; who acknowledges it must remember that, or after a restart it would act on
   * a configuration two changes old, whose majorities need not meet those of today.
   */
  #provesOlderChange(entries: readonly Entry<D>[]): boolean {
    const { log } = this.#raft
    if (log.configEntries.length === 0 || log.committed === this.#storedCommit) return false
    return entries.some(({ kind }) => kind === 'config')
  }

  #takeCommitted(): Committed<D> | null {
    const { log, options } = this.#raft
    const from = log.applying
    const limit = log.appliable(options.applyBeforePersisted)
    if (limit <= from) return null
    if (options.committed === 'positions') {
      const entries = log.configEntries.length === 0 ? NOTHING : log.committedConfigEntries(limit)
      log.acceptApplying(limit, NOTHING)
      return { from, to: limit, entries }
    }
    const entries = log.nextCommitted(limit)
    if (entries === null) return null
    const to = entries[entries.length - 1]!.end
    log.acceptApplying(to, entries)
    return { from, to, entries }
  }
}

function attestationOf<D>(raft: Raft<D>): Attestation {
  const { log } = raft
  // Whenever anything is unstable, attest all of it: an earlier attestation may have been overtaken by a change of term.
  if (log.unstable.empty) return { nodeTerm: raft.term, end: 0, term: 0 }
  return { nodeTerm: raft.term, end: log.lastEnd(), term: log.lastTerm() }
}

/** Counts what a finished write attests. */
export function stored<D>(raft: Raft<D>, request: PersistRequest<D>): void {
  const { nodeTerm, end, term } = request.attestation
  if (term > 0) {
    if (nodeTerm < raft.term) {
      if (raft.tracing) raft.trace({ kind: 'attestation-ignored', term: raft.term, end, why: 'older-term' })
    } else {
      const why = raft.log.unstable.stableTo(end, term)
      if (why !== 'stable' && raft.tracing) raft.trace({ kind: 'attestation-ignored', term: raft.term, end, why })
    }
  }
  if (request.snapshot !== null) {
    // A snapshot holds committed state, whatever the term: it stays valid, and the application has it already.
    raft.log.unstable.stableSnapshotTo(request.snapshot.position)
    applied(raft, request.snapshot.position)
  }
}

/** The application has applied up to `position`. */
export function applied<D>(raft: Raft<D>, position: Position): ReportResult {
  if (position > raft.log.committed) {
    return { kind: 'refused', detail: `applied ${position}, but only ${raft.log.committed} is committed` }
  }
  raft.log.appliedTo(position)
  maybeAutoLeave(raft)
  return ACCEPTED
}
