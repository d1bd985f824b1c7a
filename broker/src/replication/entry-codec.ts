/**
 * Raft entries and the batches that they are in the log.
 *
 * An entry of data is a producer's batch; the first entry of a leader is a LEADER_CHANGE control batch of one offset.
 * The voters of a partition are fixed when it is created, so no entry changes them.
 */
import { invariant, toLeaderEpoch, toOffset } from '@stratalog/proto'
import { baseOffsetOf, isControl, lastOffsetOf, leaderEpochOf, sizeOf, stampBatch } from '@stratalog/proto/records'
import type { Entry, Position, Term } from 'raft-ts'
import { endOffsetAt, leaderEpochOfTerm, positionAt, termOfLeaderEpoch } from './raft-ids.ts'

/**
 * The batch of an entry, stamped with its offset and term; data was stamped when it was proposed.
 *
 * @param leaderBatch makes the control batch of a leader's first entry.
 */
export function batchOf(entry: Entry<Buffer>, leaderBatch: () => Buffer): Buffer {
  invariant(entry.kind !== 'config', 'nobody changes the voters of a partition')
  const batch = entry.kind === 'leader' ? leaderBatch() : entry.data
  invariant(batch !== null, 'an entry of data has a batch')
  if (entry.kind === 'leader') stampEntry(batch, entry)
  invariant(baseOffsetOf(batch, 0) === entry.base, 'a batch is stamped with the offset of its entry')
  invariant(lastOffsetOf(batch, 0) + 1 === entry.end, 'a batch covers the offsets of its entry')
  return batch
}

/** Stamps a batch with the offset and term that Raft gave it. */
export function stampEntry(batch: Buffer, entry: { readonly base: Position; readonly term: Term }): void {
  stampBatch(batch, 0, endOffsetAt(entry.base), leaderEpochOfTerm(entry.term))
}

/** The entries in `bytes`, whole batches as they were appended. Data of entries are views of `bytes`. */
export function entriesIn(bytes: Buffer): Entry<Buffer>[] {
  const entries: Entry<Buffer>[] = []
  for (let position = 0; position < bytes.length; ) {
    const sizeBytes = sizeOf(bytes, position)
    const control = isControl(bytes, position)
    entries.push({
      base: positionAt(toOffset(baseOffsetOf(bytes, position))),
      end: positionAt(toOffset(lastOffsetOf(bytes, position) + 1)),
      term: termOfLeaderEpoch(toLeaderEpoch(leaderEpochOf(bytes, position))),
      kind: control ? 'leader' : 'data',
      bytes: control ? 0 : sizeBytes,
      data: control ? null : bytes.subarray(position, position + sizeBytes),
      change: null,
    })
    position += sizeBytes
  }
  return entries
}
