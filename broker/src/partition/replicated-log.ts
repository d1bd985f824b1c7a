/**
 * The port to the log that a state machine follows and appends to: the metadata group, or a coordinator of groups. The real
 * one is a partition (partition-replicated-log.ts).
 *
 * Offsets are ends (exclusive) unless said. What is committed never changes, on any broker.
 */
import type { StratalogError } from '@stratalog/proto'

/** A replica of a replicated log. */
export interface ReplicatedLog {
  /** Whether this replica leads, and has committed an entry of its own term: all that was committed before is in its log. */
  readonly isLeader: boolean
  /** Broker id of the leader; null while none is known. */
  readonly leaderId: number | null
  /** The term; 0 = no leader ever. */
  readonly leaderEpoch: number
  /** What may be read here: committed, and flushed by this replica. Never goes back. */
  readonly committedEnd: number
  /** What is in this replica's log, committed or not. */
  readonly logEndOffset: number
  /** Why this replica is of no use any more, until it is opened anew; null while it is. */
  readonly failure: StratalogError | null

  /** Proposes one batch, whose ownership passes. Never throws. */
  append(batch: Buffer): Appending

  /**
   * Committed data batches from the one that holds `from` on, at most `maxBytes` but at least one if there is any below
   * {@link committedEnd}. Errors: OFFSET_OUT_OF_RANGE below the log start, and those of the disk.
   */
  read(from: number, maxBytes: number): Promise<LogRead>

  /** Calls `listener`, synchronously, whenever one of the properties may have changed. Returns how to stop it. */
  onAdvance(listener: () => void): () => void
}

/** Whole batches of data; what lies between them is left out. */
export interface LogRead {
  /** One or more batches in each chunk, not to be changed; none when there is nothing more. */
  readonly chunks: readonly Buffer[]
  /** Where to read on. */
  readonly nextOffset: number
}

/** A batch on its way. */
export interface Appending {
  /** Where it lies in this replica's log; null when it was refused and lies nowhere. */
  readonly place: { readonly endOffset: number; readonly leaderEpoch: number } | null
  /**
   * Resolves when it is committed. Rejects with a StratalogError when it was refused, or when it cannot be told here what
   * becomes of it: then it may be committed yet.
   */
  readonly committed: Promise<void>
}
