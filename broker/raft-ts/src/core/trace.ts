/**
 * What the core tells a logger: structured events, never text. Rendering is the listener's business.
 */
import type { ConfState } from './conf-change.ts'
import type { NodeId, Position, Term } from './ids.ts'
import type { MessageType } from './messages.ts'

/** One event; `term` is the node's own at that moment. */
export type TraceEvent =
  | {
      readonly kind: 'became-follower' | 'became-pre-candidate' | 'became-candidate' | 'became-leader'
      readonly term: Term
    }
  | { readonly kind: 'election-started'; readonly term: Term }
  | {
      readonly kind: 'election-refused'
      readonly term: Term
      readonly why: 'already-leader' | 'unpromotable' | 'pending-conf-change'
    }
  | {
      readonly kind: 'vote-requested'
      readonly term: Term
      readonly to: NodeId
      readonly request: MessageType
      readonly lastEnd: Position
      readonly lastTerm: Term
    }
  | {
      readonly kind: 'vote-cast' | 'vote-rejected' | 'vote-ignored'
      readonly term: Term
      readonly from: NodeId
      readonly request: MessageType
      readonly vote: NodeId | null
      readonly lastEnd: Position
      readonly lastTerm: Term
      readonly candidateEnd: Position
      readonly candidateTerm: Term
      /** Ticks left in which the present leader is protected; only with `vote-ignored`. */
      readonly leaseTicks: number
    }
  | {
      readonly kind: 'vote-received'
      readonly term: Term
      readonly from: NodeId
      readonly response: MessageType
      readonly granted: boolean
      readonly grantedCount: number
      readonly rejectedCount: number
    }
  | {
      readonly kind: 'higher-term-seen'
      readonly term: Term
      readonly from: NodeId
      readonly messageTerm: Term
      readonly message: MessageType
    }
  | {
      readonly kind: 'lower-term-ignored'
      readonly term: Term
      readonly from: NodeId
      readonly messageTerm: Term
      readonly message: MessageType
    }
  | {
      readonly kind: 'append-rejected'
      readonly term: Term
      readonly from: NodeId
      readonly prev: Position
      readonly prevTerm: Term
      readonly ownTerm: Term
    }
  | {
      readonly kind: 'conflict-found'
      readonly term: Term
      readonly position: Position
      readonly ownTerm: Term
      readonly newTerm: Term
    }
  | { readonly kind: 'log-truncated'; readonly term: Term; readonly to: Position }
  | {
      readonly kind: 'rejection-received'
      readonly term: Term
      readonly from: NodeId
      readonly prev: Position
      readonly hint: Position
      readonly hintTerm: Term
    }
  | {
      readonly kind:
        | 'progress-decreased'
        | 'snapshot-sent'
        | 'snapshot-succeeded'
        | 'snapshot-failed'
        | 'snapshot-recovered'
        | 'unreachable'
      readonly term: Term
      readonly peer: NodeId
      readonly position: Position
    }
  | {
      readonly kind: 'snapshot-restored' | 'snapshot-ignored' | 'snapshot-fast-forwarded'
      readonly term: Term
      readonly position: Position
      readonly snapshotTerm: Term
      readonly commit: Position
    }
  | { readonly kind: 'quorum-lost'; readonly term: Term }
  | { readonly kind: 'leader-forgotten'; readonly term: Term; readonly leaderId: NodeId }
  | { readonly kind: 'leader-kept'; readonly term: Term }
  | { readonly kind: 'configuration'; readonly term: Term; readonly confState: ConfState }
  | { readonly kind: 'conf-change-ignored'; readonly term: Term; readonly detail: string }
  | { readonly kind: 'auto-leave-started'; readonly term: Term }
  | {
      readonly kind: 'proposal-dropped'
      readonly term: Term
      readonly why: 'no-leader' | 'transferring' | 'overloaded'
    }
  | {
      readonly kind:
        | 'transfer-started'
        | 'transfer-ended'
        | 'timeout-now-sent'
        | 'timeout-now-received'
        | 'timeout-now-ignored'
      readonly term: Term
      readonly peer: NodeId
    }
  | {
      readonly kind: 'attestation-ignored'
      readonly term: Term
      readonly end: Position
      readonly why: 'older-term' | 'already-stable' | 'replaced'
    }
  | { readonly kind: 'quiesced' | 'woken'; readonly term: Term }

/** Receives every event, synchronously. Must not call back into the node. */
export type TraceListener = (event: TraceEvent) => void
