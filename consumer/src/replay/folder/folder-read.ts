/**
 * Reads the range of a split from a partition's segment files, one after another.
 *
 * A file that is open is read on even if it is deleted or replaced meanwhile: what is in it was committed and does not
 * change. When the next one is not there, the folder is looked at again: retention has overtaken the reader, or files are
 * missing.
 */
import type { FileHandle } from 'node:fs/promises'
import { throwIfAborted } from '@stratalog/client'
import { batchCorrupt, endsBefore, rangeDeleted, topicRecreated } from '../errors.ts'
import type { ReplaySplit } from '../manifest.ts'
import type { SourceChunk, SourceReadOptions } from '../source.ts'
import type { DataFolder, FoundPartition } from './data-folder.ts'
import { findBatch } from './header-walk.ts'
import { openOrMissing, type PartitionState, partitionState } from './partition-bounds.ts'
import { epochAt, type SegmentFile } from './partition-files.ts'
import { resync } from './resync.ts'
import { scanSegment } from './segment-scan.ts'

const KIB = 1024
const CHUNK_BYTES_MAX = 1024 * KIB
const CHUNK_BYTES_MIN = 32 * KIB
/** How often a file that was listed may be gone when it is opened: each time retention has run in between. */
const LOOKS_MAX = 10

/** See `ReplaySource.read`. */
export async function* readFolder(
  folder: DataFolder,
  split: ReplaySplit,
  options: SourceReadOptions,
  unsafeToLogEnd: boolean,
): AsyncGenerator<SourceChunk, void, undefined> {
  let position = options.fromOffset
  let leastEpoch = 0
  let looks = 0
  while (position < split.endOffset) {
    throwIfAborted(options.signal)
    const state = await plannedState(folder, split, unsafeToLogEnd)
    if (position < state.logStartOffset) throw rangeDeleted(split, position, state.logStartOffset)
    const index = state.segments.findLastIndex(({ baseOffset }) => baseOffset <= position)
    const segment = state.segments[index]
    const file = segment === undefined ? null : await openOrMissing(segment)
    if (segment === undefined || file === null) {
      if (++looks < LOOKS_MAX) continue
      const path = segment?.path ?? `${split.topic}-${split.partition}`
      throw batchCorrupt(split, position, 'the segment file that should hold it is missing', { path, position: 0 })
    }
    looks = 0
    try {
      // The folder may have become another topic's before the file was opened.
      await checkTopic(folder, split)
      const nextBase = state.segments[index + 1]?.baseOffset ?? state.committedEnd
      const range = { segment, endOffset: Math.min(nextBase, split.endOffset), nextBase, leastEpoch }
      for await (const chunk of readSegment(file, split, state, range, position, options)) {
        position = chunk.nextOffset
        leastEpoch = chunk.leaderEpoch
        yield chunk
        throwIfAborted(options.signal)
      }
    } finally {
      await file.close()
    }
  }
}

/** The partition's files, which must be of the topic that was planned and reach as far as was planned. */
async function plannedState(folder: DataFolder, split: ReplaySplit, unsafeToLogEnd: boolean): Promise<PartitionState> {
  const state = await partitionState(folder, await checkTopic(folder, split), unsafeToLogEnd)
  if (split.endOffset > state.committedEnd) throw endsBefore(split, split.endOffset, state.committedEnd)
  return state
}

async function checkTopic(folder: DataFolder, split: ReplaySplit): Promise<FoundPartition> {
  const place = await folder.partition(split.topic, split.partition)
  if (place.topicId !== split.topicId) throw topicRecreated(split, place.topicId)
  return place
}

interface SegmentRange {
  readonly segment: SegmentFile
  /** What is wanted of it ends here. */
  readonly endOffset: number
  /** Where the next segment begins: everything before it should be in this one. */
  readonly nextBase: number
  /** Of the last batch before. */
  readonly leastEpoch: number
}

/** A chunk and the epoch of its last batch. */
interface FolderChunk extends SourceChunk {
  readonly leaderEpoch: number
}

/** The batches from the one that holds `fromOffset` to the range's end. Always gets there, or throws. */
async function* readSegment(
  file: FileHandle,
  split: ReplaySplit,
  state: PartitionState,
  { segment, endOffset, nextBase, leastEpoch }: SegmentRange,
  fromOffset: number,
  options: SourceReadOptions,
): AsyncGenerator<FolderChunk, void, undefined> {
  const first = await findBatch(file, segment, fromOffset)
  // Damage before the batch, or in the index: the whole file is gone through in order to find out what is there.
  let place =
    first !== null && first.header.baseOffset <= fromOffset
      ? { position: first.position, offset: first.header.baseOffset }
      : { position: 0, offset: segment.baseOffset }
  const chunkBytes = Math.min(CHUNK_BYTES_MAX, Math.max(CHUNK_BYTES_MIN, options.prefetchBytes / 2))
  // An epoch is no part of a record and lies outside of the CRC: where damage is passed over it costs no records.
  const known = (offset: number): number | null => epochAt(state.checkpoint, offset)
  let leaderEpoch = leastEpoch
  while (place.offset < endOffset) {
    let damage: { readonly position: number; readonly offset: number; readonly reason: string } | null = null
    const scan = {
      position: place.position,
      expectedOffset: place.offset,
      endOffset,
      chunkBytes,
      leastEpoch: options.skipCorrupt ? null : leaderEpoch,
      epochAt: known,
    }
    for await (const step of scanSegment(file, scan)) {
      if (step.kind === 'damage') {
        damage = step
        break
      }
      const { bytes, batches, nextOffset, position } = step
      place = { position: position + bytes.length, offset: nextOffset }
      leaderEpoch = step.leaderEpoch
      if (nextOffset <= fromOffset) continue
      yield { bytes, batches, nextOffset, file: { path: segment.path, position }, corrupt: null, leaderEpoch }
    }
    if (place.offset >= endOffset) return
    const at = damage ?? { ...place, reason: 'the file ends before it' }
    const error = batchCorrupt(split, at.offset, at.reason, { path: segment.path, position: at.position })
    const next = await resync(file, at.position, at.offset, nextBase)
    place = next ?? { position: at.position, offset: nextBase }
    // Damage that lies before what is wanted does not matter.
    if (place.offset <= fromOffset) continue
    if (!options.skipCorrupt) throw error
    const startOffset = Math.max(at.offset, fromOffset)
    const nextOffset = Math.min(place.offset, endOffset)
    const corrupt = { startOffset, error }
    yield { bytes: Buffer.alloc(0), batches: [], nextOffset, file: null, corrupt, leaderEpoch }
  }
}
