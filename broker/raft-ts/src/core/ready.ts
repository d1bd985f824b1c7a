/**
 * What a RawNode wants done, handed out by `ready()`.
 *
 * Order for the shell: send `messages`, write `persist` (in the background), apply `committed`. Several persist requests
 * may be outstanding; they complete in the order they were handed out.
 */
import type { Entry } from './entry.ts'
import type { NodeId, Position, Term } from './ids.ts'
import type { Message, ReadContext } from './messages.ts'
import type { HardState, Snapshot } from './storage.ts'

/** What a node is doing. */
export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader'

/** Volatile state, for logs and routing. */
export interface SoftState {
  readonly role: Role
  readonly leaderId: NodeId | null
  readonly term: Term
}

/** What a persist request vouches for once done. Checked again on completion, by term and not by position alone. */
export interface Attestation {
  /** The node's own term when the request was made: an older one attests nothing about entries. */
  readonly nodeTerm: Term
  /** Position up to which the log is then durable. */
  readonly end: Position
  /** Term of the entry that ends there; 0 when the request attests no entries. */
  readonly term: Term
}

/**
 * One write to storage: apply its parts in the order snapshot, truncate, entries, hard state, all or nothing, then sync if
 * `mustSync`. `RawNode.persisted(request)` reports it durable and releases `responses`.
 *
 * A storage that keeps log and hard state apart may let term and vote get ahead of the entries, but never the commit
 * position: after a crash it would declare committed whatever the log still holds there.
 */
export interface PersistRequest<D> {
  /** New hard state, when changed. */
  readonly hardState: HardState | null
  /** Drop everything at and after this position before appending `entries`. */
  readonly truncateTo: Position | null
  /** Entries to append; contiguous, starting at the end of the (truncated) log. */
  readonly entries: readonly Entry<D>[]
  /** Replace the whole log: it begins (and ends) at the snapshot's position, and goes on from there with `entries`. */
  readonly snapshot: Snapshot | null
  /** False when only the commit position changed: it may be written without a sync. */
  readonly mustSync: boolean
  readonly attestation: Attestation
  /** Messages that must not leave before this request is durable. The core keeps and releases them itself. */
  readonly responses: readonly Message<D>[]
}

/** Committed entries, to be applied in order. */
export interface Committed<D> {
  /** Exclusive end of what was handed out before. */
  readonly from: Position
  readonly to: Position
  /** All entries of [from, to), or only the config entries among them with `committed: 'positions'`. */
  readonly entries: readonly Entry<D>[]
}

/** A read that may be answered once `position` has been applied. */
export interface ReadState {
  readonly context: ReadContext
  readonly position: Position
}

/** One round of work. Every field is empty or null when there is nothing to do. */
export interface Ready<D> {
  readonly softState: SoftState | null
  readonly persist: PersistRequest<D> | null
  /** May be sent at once, also while persist requests are under way. */
  readonly messages: readonly Message<D>[]
  readonly committed: Committed<D> | null
  readonly readStates: readonly ReadState[]
  /** Set once per leadership, when the first entry of its own term is committed: it may serve clients from here. */
  readonly leaderReady: Position | null
}
