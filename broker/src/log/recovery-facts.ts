/**
 * What a partition's folder says about itself before any log byte is read: the checkpoint, or, for a folder that has
 * none (copied from Kafka, say), the checkpoint that its files add up to.
 */
import { join } from 'node:path'
import { type FileSystem, fileErrorCode, TEMPORARY_SUFFIX } from '../storage/file-system.ts'
import { CompanionStore } from './companion-store.ts'
import {
  LEADER_EPOCH_CHECKPOINT_FILE,
  LOG_CHECKPOINT_FILE,
  parseSegmentFileName,
  RECOVERY_POINT_FILE,
  segmentFilePath,
} from './file-names.ts'
import { decodeEpochCheckpoint, type EpochEntry } from './leader-epoch-cache.ts'
import {
  decodeLogCheckpoint,
  LOG_CHECKPOINT_VERSION,
  type LogCheckpoint,
  type ScanStart,
  type SealedSegment,
} from './log-checkpoint.ts'
import { decodeRecoveryPoints, type RecoveryPoint } from './recovery-point.ts'
import { readTimeIndexEntry, TIME_INDEX_ENTRY_BYTES } from './time-index.ts'

/** See the file's header. */
export interface RecoveryFacts {
  /** null for an empty folder: the log is new. */
  readonly checkpoint: LogCheckpoint | null
  /** Durable end as far as anything says: what is damaged or missing below it is an error. */
  readonly flushedEndOffset: number
  /** The newest recovery point of the checkpoint's generation; null if none was written after it. */
  readonly recoveryPoint: RecoveryPoint | null
  readonly recoveryPointSequence: number
  /** The epoch file's bytes; empty when it is missing. */
  readonly epochFile: Buffer
  /** Base offsets of `.log` files, ascending. */
  readonly logBases: readonly number[]
  /** Base offsets of index files. */
  readonly indexBases: ReadonlySet<number>
  readonly companions: CompanionStore
}

/** Reads the small files of the folder and removes leftovers of interrupted atomic writes. */
export async function readRecoveryFacts(directory: string, fileSystem: FileSystem): Promise<RecoveryFacts> {
  const names = await fileSystem.readDirectory(directory)
  for (const name of names) {
    if (name.endsWith(TEMPORARY_SUFFIX)) await fileSystem.remove(join(directory, name))
  }
  const files = names.map(parseSegmentFileName).filter((file) => file !== null)
  const logBases = files.filter((file) => file.kind === 'log').map((file) => Number(file.offset))
  logBases.sort((left, right) => left - right)
  const indexFiles = files.filter((file) => file.kind === 'index' || file.kind === 'timeindex')
  const recovery = decodeRecoveryPoints(await readIfThere(fileSystem, join(directory, RECOVERY_POINT_FILE)))
  const stored = await readIfThere(fileSystem, join(directory, LOG_CHECKPOINT_FILE))
  const written = decodeLogCheckpoint(stored)
  const epochFile = await readIfThere(fileSystem, join(directory, LEADER_EPOCH_CHECKPOINT_FILE))
  const epochs = decodeEpochCheckpoint(epochFile)
  const checkpoint = written ?? (await synthesize(directory, fileSystem, logBases, stored.length > 0 ? null : epochs))
  const recoveryPoint = recovery.points.find((point) => point.generation === written?.generation) ?? null
  // Where the checkpoint is damaged the generation is unknown; the newest point is then the best word on what was
  // durable.
  const lastResort = written === null && stored.length > 0 ? recovery.points[0] : undefined
  const flushedEndOffset = (recoveryPoint ?? lastResort)?.flushedEndOffset ?? 0
  return {
    checkpoint,
    flushedEndOffset: Math.max(checkpoint?.flushedEndOffset ?? 0, flushedEndOffset),
    recoveryPoint,
    recoveryPointSequence: recovery.sequence,
    epochFile,
    logBases,
    indexBases: new Set(indexFiles.map((file) => Number(file.offset))),
    companions: new CompanionStore(directory, fileSystem, names),
  }
}

/**
 * The checkpoint that a folder without one amounts to: all segments but the last are taken as sealed, the last is
 * scanned from its start.
 *
 * @param epochs of the epoch file; null if it gives no answer or the checkpoint was there but damaged: then
 * everything is scanned.
 */
async function synthesize(
  directory: string,
  fileSystem: FileSystem,
  logBases: readonly number[],
  epochs: readonly EpochEntry[] | null,
): Promise<LogCheckpoint | null> {
  const first = logBases[0]
  if (first === undefined) return null
  const scanAll = epochs === null
  const scanBase = scanAll ? first : logBases.at(-1)!
  const sealed: SealedSegment[] = []
  for (const [index, baseOffset] of logBases.slice(0, scanAll ? 0 : -1).entries()) {
    sealed.push(await describeForeign(directory, fileSystem, baseOffset, logBases[index + 1]!))
  }
  return {
    version: LOG_CHECKPOINT_VERSION,
    generation: 0,
    logStartOffset: first,
    flushedEndOffset: scanBase,
    sealed,
    scan: scanFrom(scanBase),
    epochs: (epochs ?? [])
      .filter((entry) => entry.startOffset < scanBase)
      .map((entry) => [entry.epoch, entry.startOffset] as const),
    controlRuns: [],
    redo: null,
  }
}

async function describeForeign(
  directory: string,
  fileSystem: FileSystem,
  baseOffset: number,
  endOffset: number,
): Promise<SealedSegment> {
  const sizeBytes = await fileSystem.size(segmentFilePath(directory, baseOffset, 'log'))
  const timeIndex = await readIfThere(fileSystem, segmentFilePath(directory, baseOffset, 'timeindex'))
  const count = Math.floor(timeIndex.length / TIME_INDEX_ENTRY_BYTES)
  const maxTimestamp =
    count === 0 ? -1 : readTimeIndexEntry(timeIndex, (count - 1) * TIME_INDEX_ENTRY_BYTES, baseOffset).timestamp
  return { baseOffset, endOffset, sizeBytes, maxTimestamp, sealedAtMs: 0 }
}

/** A scan start that trusts nothing of the segment. */
export function scanFrom(baseOffset: number): ScanStart {
  return {
    segmentBaseOffset: baseOffset,
    offset: baseOffset,
    position: 0,
    offsetIndexCount: 0,
    timeIndexCount: 0,
    maxTimestamp: -1,
    maxTimestampOffset: baseOffset,
    lastIndexedTimestamp: -1,
    firstAppendMs: null,
  }
}

async function readIfThere(fileSystem: FileSystem, path: string): Promise<Buffer> {
  try {
    return await fileSystem.readFile(path)
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}
