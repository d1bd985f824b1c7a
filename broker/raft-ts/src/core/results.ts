/**
 * Answers to calls on a RawNode. Expected outcomes are data; nothing here is ever thrown.
 */
import type { NodeId, Position, Term } from './ids.ts'

/** Why a proposal was not taken. */
export type ProposeRefusal =
  | { readonly kind: 'not-leader'; readonly leaderId: NodeId | null }
  /** The uncommitted part of the log is full: wait for commits. */
  | { readonly kind: 'overloaded'; readonly limitBytes: number; readonly uncommittedBytes: number }
  | { readonly kind: 'too-large'; readonly limitBytes: number }
  /** Leadership is being handed over: retry at `to`. */
  | { readonly kind: 'transferring'; readonly to: NodeId }
  /** This leader has been removed from the group and takes no more. */
  | { readonly kind: 'removed' }
  | { readonly kind: 'malformed'; readonly detail: string }
  /** A change of membership that cannot follow the present one, or an earlier one is not applied yet. */
  | { readonly kind: 'conf-change-refused'; readonly detail: string }

/** Answer to `propose` and `proposeConfChange`. Accepted means appended by this leader, not yet durable or committed. */
export type ProposeResult =
  | { readonly kind: 'accepted'; readonly base: Position; readonly end: Position; readonly term: Term }
  /** Passed on to the leader, without a promise (only with `forwardProposals`). */
  | { readonly kind: 'forwarded'; readonly to: NodeId }
  | ProposeRefusal

/** Answer to `step`. */
export type StepResult =
  | { readonly kind: 'accepted' }
  | {
      readonly kind: 'refused'
      readonly reason:
        | 'wrong-group'
        | 'wrong-recipient'
        | 'unknown-peer'
        | 'malformed'
        | 'term-out-of-range'
        /** The message contradicts what is committed here, or names positions that do not exist: its sender is broken. */
        | 'impossible'
      readonly detail: string
    }

/** Answer to `persisted` and `applied`. */
export type ReportResult = { readonly kind: 'accepted' } | { readonly kind: 'refused'; readonly detail: string }

/** Answer to `readIndex`. `pending` reads come back as read states in a Ready, or never if leadership is lost. */
export type ReadIndexResult =
  | { readonly kind: 'pending' }
  | { readonly kind: 'not-leader'; readonly leaderId: NodeId | null }
  | { readonly kind: 'overloaded'; readonly limit: number }

/** Answer to `transferLeadership`. `started` ends by a change of role, or by itself after one election timeout. */
export type TransferResult =
  | { readonly kind: 'started' }
  | { readonly kind: 'forwarded'; readonly to: NodeId }
  | { readonly kind: 'refused'; readonly reason: 'not-leader' | 'unknown-peer' | 'learner' | 'already-leader' }

/** The one accepted answer, shared so that stepping a message allocates nothing. */
export const ACCEPTED: { readonly kind: 'accepted' } = Object.freeze({ kind: 'accepted' })
