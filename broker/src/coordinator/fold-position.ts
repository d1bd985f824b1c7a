/**
 * How far the log of a coordinator partition is folded into its rows, and what was seen of checkpoints on the way.
 *
 * A checkpoint is all live records appended again, between two marks: whoever has folded its end needs nothing that lies
 * before its beginning. One whose end never came (its leader was lost) counts for nothing. Immutable. Pure.
 */
import { invariant } from '@stratalog/proto'
import type { CheckpointMark, CoordinatorRecord } from './group/group-records.ts'

/** See the file's header. */
export interface FoldPosition {
  /** Everything below is in the rows (exclusive). */
  readonly foldedEnd: number
  /** Bytes of log that were folded since the last whole checkpoint, or since the log's start. */
  readonly bytesSinceCheckpoint: number
  /** The checkpoint that has begun last, unless it has ended. */
  readonly begun: { readonly checkpointId: number; readonly offset: number } | null
  /** Where the last whole checkpoint begins: what lies below is not needed. */
  readonly neededFrom: number
}

/** Of a log of which nothing has been folded. @param logStartOffset where it begins. */
export function foldFrom(logStartOffset: number): FoldPosition {
  return { foldedEnd: logStartOffset, bytesSinceCheckpoint: 0, begun: null, neededFrom: logStartOffset }
}

/** Whether a record marks a checkpoint, and is no part of the state. */
export function isMark(record: CoordinatorRecord): record is CheckpointMark {
  return record.type === 'checkpoint-begin' || record.type === 'checkpoint-end'
}

/** After a mark. @param offset a batch boundary at or below the mark. */
export function markSeen(position: FoldPosition, { type, checkpointId }: CheckpointMark, offset: number): FoldPosition {
  if (type === 'checkpoint-begin') return { ...position, begun: { checkpointId, offset } }
  if (position.begun?.checkpointId !== checkpointId) return position
  return { ...position, bytesSinceCheckpoint: 0, begun: null, neededFrom: position.begun.offset }
}

/** After a batch. */
export function batchFolded(position: FoldPosition, endOffset: number, sizeBytes: number): FoldPosition {
  invariant(endOffset > position.foldedEnd, 'batches are folded in the order of the log')
  return { ...position, foldedEnd: endOffset, bytesSinceCheckpoint: position.bytesSinceCheckpoint + sizeBytes }
}

/** As a row of the store. */
export function encodeFoldPosition(position: FoldPosition): Buffer {
  return Buffer.from(JSON.stringify({ version: 1, ...position }))
}

/** Null for a row of another version: then the log is folded anew. */
export function decodeFoldPosition(row: Buffer): FoldPosition | null {
  const { version, ...position } = JSON.parse(row.toString()) as FoldPosition & { version: number }
  return version === 1 ? position : null
}
