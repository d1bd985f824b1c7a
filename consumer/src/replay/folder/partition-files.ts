/**
 * The files of a partition's folder, as a reader without a broker sees them: names, the topic's id, and the recovery
 * checkpoint (docs/log-format.md "Segment files").
 *
 * Everything here only reads, takes no lock, and may run beside a broker that writes: files appear, are replaced by a
 * rename and vanish at any moment, so each answer is of one moment.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c } from '@stratalog/proto/records'

const SEGMENT_FILE = /^(\d{20})\.log$/
const CRC_DIGITS = 8

/** A segment's log file. */
export interface SegmentFile {
  readonly baseOffset: number
  readonly path: string
}

/** What is used of `log-checkpoint`. */
export interface CheckpointFacts {
  readonly logStartOffset: number
  readonly flushedEndOffset: number
  /** Largest timestamp of each sealed segment, by base offset. */
  readonly maxTimestamps: ReadonlyMap<number, number>
  /** `[epoch, startOffset]` of the epochs that begin before `epochsEnd`, ascending. */
  readonly epochs: readonly (readonly [number, number])[]
  readonly epochsEnd: number
}

/** Segments of the folder, ascending; empty when it is missing. */
export async function listSegments(directory: string): Promise<SegmentFile[]> {
  const names = await orMissing(readdir(directory), [])
  const segments: SegmentFile[] = []
  for (const name of names) {
    const baseOffset = Number(SEGMENT_FILE.exec(name)?.[1])
    if (Number.isSafeInteger(baseOffset)) segments.push({ baseOffset, path: join(directory, name) })
  }
  return segments.sort((a, b) => a.baseOffset - b.baseOffset)
}

/** The topic's id (32 hexadecimal digits) in `partition.metadata`; null when it is missing or does not say. */
export async function readTopicId(directory: string): Promise<string | null> {
  const text = await orMissing(readFile(join(directory, 'partition.metadata'), 'latin1'), '')
  const match = /^version: 0\ntopic_id: ([\w-]{22})\s*$/.exec(text)
  return match === null ? null : Buffer.from(match[1]!, 'base64url').toString('hex')
}

/** What `log-checkpoint` says; null when it is missing, damaged or of another version: nothing depends on it alone. */
export async function readCheckpoint(directory: string): Promise<CheckpointFacts | null> {
  const bytes = await orMissing(readFile(join(directory, 'log-checkpoint')), null)
  if (bytes === null || bytes.length <= CRC_DIGITS) return null
  const body = bytes.subarray(CRC_DIGITS)
  if (bytes.toString('latin1', 0, CRC_DIGITS) !== crc32c(body).toString(16).padStart(CRC_DIGITS, '0')) return null
  const checkpoint = JSON.parse(body.toString()) as CheckpointJson
  if (checkpoint.version !== 1) return null
  return {
    logStartOffset: checkpoint.logStartOffset,
    flushedEndOffset: checkpoint.flushedEndOffset,
    maxTimestamps: new Map(checkpoint.sealed.map(({ baseOffset, maxTimestamp }) => [baseOffset, maxTimestamp])),
    epochs: checkpoint.epochs,
    epochsEnd: checkpoint.scan.offset,
  }
}

/** The epoch that the checkpoint has for `offset`; null where it knows none. */
export function epochAt(checkpoint: CheckpointFacts | null, offset: number): number | null {
  if (checkpoint === null || offset >= checkpoint.epochsEnd) return null
  return checkpoint.epochs.findLast(([, startOffset]) => startOffset <= offset)?.[0] ?? null
}

/** The promise's value, or `missing` when the file or folder is not there. */
export async function orMissing<T, M>(promise: Promise<T>, missing: M): Promise<T | M> {
  try {
    return await promise
  } catch (error) {
    if (isMissing(error)) return missing
    throw error
  }
}

/** Whether a file-system call failed because the file, or a folder on its path, is not there. */
export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** The CRC vouches for these; their meaning is in docs/log-format.md. */
interface CheckpointJson {
  readonly version: number
  readonly logStartOffset: number
  readonly flushedEndOffset: number
  readonly sealed: readonly { readonly baseOffset: number; readonly maxTimestamp: number }[]
  readonly scan: { readonly offset: number }
  readonly epochs: readonly (readonly [number, number])[]
}
