/**
 * The port through which the core reads what is stored. Writing goes the other way: as persist requests in a Ready.
 *
 * All methods are synchronous and answer from what the storage has *accepted* for writing in order (its own write cache
 * counts): the core asks only for what it has handed out and heard `persisted()` for. The conformance suite in
 * `raft-ts/testing` says the rest by example.
 */
import type { ConfState } from './conf-change.ts'
import type { Entry } from './entry.ts'
import type { NodeId, Position, Term } from './ids.ts'

/** What a node must remember across restarts besides its log. `term` and `vote` must be synced, `commit` need not be. */
export interface HardState {
  readonly term: Term
  /** Whom this node voted for in `term`. */
  readonly vote: NodeId | null
  /** Exclusive end of what is known to be committed. */
  readonly commit: Position
}

/** A state of the application at a position, or (`data` null) only the place where a log begins. */
export interface Snapshot<D = unknown> {
  readonly position: Position
  /** Term of the entry that ends at `position`. */
  readonly term: Term
  readonly confState: ConfState
  /** End of the last config entry contained in `confState`; may lie past `position` for a start-position hand-over. */
  readonly confPosition: Position
  /** The application's state, or a handle to it that the transport streams; null in a start-position hand-over. */
  readonly data: D | null
}

/** What {@link RaftStorage.initialState} answers. */
export interface InitialState<D> {
  /** Null for a node that has never run. */
  readonly hardState: HardState | null
  readonly confState: ConfState
  /** End of the last config entry contained in `confState`. Default: the start of the log. */
  readonly confPosition?: Position
  /**
   * The config entries of the log above `confPosition`, in order, committed or not. When absent the core reads the log
   * above `confPosition` once, at construction, to find them.
   */
  readonly configEntries?: readonly Entry<D>[]
}

/** Read access to the stored log of one group. */
export interface RaftStorage<D> {
  /** State to start from; called once, at construction. */
  initialState(): InitialState<D>
  /**
   * Entries from boundary `from` (inclusive) to boundary `to` (exclusive), at most `maxBytes` but always at least one.
   * They may be fewer than would fit: those that are in memory, say.
   *
   * @returns `compacted` when `from` lies below {@link startPosition}; `pending` when they must be loaded first: call
   * `RawNode.storageReady()` once they are.
   */
  entries(from: Position, to: Position, maxBytes: number): readonly Entry<D>[] | 'compacted' | 'pending'
  /**
   * Term of the entry that covers offset `position - 1`; at the start of the log, the term just before it (0 for an
   * empty log that begins at 0).
   *
   * @returns `compacted` below the start, `unavailable` past the end.
   */
  termAt(position: Position): Term | 'compacted' | 'unavailable'
  /** Where the log begins: the end of what was compacted away or handed over, 0 if nothing was. */
  startPosition(): Position
  /** Where the log ends. */
  endPosition(): Position
  /**
   * The greatest entry boundary at or below `position`; the start and the end of the log are boundaries. A storage that
   * would have to read its log to know may answer with a lower one, if it says so in {@link boundaries}.
   */
  boundaryAtOrBelow(position: Position): Position
  /**
   * Whether `boundaryAtOrBelow` knows every boundary (the default) or just `some`. With some, a node takes the word of
   * its peers for where entries end, instead of refusing what falls inside of one.
   */
  readonly boundaries?: 'all' | 'some'
  /**
   * The newest snapshot (or, in a plain log, its start with `data` null); `unavailable` to be asked again later. Its
   * configuration is the one in force at its position. Never called from within `RawNode.applyConfChange`.
   */
  snapshot(): Snapshot | 'unavailable'
}
