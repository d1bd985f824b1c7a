/**
 * Which records a replay wants, as plain JSON, so that it reaches worker threads and the checkpoint; and the function that
 * decides. All conditions must hold. Pure.
 */
import { isUtf8 } from 'node:buffer'
import { StratalogError } from '@stratalog/proto'
import type { LogRecord } from '@stratalog/proto/records'
import type { ReplayFilter } from '../read-options.ts'
import { isJsonObject, ownField, parseJsonExact } from '../sinks/json-value.ts'

/** How a condition compares. `~` is a regular expression that the text matches somewhere. */
export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=' | '~'

/** A condition on a field of a JSON value. */
export interface WhereCondition {
  /** Names from the outermost in; of a list, positions. */
  readonly path: readonly string[]
  readonly comparison: Comparison
  /** Numbers are compared as numbers, texts as texts; a value of another type does not meet the condition. */
  readonly operand: string | number | boolean | null
}

/** A header that a record must have; with `value`, one of that name must have that value. */
export interface HeaderCondition {
  readonly name: string
  readonly value?: string | undefined
}

/** See the file's header. */
export interface RecordFilter {
  /** Timestamp of this or later, ms since 1970. */
  readonly fromTimestampMs?: number | undefined
  /** Timestamp before this. */
  readonly toTimestampMs?: number | undefined
  /** The key is one of these texts. */
  readonly keys?: readonly string[] | undefined
  /** The key, as text, matches this regular expression somewhere. */
  readonly keyPattern?: string | undefined
  readonly headers?: readonly HeaderCondition[] | undefined
  /** Conditions on values that are JSON; a value that is not meets none. */
  readonly where?: readonly WhereCondition[] | undefined
}

const WHERE = /^\s*([^\s=!<>~]+)\s*(<=|>=|!=|=|<|>|~)\s*(.*?)\s*$/s

/**
 * A condition as text: `FIELD=VALUE`, also with != < <= > >= and ~ (a regular expression). FIELD may name an inner field,
 * `a.b`. VALUE is JSON where it is some (`5`, `true`, `null`, `"5"`), otherwise text.
 *
 * Errors: INVALID_REQUEST.
 */
export function parseWhere(text: string): WhereCondition {
  const [, path = '', comparison = '', value = ''] = WHERE.exec(text) ?? []
  if (path === '' || path.split('.').includes('')) {
    throw new StratalogError('INVALID_REQUEST', `${JSON.stringify(text)} is no condition`, {
      hint: 'Write FIELD=VALUE, such as origin=SEA, delay>=60 or address.city~^San.',
    })
  }
  const operand = comparison === '~' ? value : operandOf(value)
  return { path: path.split('.'), comparison: comparison as Comparison, operand }
}

/** What `readSplit` takes. Errors: INVALID_REQUEST for a regular expression that is none. */
export function toReplayFilter(filter: RecordFilter | undefined): ReplayFilter | undefined {
  if (filter === undefined) return undefined
  const tests = [keyTest(filter), headerTest(filter.headers ?? []), whereTest(filter.where ?? [])].filter(
    (test) => test !== null,
  )
  const { fromTimestampMs, toTimestampMs } = filter
  if (tests.length === 0 && fromTimestampMs === undefined && toTimestampMs === undefined) return undefined
  return {
    ...(fromTimestampMs === undefined ? {} : { fromTimestampMs }),
    ...(toTimestampMs === undefined ? {} : { toTimestampMs }),
    ...(tests.length === 0 ? {} : { where: (record: LogRecord) => tests.every((test) => test(record)) }),
  }
}

type Test = (record: LogRecord) => boolean

function operandOf(text: string): WhereCondition['operand'] {
  try {
    const value: unknown = JSON.parse(text)
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return value
  } catch {
    // Text without quotes.
  }
  return text
}

function keyTest({ keys, keyPattern }: RecordFilter): Test | null {
  if (keys === undefined && keyPattern === undefined) return null
  const wanted = keys === undefined ? null : new Set(keys)
  const pattern = keyPattern === undefined ? null : patternOf(keyPattern)
  return ({ key }) => {
    if (key === null || !isUtf8(key)) return false
    const text = key.toString('utf8')
    return (wanted === null || wanted.has(text)) && (pattern === null || pattern.test(text))
  }
}

function headerTest(conditions: readonly HeaderCondition[]): Test | null {
  if (conditions.length === 0) return null
  return ({ headers }) =>
    conditions.every(({ name, value }) =>
      headers.some(
        (header) => header.key === name && (value === undefined || header.value?.toString('utf8') === value),
      ),
    )
}

function whereTest(conditions: readonly WhereCondition[]): Test | null {
  if (conditions.length === 0) return null
  const tests = conditions.map(({ path, comparison, operand }) => {
    const compare = comparer(comparison, operand)
    return (value: unknown) => compare(fieldAt(value, path))
  })
  return ({ value }) => {
    if (value === null || !isUtf8(value)) return false
    try {
      const parsed = parseJsonExact(value.toString('utf8'))
      return tests.every((test) => test(parsed))
    } catch {
      return false
    }
  }
}

/** What lies at a path; undefined where nothing does. */
function fieldAt(value: unknown, path: readonly string[]): unknown {
  let at = value
  for (const name of path) {
    if (Array.isArray(at)) at = /^\d+$/.test(name) ? at[Number(name)] : undefined
    else if (isJsonObject(at)) at = ownField(at, name)
    else return undefined
  }
  return at
}

function comparer(comparison: Comparison, operand: WhereCondition['operand']): (value: unknown) => boolean {
  if (comparison === '~') {
    const pattern = patternOf(String(operand))
    return (value) => typeof value === 'string' && pattern.test(value)
  }
  if (comparison === '=') return (value) => value === operand
  if (comparison === '!=') return (value) => value !== undefined && value !== operand
  const order = ORDERS[comparison]
  return (value) => {
    if (typeof value === 'number' && typeof operand === 'number') return order(value - operand)
    if (typeof value === 'string' && typeof operand === 'string') {
      return order(value < operand ? -1 : value > operand ? 1 : 0)
    }
    return false
  }
}

const ORDERS: Readonly<Record<'<' | '<=' | '>' | '>=', (difference: number) => boolean>> = {
  '<': (difference) => difference < 0,
  '<=': (difference) => difference <= 0,
  '>': (difference) => difference > 0,
  '>=': (difference) => difference >= 0,
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, 'u')
  } catch (cause) {
    throw new StratalogError('INVALID_REQUEST', `${JSON.stringify(text)} is no regular expression`, { cause })
  }
}
