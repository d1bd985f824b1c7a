/** Public API of raft-ts: Raft without I/O. Start at {@link RawNode}; see README.md for a complete example. */
export * from './core/conf-change.ts'
export * from './core/entry.ts'
export type { GroupId, NodeId, Position, Term } from './core/ids.ts'
export { isNodeId, isPosition, isTerm, TERM_MAX } from './core/ids.ts'
export { RaftInvariantError } from './core/invariant.ts'
export { changeMembership, isJoint, isMember, isVoter, type MembershipResult } from './core/membership.ts'
export type * from './core/messages.ts'
export { PRIORITY_MAX, type RaftOptions, RaftOptionsError } from './core/options.ts'
export type { Proposal } from './core/proposals.ts'
export type * from './core/ready.ts'
export type {
  ProposeRefusal,
  ProposeResult,
  ReadIndexResult,
  ReportResult,
  StepResult,
  TransferResult,
} from './core/results.ts'
export { type ChunkResult, type SnapshotChunk, SnapshotReceiver, SnapshotSender } from './core/snapshot-chunks.ts'
export type * from './core/status.ts'
export type * from './core/storage.ts'
export type * from './core/trace.ts'
export { MemoryStorage, type MemoryStorageOptions } from './memory-storage.ts'
export { RawNode } from './raw-node.ts'
