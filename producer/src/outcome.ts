/** What each error of a broker means for the batch that it answers. */
import type { ErrorName, StratalogError } from '@stratalog/proto'

/**
 * - `retry`: send again; the batch may have been written by the attempt that failed.
 * - `refused`: send again; this attempt certainly wrote nothing.
 * - `sequence`: the broker refuses the sequence or epoch; nothing was written.
 * - `written`: it was written before, its offset is not known any more.
 * - `split`: send again in smaller batches; this attempt wrote nothing.
 * - `fatal`: give up; this attempt wrote nothing.
 */
export type Verdict = 'retry' | 'refused' | 'sequence' | 'written' | 'split' | 'fatal'

const REFUSALS: ReadonlySet<ErrorName> = new Set([
  'OVERLOADED',
  'UNKNOWN_TOPIC_ID',
  'UNKNOWN_TOPIC_OR_PARTITION',
] as const)

const SEQUENCE_ERRORS: ReadonlySet<ErrorName> = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
] as const)

/** Errors after which the leader must be looked up again. */
const LEADER_ERRORS: ReadonlySet<ErrorName> = new Set([
  'BROKER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'LEADER_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'REQUEST_TIMED_OUT',
  'SHUTTING_DOWN',
  'STORAGE_ERROR',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_ID',
  'UNKNOWN_TOPIC_OR_PARTITION',
] as const)

/**
 * The verdict on a batch that was answered with `error`. A leader that steps down may have written what it then
 * refuses, so every retriable error leaves doubt unless it is known not to.
 */
export function verdictOf(error: StratalogError): Verdict {
  if (error.code === 'DUPLICATE_SEQUENCE_NUMBER') return 'written'
  if (error.code === 'MESSAGE_TOO_LARGE') return 'split'
  if (SEQUENCE_ERRORS.has(error.code)) return 'sequence'
  if (REFUSALS.has(error.code)) return 'refused'
  return error.retriable ? 'retry' : 'fatal'
}

/** Whether the partition's leader must be looked up again before the next attempt. */
export function leaderIsSuspect(error: StratalogError): boolean {
  return LEADER_ERRORS.has(error.code)
}
