/**
 * Names in an output folder. They follow from the split alone, so that a second run writes the same files; names that begin with
 * `_` are left out by readers of such folders (DuckDB's and Spark's globs of `topic=*`).
 */
import { offsetText, type ReplaySplit } from '../manifest.ts'

/** The journal of a replay. */
export const CHECKPOINT_FILE = '_checkpoint.ndjson'
/** There while a replay runs. */
export const LOCK_FILE = '_lock'
/** Counts and checksums. */
export const SUMMARY_FILE = '_summary.json'
/** Empty; there when the output is whole. */
export const SUCCESS_FILE = '_SUCCESS'
/** Records that did not fit. */
export const REJECTS_FOLDER = '_rejected'

/** Of a split's file: `topic=T/part=P/<start>-<end>.<ending>`. */
export function splitFilePath(split: ReplaySplit, ending: string): string {
  const { topic, partition, startOffset, endOffset } = split
  return `topic=${topic}/part=${partition}/${offsetText(startOffset)}-${offsetText(endOffset)}${ending}`
}

/** Of the file of what did not fit. */
export function rejectFilePath(split: ReplaySplit): string {
  return `${REJECTS_FOLDER}/${splitFilePath(split, '.ndjson')}`
}
