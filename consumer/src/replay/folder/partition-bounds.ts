/**
 * What can be read of a partition in a folder: from its log start to what that broker knew to be committed.
 *
 * The committed end comes from the broker's note (proto's committed-offsets.ts). What it says is committed is so for ever,
 * and was on this disk: a log that is not sound below it is damaged. But the copy may be another one by now, which was
 * begun anew and has not got so far: a log that ends cleanly, and is not known to have been longer, ends there. What lies
 * behind the committed end may be a batch that is being written, or one that the cluster never agreed on, and is not
 * looked at.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { StratalogError } from '@stratalog/proto'
import type { SourceBounds } from '../source.ts'
import type { DataFolder, FoundPartition } from './data-folder.ts'
import { floorPosition, isSoundBatch, walkHeaders } from './header-walk.ts'
import { type CheckpointFacts, isMissing, listSegments, readCheckpoint, type SegmentFile } from './partition-files.ts'
import { scanSegment } from './segment-scan.ts'

const SCAN_BYTES = 1024 * 1024

/** A partition's files as of a moment. */
export interface PartitionState {
  readonly logStartOffset: number
  /** Exclusive. */
  readonly committedEnd: number
  /** Ascending; what is below the log start may be among them. */
  readonly segments: readonly SegmentFile[]
  readonly checkpoint: CheckpointFacts | null
}

/**
 * @param unsafeToLogEnd take the end of the log where the broker has noted nothing, or less.
 * Errors: OFFSET_NOT_AVAILABLE when it is not known what is committed.
 */
export async function partitionState(
  folder: DataFolder,
  place: FoundPartition,
  unsafeToLogEnd: boolean,
): Promise<PartitionState> {
  // Before the files: what they hold then is at least what the note says.
  const mark = await folder.committed(place)
  const checkpoint = await readCheckpoint(place.directory)
  const segments = await listSegments(place.directory)
  const firstOffset = segments[0]?.baseOffset ?? 0
  const logStartOffset = Math.max(firstOffset, checkpoint?.logStartOffset ?? 0, mark?.logStartOffset ?? 0)
  let committedEnd = mark?.committedEnd ?? null
  const flushedEnd = Math.max(checkpoint?.flushedEndOffset ?? 0, logStartOffset)
  if (unsafeToLogEnd) {
    committedEnd = Math.max(committedEnd ?? 0, flushedEnd, await soundEnd(segments))
  } else if (committedEnd !== null) {
    committedEnd = Math.min(committedEnd, Math.max(flushedEnd, await cleanEnd(segments, committedEnd)))
  }
  if (committedEnd === null) throw committedEndUnknown(folder, place)
  return { logStartOffset, committedEnd: Math.max(committedEnd, logStartOffset), segments, checkpoint }
}

/** The part that readers see: control batches at its end are left out. */
export async function visibleBounds(state: PartitionState): Promise<SourceBounds> {
  const { logStartOffset, committedEnd, segments } = state
  const segment = segments.findLast(({ baseOffset }) => baseOffset < committedEnd)
  if (segment === undefined || committedEnd <= logStartOffset) return { logStartOffset, visibleEnd: committedEnd }
  const dataEnd = await withFile(segment, (file) => lastDataEnd(file, segment, committedEnd))
  return { logStartOffset, visibleEnd: Math.max(dataEnd ?? committedEnd, logStartOffset) }
}

/**
 * The end of the last batch below `committedEnd` that is not a control batch beyond doubt; that end itself where there is
 * none near it, or where it is not reached: damage must not look like the end of the log.
 */
async function lastDataEnd(file: FileHandle, segment: SegmentFile, committedEnd: number): Promise<number> {
  let dataEnd = committedEnd
  let end = segment.baseOffset
  for await (const placed of walkHeaders(file, await floorPosition(file, segment, committedEnd - 1))) {
    const { header } = placed
    if (header.baseOffset >= committedEnd) break
    end = header.lastOffset + 1
    if (!header.control || !(await isSoundBatch(file, placed))) dataEnd = end
  }
  return end === committedEnd ? dataEnd : committedEnd
}

/** Opens the segment's file for a task; null when it is gone. */
export async function withFile<T>(segment: SegmentFile, task: (file: FileHandle) => Promise<T>): Promise<T | null> {
  const file = await openOrMissing(segment)
  if (file === null) return null
  try {
    return await task(file)
  } finally {
    await file.close()
  }
}

/** The file, or null when it is gone. */
export async function openOrMissing(segment: SegmentFile): Promise<FileHandle | null> {
  try {
    return await open(segment.path, 'r')
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** Where the log ends if it does so cleanly before `endOffset`; otherwise that: whoever reads it meets what is wrong. */
async function cleanEnd(segments: readonly SegmentFile[], endOffset: number): Promise<number> {
  const last = segments.at(-1)
  if (last === undefined || last.baseOffset >= endOffset) return endOffset
  const found = await withFile(last, async (file) => {
    let end = last.baseOffset
    let position = 0
    for await (const placed of walkHeaders(file, await floorPosition(file, last, endOffset - 1))) {
      end = placed.header.lastOffset + 1
      if (end >= endOffset) return endOffset
      position = placed.position + placed.header.sizeBytes
    }
    return position === (await file.stat()).size ? end : endOffset
  })
  return found ?? endOffset
}

/** The end of the sound batches of the last segment, a half-written one left out. */
async function soundEnd(segments: readonly SegmentFile[]): Promise<number> {
  const last = segments.at(-1)
  if (last === undefined) return 0
  const found = await withFile(last, async (file) => {
    const start = await floorPosition(file, last, Number.MAX_SAFE_INTEGER)
    let end = last.baseOffset
    const scan = scanSegment(file, {
      position: start,
      expectedOffset: null,
      endOffset: Number.MAX_SAFE_INTEGER,
      chunkBytes: SCAN_BYTES,
      leastEpoch: 0,
      epochAt: () => null,
    })
    for await (const step of scan) if (step.kind === 'batches') end = step.nextOffset
    return end
  })
  return found ?? last.baseOffset
}

function committedEndUnknown(folder: DataFolder, { topic, partition }: FoundPartition): StratalogError {
  return new StratalogError(
    'OFFSET_NOT_AVAILABLE',
    `${folder.path} does not say how far ${topic}-${partition} is committed`,
    {
      topic,
      partition,
      hint:
        'A broker notes it once a second while it runs: copy that file along, or start the broker once. To read to ' +
        'the end of the files, with records that the cluster may never have agreed on, choose unsafeToLogEnd.',
    },
  )
}
