/**
 * Where Raft's numbers and the log's meet: the only file that turns one into the other.
 *
 * A Raft position is the exclusive end of a prefix of the log, so position p is the log that ends at offset p, the
 * commit position is the high watermark, and an entry [base, end) is the batch of the offsets base..end-1. A term is a
 * leader epoch, a Raft node is a broker. Only the type changes, never the value.
 */
import { type BrokerId, type LeaderEpoch, type Offset, toBrokerId, toLeaderEpoch, toOffset } from '@stratalog/proto'
import type { NodeId, Position, Term } from 'raft-ts'

/** The log's end (exclusive) at a position: of the commit position, the high watermark. */
export function endOffsetAt(position: Position): Offset {
  return toOffset(position)
}

/** The position of a log that ends at `endOffset` (exclusive). */
export function positionAt(endOffset: Offset): Position {
  return endOffset
}

/** The leader epoch that a term is stamped as. */
export function leaderEpochOfTerm(term: Term): LeaderEpoch {
  return toLeaderEpoch(term)
}

/** The term of a stamped leader epoch. */
export function termOfLeaderEpoch(epoch: LeaderEpoch): Term {
  return epoch
}

/** The broker behind a node. */
export function brokerOfNode(node: NodeId): BrokerId {
  return toBrokerId(node)
}

/** The node that a broker is in its groups. */
export function nodeOfBroker(broker: BrokerId): NodeId {
  return broker
}
