/** Whether a reader comes from a log that was cut and written anew since (KIP-320's check, by the epoch of its last record). */
import { StratalogError } from '@stratalog/proto'
import type { PartitionLog } from '../log/partition-log.ts'

/** The log that is read, its leader's epoch, and how it is called. */
export interface CheckedLog {
  readonly log: PartitionLog
  readonly leaderEpoch: number
  readonly place: { readonly topic: string; readonly partition: number }
}

/**
 * What is wrong with a reader that last saw `lastEpoch` and stands at `offset`; null when it read what this log holds.
 *
 * UNKNOWN_LEADER_EPOCH for an epoch from the future; OFFSET_OUT_OF_RANGE when the log was cut and written anew below the
 * offset.
 */
export function epochFault(
  { log, leaderEpoch, place }: CheckedLog,
  lastEpoch: number,
  offset: number,
): StratalogError | null {
  if (lastEpoch > leaderEpoch) {
    const text = `leader epoch ${lastEpoch} is newer than this broker's ${leaderEpoch}`
    return new StratalogError('UNKNOWN_LEADER_EPOCH', text, place)
  }
  const known = log.epochs.endOffsetFor(lastEpoch, log.logEndOffset)
  if (known === null || offset <= known.endOffset) return null
  const text = `offset ${offset} was read in leader epoch ${lastEpoch}, which ends at ${known.endOffset} here: the log was cut`
  return new StratalogError('OFFSET_OUT_OF_RANGE', text, {
    ...place,
    metadata: { offset: String(offset), divergingEpoch: String(known.epoch), endOffset: String(known.endOffset) },
  })
}
