/**
 * Which offsets of which partitions a `stratalog consume` reads: positions as typed become numbers once, at the start.
 *
 * Ends are exclusive; `null` is no end. Pure: what it must know of the log comes in as bounds and answers.
 */
import { type OffsetAnswer, type OffsetQuery, StratalogError } from '@stratalog/client'
import { usageError } from '../command-error.ts'
import type { RecordPosition } from '../input/record-position.ts'

/** What was asked for. */
export interface ReadRequest {
  readonly topic: string
  readonly from: RecordPosition
  readonly until: RecordPosition | null
  /** Wait beyond the end. */
  readonly follow: boolean
}

/** What to read of one partition; `end` is never below `start`. */
export interface ReadRange {
  readonly partition: number
  readonly start: number
  readonly end: number | null
}

/** Partitions to read: all of the topic's, or those chosen. Errors: `UNKNOWN_TOPIC_OR_PARTITION` naming what exists. */
export function choosePartitions(topic: string, existing: readonly number[], chosen?: readonly number[]): number[] {
  if (chosen === undefined) return [...existing]
  for (const partition of chosen) {
    if (!existing.includes(partition)) {
      const message = `topic ${topic} has no partition ${partition}: it has ${existing.length}, numbered from 0`
      throw new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic, partition })
    }
  }
  return [...new Set(chosen)]
}

/** Two questions per partition: where to begin and where to end. Errors: `USAGE` for what cannot be combined. */
export function planQueries(request: ReadRequest, partitions: readonly number[]): OffsetQuery[] {
  const { topic, from, until, follow } = request
  if (follow && until !== null && until.kind !== 'offset') {
    throw usageError('--follow with --until needs an offset to end at', 'leave out --follow, or give --until an offset')
  }
  return partitions.flatMap((partition) => [
    { topic, partition, position: askFor(from) },
    { topic, partition, position: until === null ? ('latest' as const) : askFor(until) },
  ])
}

/**
 * The ranges, from the answers to `planQueries` in its order.
 *
 * Errors: what an answer carries; `OFFSET_OUT_OF_RANGE` for an offset that does not exist, naming what does.
 */
export function planRanges(request: ReadRequest, answers: readonly OffsetAnswer[]): ReadRange[] {
  const ranges: ReadRange[] = []
  for (let index = 0; index + 1 < answers.length; index += 2) {
    const fromAnswer = answers[index]!
    const untilAnswer = answers[index + 1]!
    const error = fromAnswer.error ?? untilAnswer.error
    if (error !== null) throw error
    const start = startOf(request, fromAnswer)
    const end = endOf(request, untilAnswer)
    ranges.push({ partition: fromAnswer.partition, start, end: end === null ? null : Math.max(start, end) })
  }
  return ranges
}

function askFor(position: RecordPosition): OffsetQuery['position'] {
  return position.kind === 'timestamp'
    ? { timestamp: position.timestampMs }
    : position.kind === 'earliest'
      ? 'earliest'
      : 'latest'
}

function startOf({ topic, from }: ReadRequest, answer: OffsetAnswer): number {
  const { partition, logStartOffset, visibleEnd } = answer
  if (from.kind === 'earliest') return logStartOffset
  if (from.kind === 'latest') return visibleEnd
  if (from.kind === 'timestamp') return answer.offset ?? visibleEnd
  if (from.offset >= logStartOffset && from.offset <= visibleEnd) return from.offset
  throw new StratalogError(
    'OFFSET_OUT_OF_RANGE',
    `offset ${from.offset} of ${topic}-${partition} does not exist: it holds ${logStartOffset} to ${visibleEnd} (exclusive)`,
    {
      topic,
      partition,
      hint: 'begin at an offset that exists, at earliest or latest, or choose partitions with --partition',
    },
  )
}

function endOf({ until, follow }: ReadRequest, answer: OffsetAnswer): number | null {
  const { logStartOffset, visibleEnd } = answer
  if (until === null) return follow ? null : visibleEnd
  if (until.kind === 'offset') return follow ? until.offset : Math.min(until.offset, visibleEnd)
  if (until.kind === 'earliest') return logStartOffset
  return until.kind === 'timestamp' ? Math.min(answer.offset ?? visibleEnd, visibleEnd) : visibleEnd
}
