/**
 * The numbers Raft reasons with.
 *
 * A *position* is the exclusive end of a prefix: position p means "the log up to and not including offset p", so 0 is the
 * empty log, `commit` is the high watermark and nothing ever needs a `- 1`. For entries of one index each, numbered from 1,
 * a position is the classic Raft index.
 */

/** Identity of one replica of a group; integer >= 0. A wiped disk must come back under a new id. */
export type NodeId = number

/** Identity of a Raft group. Compared with `===`, never interpreted. */
export type GroupId = string | number

/** Exclusive end of a prefix of the log; integer 0..2^53-1. */
export type Position = number

/** Election term; integer 0..2^31-1, 0 = before any election. */
export type Term = number

/** "Nobody" inside the core; public types say `null`. */
export const NO_NODE: NodeId = -1

/** Largest term: terms travel as int32 in the formats that embed Raft (Kafka's leader epoch). */
export const TERM_MAX: Term = 0x7fff_ffff

/** True for an integer that can name a log position. */
export function isPosition(value: unknown): value is Position {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** True for an integer that can be a term, 0 included. */
export function isTerm(value: unknown): value is Term {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= TERM_MAX
}

/** True for an integer that can name a node. */
export function isNodeId(value: unknown): value is NodeId {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
