/**
 * From what the application asked for to where each partition begins and ends. Pure but for the one function that
 * asks the brokers, `listPositions`.
 */
import type { OffsetAnswer, OffsetQuery } from '@stratalog/client'
import { invariant, type StratalogError, type TopicPartition } from '@stratalog/proto'
import type { OutOfRangePolicy } from './options.ts'
import { isInRange, outOfRangeError } from './out-of-range.ts'
import type { PartitionBounds } from './partition-state.ts'
import type { ResolvedPosition } from './positions.ts'

/** Asks the leaders; `AdminClient.listOffsets` is one. */
export type ListOffsets = (
  queries: readonly OffsetQuery[],
  options: { readonly signal?: AbortSignal | undefined },
) => Promise<OffsetAnswer[]>

/** A partition and the places in it that are wanted. */
export interface PartitionRequest extends TopicPartition {
  readonly start: ResolvedPosition
  /** null = follow for ever. */
  readonly end: ResolvedPosition | null
}

/** A partition with offsets. */
export interface PlannedPartition extends TopicPartition {
  readonly offset: number
  /** Exclusive, or null. */
  readonly endOffset: number | null
  readonly bounds: PartitionBounds
  /** Set when the out-of-range policy moved the start. */
  readonly reset: { readonly from: number; readonly error: StratalogError } | null
}

/**
 * Asks for bounds and times, and plans. Everything is asked in one round, so that `until: 'end'` is one moment.
 *
 * Errors: OFFSET_OUT_OF_RANGE under policy `fail`; the broker's for a partition, such as UNKNOWN_TOPIC_OR_PARTITION.
 */
export async function planStart(
  listOffsets: ListOffsets,
  requests: readonly PartitionRequest[],
  policy: OutOfRangePolicy,
  signal: AbortSignal | undefined,
): Promise<PlannedPartition[]> {
  const queries: OffsetQuery[] = []
  const ask = ({ topic, partition }: TopicPartition, position: OffsetQuery['position']): number =>
    queries.push({ topic, partition, position }) - 1
  const slots = requests.map((request) => ({
    bounds: ask(request, 'latest'),
    start: request.start.kind === 'timestamp' ? ask(request, { timestamp: request.start.timestampMs }) : null,
    end: request.end?.kind === 'timestamp' ? ask(request, { timestamp: request.end.timestampMs }) : null,
  }))
  const answers = await listPositions(listOffsets, queries, signal)
  return requests.map((request, index) => {
    const slot = slots[index]
    const latest = slot && answers[slot.bounds]
    invariant(slot !== undefined && latest !== undefined, 'an answer for every query')
    const bounds = boundsIn(latest)
    const startTime = slot.start === null ? null : (answers[slot.start] ?? null)
    const endTime = slot.end === null ? null : (answers[slot.end] ?? null)
    const endOffset = request.end === null ? null : offsetAt(request.end, bounds, endTime)
    return withinRange(request, offsetAt(request.start, bounds, startTime), endOffset, bounds, policy)
  })
}

/** Answers to the queries, in order. Errors: the first partition's error; network errors. */
export async function listPositions(
  listOffsets: ListOffsets,
  queries: readonly OffsetQuery[],
  signal: AbortSignal | undefined,
): Promise<OffsetAnswer[]> {
  const answers = await listOffsets(queries, { signal })
  const failed = answers.find((answer) => answer.error !== null)
  if (failed?.error) throw failed.error
  return answers
}

/** What an answer says of the log. */
export function boundsIn(answer: OffsetAnswer): PartitionBounds {
  const { logStartOffset, highWatermark, visibleEnd } = answer
  return { logStartOffset, highWatermark, visibleEnd }
}

/** The offset of a place; `time` is the answer to its timestamp. */
export function offsetAt(position: ResolvedPosition, bounds: PartitionBounds, time: OffsetAnswer | null): number {
  switch (position.kind) {
    case 'earliest':
      return bounds.logStartOffset
    case 'latest':
      return bounds.visibleEnd
    case 'offset':
      return position.offset
    case 'timestamp':
      return time?.offset ?? bounds.visibleEnd
  }
}

function withinRange(
  place: TopicPartition,
  asked: number,
  endOffset: number | null,
  bounds: PartitionBounds,
  policy: OutOfRangePolicy,
): PlannedPartition {
  const { topic, partition } = place
  if (isInRange(asked, bounds)) return { topic, partition, offset: asked, endOffset, bounds, reset: null }
  const error = outOfRangeError(place, asked, bounds)
  if (policy === 'fail') throw error
  const offset = policy === 'earliest' ? bounds.logStartOffset : bounds.visibleEnd
  return { topic, partition, offset, endOffset, bounds, reset: { from: asked, error } }
}
