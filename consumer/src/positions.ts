/** Where to begin, where to stop, where to seek: how applications say it. Checked here, before any call is made. */
import { StratalogError, type TopicPartition } from '@stratalog/proto'

/** An instant: ms since 1970, or a Date. */
export type Instant = number | Date

/** Offsets by topic and partition, such as `{ flights: { 0: 100, 1: 250 } }`. */
export type OffsetsByPartition = Readonly<Record<string, Readonly<Record<number, number>>>>

/**
 * A place in a partition: its first readable offset, its visible end, an offset, or the first record whose timestamp
 * is at or after an instant (the visible end when no record is that late).
 */
export type Position = 'earliest' | 'latest' | { readonly offset: number } | { readonly timestamp: Instant }

/** Where to begin. `offsets` must name every partition that is read. */
export type StartPosition = Position | { readonly offsets: OffsetsByPartition }

/**
 * Where to stop, exclusive: `end` is the visible end as it is when `assign` is called; a timestamp means before the
 * first record at or after that instant.
 */
export type EndPosition =
  | 'end'
  | { readonly offset: number }
  | { readonly timestamp: Instant }
  | { readonly offsets: OffsetsByPartition }

/** A partition, with an offset to begin at that goes before `from`. */
export interface PartitionAssignment extends TopicPartition {
  readonly offset?: number | undefined
}

/** What to read. */
export interface AssignOptions {
  /** All partitions that these topics have now. */
  readonly topics?: readonly string[] | undefined
  /** Single partitions. */
  readonly partitions?: readonly PartitionAssignment[] | undefined
  /** Where to begin. Needed unless every partition has an `offset` of its own: there is no default to be surprised by. */
  readonly from?: StartPosition | undefined
  /** Where to stop; default: never. */
  readonly until?: EndPosition | undefined
}

/** A place as the code works with it. */
export type ResolvedPosition =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'timestamp'; readonly timestampMs: number }

/** Where one partition begins. Errors: INVALID_REQUEST naming what is missing or wrong. */
export function startOf(assignment: PartitionAssignment, from: StartPosition | undefined): ResolvedPosition {
  const name = `${assignment.topic}-${assignment.partition}`
  if (assignment.offset !== undefined) return offsetPosition(assignment.offset, `offset of ${name}`)
  if (from === undefined) {
    throw invalid(`from is missing: say where to begin ${name} ('earliest', 'latest', an offset or a timestamp)`)
  }
  if (typeof from === 'object' && 'offsets' in from) return offsetOf(assignment, from.offsets, 'from')
  return resolvePosition(from, 'from')
}

/** Where one partition stops; null = never. Errors: INVALID_REQUEST. */
export function endOf(assignment: TopicPartition, until: EndPosition | undefined): ResolvedPosition | null {
  if (until === undefined) return null
  if (until === 'end') return { kind: 'latest' }
  if (typeof until === 'object' && until !== null) {
    if ('offsets' in until) return offsetOf(assignment, until.offsets, 'until')
    if ('offset' in until) return offsetPosition(until.offset, 'until.offset')
    if ('timestamp' in until) return timestampPosition(until.timestamp, 'until.timestamp')
  }
  throw invalid(`until is ${JSON.stringify(until)}; it must be 'end', {offset}, {timestamp} or {offsets}`)
}

/** Any place but `offsets`. Errors: INVALID_REQUEST naming the field. */
export function resolvePosition(position: Position, field: string): ResolvedPosition {
  if (position === 'earliest' || position === 'latest') return { kind: position }
  if (typeof position === 'object' && position !== null) {
    if ('offset' in position) return offsetPosition(position.offset, `${field}.offset`)
    if ('timestamp' in position) return timestampPosition(position.timestamp, `${field}.timestamp`)
  }
  throw invalid(`${field} is ${JSON.stringify(position)}; it must be 'earliest', 'latest', {offset} or {timestamp}`)
}

/** INVALID_REQUEST with this text. */
export function invalid(message: string): StratalogError {
  return new StratalogError('INVALID_REQUEST', message)
}

function offsetOf(assignment: TopicPartition, offsets: OffsetsByPartition, field: string): ResolvedPosition {
  const { topic, partition } = assignment
  const offset = offsets?.[topic]?.[partition]
  if (offset === undefined) throw invalid(`${field}.offsets has no offset for partition ${partition} of ${topic}`)
  return offsetPosition(offset, `${field}.offsets.${topic}.${partition}`)
}

function offsetPosition(offset: number, field: string): ResolvedPosition {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw invalid(`${field} is ${String(offset)}; it must be an integer of 0..2^53-1`)
  }
  return { kind: 'offset', offset }
}

function timestampPosition(instant: Instant, field: string): ResolvedPosition {
  const timestampMs = instant instanceof Date ? instant.getTime() : instant
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    throw invalid(`${field} is ${String(instant)}; it must be a Date or ms since 1970`)
  }
  return { kind: 'timestamp', timestampMs }
}
