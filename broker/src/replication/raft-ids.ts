/**
 * Where Raft's numbers and the log's meet: the only file that turns one into the other.
 *
 * A Raft position is the exclusive end of a prefix of the log, so position p is the log that ends at offset p, the
 * commit position is the high watermark, and an entry [base, end) is the batch of the offsets base..end-1. A term is a
 * leader epoch. Only the type changes, never the value.
 *
 * A Raft node is one copy of a partition: the broker that holds it, and which of its copies. A copy whose memory is gone
 * (a wiped, damaged or restored disk) may have voted and acknowledged what it no longer knows, so it never comes back as
 * the node that it was: the next copy has the next generation, joins as a learner and takes the old one's place.
 * ```
 *  node = generation * 65,536 + broker id
 * ```
 */
import {
  type BrokerId,
  invariant,
  type LeaderEpoch,
  type Offset,
  toBrokerId,
  toLeaderEpoch,
  toOffset,
} from '@stratalog/proto'
import type { NodeId, Position, Term } from 'raft-ts'

/** Highest broker id. */
export const BROKER_ID_MAX = 0xffff
/** Highest generation of a copy: nodes stay within int32, as Kafka's control records have them. */
export const GENERATION_MAX = 0x7fff

const GENERATION_STEP = BROKER_ID_MAX + 1

/** One copy of a partition. */
export interface Replica {
  readonly brokerId: number
  /** 0 for the first copy on that broker, one more for each that was lost. */
  readonly generation: number
}

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
  return toBrokerId(node % GENERATION_STEP)
}

/** Which of its broker's copies a node is. */
export function generationOfNode(node: NodeId): number {
  return Math.floor(node / GENERATION_STEP)
}

/** The node that a copy is in its group. */
export function nodeOfReplica({ brokerId, generation }: Replica): NodeId {
  invariant(brokerId >= 0 && brokerId <= BROKER_ID_MAX, () => `broker id ${brokerId} is out of range`)
  invariant(generation >= 0 && generation <= GENERATION_MAX, () => `generation ${generation} is out of range`)
  return generation * GENERATION_STEP + brokerId
}

/** The copy behind a node. */
export function replicaOfNode(node: NodeId): Replica {
  return { brokerId: brokerOfNode(node), generation: generationOfNode(node) }
}
