/** A look inside a node, for operators and tests. Allocates; not for the hot path. */
import type { ConfState } from './conf-change.ts'
import type { NodeId, Position, Term } from './ids.ts'
import type { Role } from './ready.ts'

/** How a leader replicates to one peer: one append at a time, pipelined, or waiting for a snapshot to arrive. */
export type ProgressState = 'probe' | 'replicate' | 'snapshot'

/** A leader's view of one peer (and of itself). */
export interface ProgressStatus {
  readonly id: NodeId
  readonly state: ProgressState
  /** The peer's log is known to match, durably, up to here. */
  readonly match: Position
  /** The next append starts here. */
  readonly next: Position
  readonly learner: boolean
  readonly paused: boolean
  readonly recentlyActive: boolean
  readonly inflightCount: number
  readonly inflightFull: boolean
  /** Position of the snapshot under way; null when none. */
  readonly pendingSnapshot: Position | null
}

/** Everything worth showing about a node. */
export interface Status {
  readonly id: NodeId
  readonly role: Role
  readonly term: Term
  readonly vote: NodeId | null
  readonly leaderId: NodeId | null
  /** True once a leader has committed an entry of its own term: it may serve clients. */
  readonly leaderReady: boolean
  readonly startPosition: Position
  readonly endPosition: Position
  /** Up to where this node's own log is known to be durable; 0 while a snapshot that replaces it is being written. */
  readonly persistedPosition: Position
  readonly commit: Position
  readonly applied: Position
  readonly confState: ConfState
  /** Whom leadership is being handed to. */
  readonly transferTarget: NodeId | null
  readonly uncommittedBytes: number
  readonly quiescent: boolean
  /** Empty unless leader; in order of id. */
  readonly progress: readonly ProgressStatus[]
}
