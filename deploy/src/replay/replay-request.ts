/**
 * What `stratalog replay` is asked to do, checked before anything is connected: options become bounds, filters and a form of
 * output; what contradicts itself is refused. Pure.
 */
import {
  type Column,
  type FormOptions,
  parseFields,
  parseWhere,
  type RecordFilter,
  type ReplayBound,
} from '@stratalog/consumer'
import { usageError } from '../command-error.ts'
import type { ReplayCommandOptions } from '../commands/replay.ts'
import { parseDuration } from '../input/duration.ts'
import { parseRecordPosition } from '../input/record-position.ts'

/** Where the records go. */
export type ReplayTarget =
  | { readonly kind: 'files'; readonly dir: string }
  | { readonly kind: 'stdout' }
  | {
      readonly kind: 'topic'
      readonly topic: string
      readonly partitionCount: number | null
      readonly checkpointDir: string | null
    }

/** See the file's header. */
export interface ReplayRequest {
  readonly topics: readonly string[]
  readonly from: ReplayBound
  readonly to: ReplayBound
  readonly target: ReplayTarget
  readonly form: FormOptions
  readonly filter: RecordFilter | undefined
}

/** Errors: `USAGE`. */
export function planReplayRequest(topics: readonly string[], options: ReplayCommandOptions): ReplayRequest {
  const { plan, from, to, splits, splitSize, resume, data } = options
  const target = targetOf(options)
  const fromPlan = plan !== undefined
  refuse(
    topics.length === 0 && !fromPlan && resume !== true,
    'no topic is named',
    'say what to read, such as: replay orders',
  )
  refuse(
    fromPlan && (topics.length > 0 || from !== undefined || to !== undefined),
    '--plan says what to read',
    'leave out topics, --from and --to',
  )
  refuse(new Set(topics).size < topics.length, 'a topic is named twice', 'name each once')
  refuse(
    splits !== undefined && splitSize !== undefined,
    '--splits and --split-size contradict each other',
    'leave one of them out',
  )
  refuse(data === undefined && options.unsafeToLogEnd === true, '--unsafe-to-log-end is for folders', 'add --data DIR')
  refuse(data !== undefined && options.readFrom !== undefined, '--read-from is for clusters', 'leave it or --data out')
  refuse(
    data !== undefined && options.bootstrap !== undefined && target.kind !== 'topic',
    '--data and --bootstrap contradict each other',
    'leave one of them out',
  )
  return {
    topics,
    from: boundOf('--from', from ?? 'earliest'),
    to: boundOf('--to', to ?? 'latest'),
    target,
    form: formOf(options),
    filter: filterOf(options),
  }
}

/** A bound as typed. Errors: `USAGE`. */
export function boundOf(option: string, text: string): ReplayBound {
  if (text.startsWith('group:') && text.length > 'group:'.length) return { group: text.slice('group:'.length) }
  if (parseDuration(text) !== null) return { ago: text }
  try {
    const position = parseRecordPosition(option, text)
    if (position.kind === 'offset') return { offset: position.offset }
    return position.kind === 'timestamp' ? { timestamp: position.timestampMs } : position.kind
  } catch {
    throw usageError(
      `${option} ${JSON.stringify(text)} is not a position`,
      'use earliest, latest, an offset such as 1500, a time such as @2026-01-31T12:00:00Z, a time ago such as 7d, or group:NAME',
    )
  }
}

function targetOf({ out, into, partitions, checkpoint, resume, format, dryRun }: ReplayCommandOptions): ReplayTarget {
  refuse(out !== undefined && into !== undefined, '--out and --into contradict each other', 'leave one of them out')
  if (into !== undefined) {
    refuse(
      resume === true && checkpoint === undefined,
      '--resume with --into needs --checkpoint',
      'add --checkpoint DIR',
    )
    return { kind: 'topic', topic: into, partitionCount: partitions ?? null, checkpointDir: checkpoint ?? null }
  }
  refuse(partitions !== undefined, '--partitions is for --into', 'add --into TOPIC')
  refuse(checkpoint !== undefined, '--checkpoint is for --into', 'with --out the checkpoint is in that folder')
  if (out !== undefined) return { kind: 'files', dir: out }
  refuse(resume === true, '--resume needs a folder', 'add --out DIR')
  const isText = format === 'ndjson' || format === 'csv'
  refuse(!isText && dryRun !== true, `${format} cannot go to standard output`, 'add --out DIR, or use ndjson or csv')
  return { kind: 'stdout' }
}

function formOf({ format, compress, columns, fields, place }: ReplayCommandOptions): FormOptions {
  const given: readonly Column[] | undefined = fields === undefined ? undefined : parseFields(fields)
  refuse(
    given !== undefined && columns !== 'auto' && columns !== 'json',
    `--fields are for JSON values, and --columns ${columns} are none`,
    'leave one of them out',
  )
  return { format, compression: compress, columns: given === undefined ? columns : 'json', fields: given, place }
}

function filterOf(options: ReplayCommandOptions): RecordFilter | undefined {
  const { key, keyMatch, header, where, after, before } = options
  const filter: RecordFilter = {
    ...(key === undefined ? {} : { keys: key }),
    ...(keyMatch === undefined ? {} : { keyPattern: keyMatch }),
    ...(header === undefined ? {} : { headers: header.map(headerCondition) }),
    ...(where === undefined ? {} : { where: where.map(parseWhere) }),
    ...(after === undefined ? {} : { fromTimestampMs: timeOf('--after', after) }),
    ...(before === undefined ? {} : { toTimestampMs: timeOf('--before', before) }),
  }
  return Object.keys(filter).length === 0 ? undefined : filter
}

function headerCondition(text: string): { name: string; value?: string } {
  const at = text.indexOf('=')
  return at < 0 ? { name: text } : { name: text.slice(0, at), value: text.slice(at + 1) }
}

function timeOf(option: string, text: string): number {
  const position = parseRecordPosition(option, text.startsWith('@') ? text : `@${text}`)
  if (position.kind !== 'timestamp')
    throw usageError(`${option} ${JSON.stringify(text)} is not a time`, 'use ISO 8601 or ms since 1970')
  return position.timestampMs
}

function refuse(isWrong: boolean, message: string, hint: string): void {
  if (isWrong) throw usageError(message, hint)
}
