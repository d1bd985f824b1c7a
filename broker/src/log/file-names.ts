/** Names of the files in a partition's folder. Those of segments are Kafka's; docs/log-format.md lists them all. */
import { join } from 'node:path'
import { type Offset, toOffset } from '@stratalog/proto'

/** Epochs and their start offsets, in Kafka's text form. */
export const LEADER_EPOCH_CHECKPOINT_FILE = 'leader-epoch-checkpoint'
/** The recovery checkpoint, see log-checkpoint.ts. */
export const LOG_CHECKPOINT_FILE = 'log-checkpoint'
/** The flushed end, see recovery-point.ts. */
export const RECOVERY_POINT_FILE = 'recovery-point'
/** Suffix of a partition folder that is being deleted; whoever finds one at start removes it. */
export const DELETED_DIRECTORY_SUFFIX = '.deleted'

/** What a file of a segment, or a companion snapshot, holds. */
export type SegmentFileKind = 'log' | 'index' | 'timeindex' | 'snapshot'

const SEGMENT_FILE = /^(\d{20})\.(log|index|timeindex|snapshot)$/

/** `<20-digit offset>.<kind>` in the folder. */
export function segmentFilePath(directory: string, offset: number, kind: SegmentFileKind): string {
  return join(directory, `${String(offset).padStart(20, '0')}.${kind}`)
}

/** Parses a file name (no folder), or null when it is none of a segment's. */
export function parseSegmentFileName(name: string): { offset: Offset; kind: SegmentFileKind } | null {
  const match = SEGMENT_FILE.exec(name)
  if (match === null) return null
  const offset = Number(match[1])
  return Number.isSafeInteger(offset) ? { offset: toOffset(offset), kind: match[2] as SegmentFileKind } : null
}
