/**
 * Plans a replay: bounds become offsets once, as of now, and the ranges are cut into splits. What comes out says exactly
 * which records will be read, by whomever and whenever it is run.
 */
import { throwIfAborted } from '@stratalog/client'
import type { TopicPartition } from '@stratalog/proto'
import { invalidField } from './errors.ts'
import {
  REPLAY_MANIFEST_FORMAT,
  REPLAY_MANIFEST_VERSION,
  type ReplayManifest,
  type ReplayPartition,
  type ReplaySplit,
  type ReplayTopic,
  splitId,
} from './manifest.ts'
import { manifestId } from './manifest-id.ts'
import { boundOutOfRange, boundText, checkBound, checkOrder, resolveBound } from './plan-bounds.ts'
import type { PlanReplayOptions } from './plan-options.ts'
import type { RangeOfPartition, ReplaySource, SourceBounds, SourceRange, SourceTopic } from './source.ts'
import { type CutRange, cutRange } from './split-cuts.ts'

const SPLIT_BYTES = 64 * 1024 * 1024
const SPLITS_MAX = 1_000_000
/** Points asked for in each split, so that pieces come out about equal. */
const POINTS_PER_SPLIT = 8
/** Partitions that are asked about at once. */
const CONCURRENCY = 32

/**
 * The manifest of a replay.
 *
 * Errors: INVALID_REQUEST naming the option; UNKNOWN_TOPIC_OR_PARTITION; OFFSET_OUT_OF_RANGE for a bound that the log does
 * not have, unless `onOutOfRange` is `clamp`; the source's own.
 */
export async function planReplay(source: ReplaySource, options: PlanReplayOptions): Promise<ReplayManifest> {
  const { from = 'earliest', to = 'latest', signal } = options
  checkOptions(options)
  const createdAtMs = Date.now()
  const checkedFrom = checkBound(from, 'from', createdAtMs)
  const checkedTo = checkBound(to, 'to', createdAtMs)
  const call = { signal }
  const clusterId = await source.clusterId(call)
  const topics = await inTurns(options.topics, (name) => source.topic(name, call))
  const places = topics.flatMap((topic) =>
    chosenPartitions(topic, options.partitions).map((partition) => ({
      topic: topic.topic,
      topicId: topic.topicId,
      partition,
    })),
  )
  checkOrder(checkedFrom, checkedTo, places)
  const bounds = await source.bounds(places, call)
  const starts = await resolveBound(source, checkedFrom, places, bounds, call)
  const ends = await resolveBound(source, checkedTo, places, bounds, call)
  const asked = places.map((place, index) =>
    rangeOf(place, starts[index] ?? null, ends[index] ?? null, bounds[index]!, options),
  )
  if (asked.length > 0 && asked.every(({ startOffset, endOffset }) => startOffset > endOffset)) {
    throw invalidField('from', `from (${boundText(from)}) is after to (${boundText(to)}) in every partition`)
  }
  // Where only some partitions have nothing between the bounds, there is nothing to be read in these.
  const ranges = asked.map((range) => ({ ...range, endOffset: Math.max(range.startOffset, range.endOffset) }))
  const found = await cutRanges(source, ranges, options)
  const splits = found.flatMap(({ splits }) => splits)
  const plannedTopics = topics.map(({ topic, topicId }) => ({
    topic,
    topicId,
    partitions: found.flatMap(({ range, partition }) => (range.topic === topic ? [partition] : [])),
  }))
  plannedTopics.sort((a, b) => (a.topic < b.topic ? -1 : 1))
  const content = { topics: plannedTopics satisfies ReplayTopic[], splits }
  return {
    format: REPLAY_MANIFEST_FORMAT,
    version: REPLAY_MANIFEST_VERSION,
    id: manifestId(content),
    clusterId,
    createdAtMs,
    from: boundText(from),
    to: boundText(to),
    ...content,
  }
}

function checkOptions({ topics, splits, splitBytes, partitions, onOutOfRange }: PlanReplayOptions): void {
  if (!Array.isArray(topics) || topics.length === 0) throw invalidField('topics', 'topics is empty: name at least one')
  const twice = topics.find((topic, index) => topics.indexOf(topic) !== index)
  if (twice !== undefined) throw invalidField('topics', `topics names ${twice} twice`)
  if (splits !== undefined && splitBytes !== undefined) {
    throw invalidField('splits', 'splits and splitBytes are both set: choose one')
  }
  if (splits !== undefined && !isBetween(splits, 1, SPLITS_MAX)) {
    throw invalidField('splits', `splits is ${splits}; it must be an integer of 1..${SPLITS_MAX}`)
  }
  if (splitBytes !== undefined && !isBetween(splitBytes, 1, Number.MAX_SAFE_INTEGER)) {
    throw invalidField('splitBytes', `splitBytes is ${splitBytes}; it must be an integer of 1..2^53-1`)
  }
  const wrong = partitions?.find((partition) => !isBetween(partition, 0, 0x7fff_ffff))
  if (wrong !== undefined || partitions?.length === 0) {
    throw invalidField('partitions', `partitions is [${partitions}]; it must name partitions by number`)
  }
  if (onOutOfRange !== undefined && onOutOfRange !== 'fail' && onOutOfRange !== 'clamp') {
    throw invalidField('onOutOfRange', `onOutOfRange is ${String(onOutOfRange)}; it must be 'fail' or 'clamp'`)
  }
}

function isBetween(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most
}

function chosenPartitions({ topic, partitions }: SourceTopic, chosen: readonly number[] | undefined): number[] {
  if (chosen === undefined) return [...partitions]
  const missing = chosen.find((partition) => !partitions.includes(partition))
  if (missing !== undefined) {
    throw invalidField('partitions', `there is no partition ${missing} of ${topic} here; there are ${partitions}`)
  }
  return [...new Set(chosen)].sort((a, b) => a - b)
}

function rangeOf(
  place: TopicPartition & { readonly topicId: string },
  start: number | null,
  end: number | null,
  bounds: SourceBounds,
  { onOutOfRange = 'fail' }: PlanReplayOptions,
): RangeOfPartition {
  if (end === null) {
    const name = `${place.topic}-${place.partition}`
    throw invalidField('to', `to is what a group has committed, and it has committed nothing in ${name}`)
  }
  const startOffset = withinBounds('from', place, start ?? bounds.logStartOffset, bounds, onOutOfRange)
  const endOffset = withinBounds('to', place, end, bounds, onOutOfRange)
  return { ...place, startOffset, endOffset }
}

function withinBounds(
  field: string,
  place: TopicPartition,
  offset: number,
  bounds: SourceBounds,
  policy: 'fail' | 'clamp',
): number {
  const { logStartOffset, visibleEnd } = bounds
  const nearest = Math.min(Math.max(offset, logStartOffset), visibleEnd)
  if (nearest === offset || policy === 'clamp') return nearest
  throw boundOutOfRange(field, place, offset, bounds)
}

interface CutPartition {
  readonly range: RangeOfPartition
  readonly partition: ReplayPartition
  readonly splits: readonly ReplaySplit[]
}

async function cutRanges(
  source: ReplaySource,
  ranges: readonly RangeOfPartition[],
  { splits, splitBytes = SPLIT_BYTES, signal }: PlanReplayOptions,
): Promise<CutPartition[]> {
  let targetBytes = splitBytes
  if (splits !== undefined) {
    // How much there is must be known before it can be divided.
    const whole = await inTurns(ranges, (range) => source.range(range, Number.MAX_SAFE_INTEGER, { signal }))
    const totalBytes = whole.reduce((sum, { points }) => sum + bytesOf(points), 0)
    targetBytes = Math.max(1, Math.ceil(totalBytes / splits))
  }
  const pointBytes = Math.max(1, Math.floor(targetBytes / POINTS_PER_SPLIT))
  return await inTurns(ranges, async (range) => {
    throwIfAborted(signal)
    const found = await source.range(range, pointBytes, { signal })
    const pieces = cutRange(range.startOffset, range.endOffset, found.points, targetBytes)
    return {
      range,
      partition: {
        partition: range.partition,
        startOffset: range.startOffset,
        endOffset: range.endOffset,
        leaderEpochs: epochsOf(pieces),
        bytes: bytesOf(pieces),
      },
      splits: pieces.map((piece) => toSplit(range, piece, found)),
    }
  })
}

function toSplit(
  { topic, topicId, partition }: RangeOfPartition,
  piece: CutRange,
  { hosts }: SourceRange,
): ReplaySplit {
  const { startOffset, endOffset, bytes, leaderEpoch } = piece
  const id = splitId(topic, partition, startOffset, endOffset)
  return { id, topic, topicId, partition, startOffset, endOffset, bytes, leaderEpoch, hosts }
}

function epochsOf(pieces: readonly CutRange[]): ReplayPartition['leaderEpochs'] {
  const epochs: { leaderEpoch: number; startOffset: number }[] = []
  for (const { leaderEpoch, startOffset } of pieces) {
    if (leaderEpoch !== null && leaderEpoch !== epochs.at(-1)?.leaderEpoch) epochs.push({ leaderEpoch, startOffset })
  }
  return epochs
}

function bytesOf(parts: readonly { readonly bytes: number }[]): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** The results in order, a few at a time. */
async function inTurns<T, R>(items: readonly T[], task: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length)
  let next = 0
  const run = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await task(items[index]!)
  }
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, run))
  return results
}
