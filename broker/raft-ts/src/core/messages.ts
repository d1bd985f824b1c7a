/**
 * Messages between the nodes of a group: one type per message, told apart by `type`.
 *
 * Every message carries its group, sender, receiver and the sender's term. Messages may be lost, duplicated, delayed and
 * reordered; nothing here depends on the transport beyond that it does not alter them.
 */
import type { ConfChange } from './conf-change.ts'
import type { Entry } from './entry.ts'
import type { GroupId, NodeId, Position, Term } from './ids.ts'
import type { Snapshot } from './storage.ts'

/** Names a read request; made by the caller of `readIndex`, returned in its ReadState, never interpreted. */
export type ReadContext = string | number

interface Envelope {
  readonly group: GroupId
  readonly from: NodeId
  readonly to: NodeId
  /** The sender's term; in a pre-vote request and its grant, the term that would be campaigned for. */
  readonly term: Term
}

/** Leader to follower: entries that follow `prev`, possibly none. Raft AppendEntries. */
export interface AppendMessage<D> extends Envelope {
  readonly type: 'append'
  readonly prev: Position
  readonly prevTerm: Term
  readonly entries: readonly Entry<D>[]
  readonly commit: Position
}

/** Follower to leader: my log matches yours up to `end`, durably. A leader also sends it to itself. */
export interface AppendAcceptedMessage extends Envelope {
  readonly type: 'append-accepted'
  readonly end: Position
}

/** Follower to leader: no entry of mine ends at `prev` with that term; the logs may match at `hint`. */
export interface AppendRejectedMessage extends Envelope {
  readonly type: 'append-rejected'
  readonly prev: Position
  readonly hint: Position
  /** Term of the sender's log at `hint`; 0 when not known. */
  readonly hintTerm: Term
  /** The logs do match, but the sender was never told who the members are: it needs a hand-over first. */
  readonly unconfigured: boolean
}

/** To a leader of an older term: there is a newer one. */
export interface StaleTermMessage extends Envelope {
  readonly type: 'stale-term'
}

/** Leader to follower, when there is nothing to append. */
export interface HeartbeatMessage extends Envelope {
  readonly type: 'heartbeat'
  /** Never past what the follower is known to match. */
  readonly commit: Position
  /** Read round to confirm; 0 = none. */
  readonly readRound: number
}

/** Follower to leader. */
export interface HeartbeatResponseMessage extends Envelope {
  readonly type: 'heartbeat-response'
  readonly readRound: number
}

/** Leader to follower: the group is idle and all of its logs end at `end`; stop your election timer until woken. */
export interface QuiesceMessage extends Envelope {
  readonly type: 'quiesce'
  readonly end: Position
  readonly endTerm: Term
}

/**
 * How far the sender's log is committed. Carried by votes, for a node that cannot be elected because it does not know yet
 * that a change of membership in its own log is committed.
 */
interface CommitNews {
  readonly commit: Position
  readonly commitTerm: Term
}

/** Candidate to voter. */
export interface VoteRequestMessage extends Envelope, CommitNews {
  readonly type: 'vote-request' | 'pre-vote-request'
  readonly lastEnd: Position
  readonly lastTerm: Term
  /** Asked for by the leader itself: do not hold back because there is a leader (dissertation 4.2.3). */
  readonly transfer: boolean
}

/** Voter to candidate; also from a candidate to itself once its own vote is durable. */
export interface VoteResponseMessage extends Envelope, CommitNews {
  readonly type: 'vote-response' | 'pre-vote-response'
  readonly granted: boolean
}

/** Leader to a follower whose next entries are compacted away: begin from this. */
export interface SnapshotMessage extends Envelope {
  readonly type: 'snapshot'
  readonly snapshot: Snapshot
}

/** Leader to the follower that is to take over: campaign now. */
export interface TimeoutNowMessage extends Envelope {
  readonly type: 'timeout-now'
}

/** Follower to leader: hand leadership to `target`. */
export interface TransferRequestMessage extends Envelope {
  readonly type: 'transfer-request'
  readonly target: NodeId
}

/** Follower to leader: a proposal (data, or a change when `change` is set) passed on. Only with `forwardProposals`. */
export interface ForwardProposalMessage<D> extends Envelope {
  readonly type: 'forward-proposal'
  readonly length: number
  readonly bytes: number
  readonly data: D | null
  readonly change: ConfChange | null
}

/** Follower to leader: what must I have applied before I answer this read? */
export interface ReadRequestMessage extends Envelope {
  readonly type: 'read-request'
  readonly context: ReadContext
}

/** Leader to follower. */
export interface ReadResponseMessage extends Envelope {
  readonly type: 'read-response'
  readonly context: ReadContext
  readonly position: Position
}

/** Everything that travels between nodes. */
export type Message<D> =
  | AppendMessage<D>
  | AppendAcceptedMessage
  | AppendRejectedMessage
  | StaleTermMessage
  | HeartbeatMessage
  | HeartbeatResponseMessage
  | QuiesceMessage
  | VoteRequestMessage
  | VoteResponseMessage
  | SnapshotMessage
  | TimeoutNowMessage
  | TransferRequestMessage
  | ForwardProposalMessage<D>
  | ReadRequestMessage
  | ReadResponseMessage

/** The `type` of every message. */
export type MessageType = Message<unknown>['type']
