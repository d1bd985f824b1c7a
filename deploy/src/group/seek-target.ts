/**
 * Where `group seek` puts a group, as typed by a person.
 */
import type { ResetTarget } from '@stratalog/client'
import { type CommandError, usageError } from '../command-error.ts'
import { parseDuration } from '../input/duration.ts'
import { parseRecordPosition } from '../input/record-position.ts'

const GROUP_PREFIX = 'group:'

/**
 * Reads a place: see the help of `group seek`. A duration is counted back from `nowMs`.
 *
 * Errors: `USAGE` naming the forms.
 */
export function parseSeekTarget(text: string, nowMs: number): ResetTarget {
  if (/^[+-]\d+$/.test(text) && Number.isSafeInteger(Number(text))) return { shift: Number(text) }
  if (text.startsWith(GROUP_PREFIX) && text.length > GROUP_PREFIX.length) {
    return { group: text.slice(GROUP_PREFIX.length) }
  }
  const durationMs = parseDuration(text)
  if (durationMs !== null && durationMs <= nowMs) return { timestamp: nowMs - durationMs }
  try {
    const position = parseRecordPosition('--to', /^\d{4}-/.test(text) ? `@${text}` : text)
    if (position.kind === 'offset') return { offset: position.offset }
    return position.kind === 'timestamp' ? { timestamp: position.timestampMs } : position.kind
  } catch {
    throw noPlace(text)
  }
}

function noPlace(text: string): CommandError {
  return usageError(
    `--to ${JSON.stringify(text)} is no place`,
    'use earliest, latest, an offset, a time such as 2026-01-31T12:00:00Z, a duration ago such as 2h, +N, -N or group:OTHER',
  )
}
