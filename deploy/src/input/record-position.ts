/**
 * Places in a topic as typed by a person: `earliest`, `latest`, an offset, or `@` and a time.
 */
import { usageError } from '../command-error.ts'

/** A place that each partition resolves for itself. */
export type RecordPosition =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  /** int, 0..2^53-1. */
  | { readonly kind: 'offset'; readonly offset: number }
  /** The first record at or after this time (ms since 1970). */
  | { readonly kind: 'timestamp'; readonly timestampMs: number }

/**
 * Reads a position. A time is ISO 8601 (without a zone: local time) or a whole number of milliseconds since 1970.
 *
 * Errors: `USAGE` naming the option and the forms it takes.
 */
export function parseRecordPosition(option: string, text: string): RecordPosition {
  if (text === 'earliest' || text === 'latest') return { kind: text }
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return { kind: 'offset', offset: Number(text) }
  if (text.startsWith('@')) {
    const time = text.slice(1)
    const timestampMs = /^\d+$/.test(time) ? Number(time) : parseIsoTime(time)
    if (Number.isSafeInteger(timestampMs)) return { kind: 'timestamp', timestampMs }
  }
  throw usageError(
    `${option} ${JSON.stringify(text)} is not a position`,
    'use earliest, latest, an offset such as 1500, or a time such as @2026-01-31T12:00:00Z or @1769860800000',
  )
}

/** NaN unless it begins as a date does; Date.parse alone would take `5` for a month. */
function parseIsoTime(text: string): number {
  return /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?$/.test(text) ? Date.parse(text) : Number.NaN
}
