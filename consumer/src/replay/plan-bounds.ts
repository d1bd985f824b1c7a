/**
 * The bounds of a replay: from what an application says to an offset in each partition. Checked before anything is
 * asked; then everything of one kind is asked in one round, so that "as of now" is one moment.
 */
import { StratalogError, type TopicPartition } from '@stratalog/proto'
import { invalidField } from './errors.ts'
import type { ReplayBound } from './plan-options.ts'
import type { ReplaySource, SourceBounds, SourceCallOptions } from './source.ts'

/** A bound, checked. */
export type CheckedBound =
  | { readonly kind: 'earliest' | 'latest' }
  | { readonly kind: 'offset'; readonly offsetOf: (place: TopicPartition) => number }
  | { readonly kind: 'timestamp'; readonly timestampMs: number }
  | { readonly kind: 'group'; readonly groupId: string }

const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)$/
const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** @param nowMs what a span of time is counted back from. Errors: INVALID_REQUEST naming the field. */
export function checkBound(bound: ReplayBound, field: string, nowMs: number): CheckedBound {
  if (bound === 'earliest' || bound === 'latest') return { kind: bound }
  if (typeof bound === 'object' && bound !== null) {
    if ('offset' in bound) {
      const offset = checkedOffset(bound.offset, `${field}.offset`)
      return { kind: 'offset', offsetOf: () => offset }
    }
    if ('offsets' in bound) {
      const { offsets } = bound
      const offsetOf = ({ topic, partition }: TopicPartition): number => {
        const name = `${field}.offsets.${topic}.${partition}`
        const offset = offsets[topic]?.[partition]
        if (offset === undefined) throw invalidField(name, `${field}.offsets has no offset for ${topic}-${partition}`)
        return checkedOffset(offset, name)
      }
      return { kind: 'offset', offsetOf }
    }
    if ('timestamp' in bound) return { kind: 'timestamp', timestampMs: checkedInstant(bound.timestamp, field) }
    if ('ago' in bound) return { kind: 'timestamp', timestampMs: Math.max(0, nowMs - durationMs(bound.ago, field)) }
    if ('group' in bound) {
      if (typeof bound.group === 'string' && bound.group.length > 0) return { kind: 'group', groupId: bound.group }
      throw invalidField(`${field}.group`, `${field}.group is ${JSON.stringify(bound.group)}; it must name a group`)
    }
  }
  const what = "it must be 'earliest', 'latest', {offset}, {offsets}, {timestamp}, {ago} or {group}"
  throw invalidField(field, `${field} is ${JSON.stringify(bound)}; ${what}`)
}

/** A bound in words, for the manifest. */
export function boundText(bound: ReplayBound): string {
  if (typeof bound === 'string') return bound
  if ('offset' in bound) return `offset ${bound.offset}`
  if ('offsets' in bound) return `offsets ${JSON.stringify(bound.offsets)}`
  if ('timestamp' in bound) return new Date(bound.timestamp).toISOString()
  if ('ago' in bound) return `${bound.ago} ago`
  return `group ${bound.group}`
}

/** Errors: INVALID_REQUEST when both bounds say by themselves that nothing lies between them in the right order. */
export function checkOrder(from: CheckedBound, to: CheckedBound, places: readonly TopicPartition[]): void {
  if (from.kind === 'timestamp' && to.kind === 'timestamp' && from.timestampMs > to.timestampMs) {
    const text = `from (${iso(from.timestampMs)}) is after to (${iso(to.timestampMs)})`
    throw invalidField('from', text)
  }
  if (from.kind !== 'offset' || to.kind !== 'offset') return
  for (const place of places) {
    const start = from.offsetOf(place)
    const end = to.offsetOf(place)
    if (start > end) {
      throw invalidField('from', `from (${start}) is after to (${end}) in ${place.topic}-${place.partition}`)
    }
  }
}

/**
 * The bound as an offset of each partition, in order; null where a group has committed nothing.
 * Errors: the source's.
 */
export async function resolveBound(
  source: ReplaySource,
  bound: CheckedBound,
  places: readonly TopicPartition[],
  bounds: readonly SourceBounds[],
  options: SourceCallOptions,
): Promise<(number | null)[]> {
  switch (bound.kind) {
    case 'earliest':
      return bounds.map(({ logStartOffset }) => logStartOffset)
    case 'latest':
      return bounds.map(({ visibleEnd }) => visibleEnd)
    case 'offset':
      return places.map((place) => bound.offsetOf(place))
    case 'timestamp': {
      const { timestampMs } = bound
      const questions = places.map(({ topic, partition }) => ({ topic, partition, timestampMs }))
      const found = await source.offsetsForTime(questions, options)
      // Records that came in between do not belong to the log as of the moment of the bounds.
      return found.map((offset, index) => Math.min(offset ?? Number.MAX_SAFE_INTEGER, bounds[index]!.visibleEnd))
    }
    case 'group': {
      const committed = await source.committedOffsets(bound.groupId, places, options)
      // A group that has read everything stands behind the control batches at the end.
      return committed.map((offset, index) => (offset === null ? null : Math.min(offset, bounds[index]!.visibleEnd)))
    }
  }
}

/** OFFSET_OUT_OF_RANGE for a bound that lies outside of what the partition has. */
export function boundOutOfRange(
  field: string,
  place: TopicPartition,
  offset: number,
  { logStartOffset, visibleEnd }: SourceBounds,
): StratalogError {
  const { topic, partition } = place
  const because = offset < logStartOffset ? 'retention has removed what was there' : 'the log ends before it'
  return new StratalogError(
    'OFFSET_OUT_OF_RANGE',
    `${field} is offset ${offset} of ${topic}-${partition}, which has ${logStartOffset} to ${visibleEnd}: ${because}`,
    {
      topic,
      partition,
      hint: "Choose an offset that exists, 'earliest' or 'latest', or take what there is with onOutOfRange 'clamp'.",
      metadata: {
        field,
        asked: String(offset),
        logStartOffset: String(logStartOffset),
        visibleEnd: String(visibleEnd),
      },
    },
  )
}

/** A span of time such as `7d`, in ms. Errors: INVALID_REQUEST. */
export function durationMs(text: string, field: string): number {
  const match = typeof text === 'string' ? DURATION.exec(text.trim()) : null
  if (match === null) {
    throw invalidField(
      field,
      `${field} is ${JSON.stringify(text)}; it must be a number and ms, s, m, h, d or w: 7d, 1.5h`,
    )
  }
  return Math.round(Number(match[1]) * UNIT_MS[match[2]!]!)
}

function checkedOffset(offset: number, field: string): number {
  if (Number.isSafeInteger(offset) && offset >= 0) return offset
  throw invalidField(field, `${field} is ${String(offset)}; it must be an integer of 0..2^53-1`)
}

function checkedInstant(instant: number | Date, field: string): number {
  const timestampMs = instant instanceof Date ? instant.getTime() : instant
  if (Number.isSafeInteger(timestampMs) && timestampMs >= 0) return timestampMs
  throw invalidField(
    `${field}.timestamp`,
    `${field}.timestamp is ${String(instant)}; it must be a Date or ms since 1970`,
  )
}

function iso(timestampMs: number): string {
  const date = new Date(timestampMs)
  return Number.isNaN(date.getTime()) ? `${timestampMs} ms` : date.toISOString()
}
