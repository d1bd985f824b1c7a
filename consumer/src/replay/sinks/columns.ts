/**
 * What a row of a columnar or CSV file is made of: names and types of columns, and how records become such rows.
 *
 * Plain JSON, because a schema is stored in the checkpoint and sent to worker threads. The schema of a replay is fixed before
 * its first file is written: all files of an output have the same columns.
 */
import { StratalogError } from '@stratalog/proto'

/**
 * Type of a column. `json` holds the JSON text of any value; `timestamp` is ms since 1970; `int64` is a signed integer of
 * 64 bits, exact.
 */
export type ColumnType = 'boolean' | 'int32' | 'int64' | 'double' | 'string' | 'json' | 'binary' | 'timestamp'

/** One column; every column may be null. */
export interface Column {
  readonly name: string
  readonly type: ColumnType
}

/**
 * `raw`: place, timestamp, and key and value as bytes: every record fits.
 * `text`: the same with key and value as UTF-8 text.
 * `json`: a column for each field of values that are JSON objects, behind those of the place.
 */
export type ColumnsMode = 'raw' | 'text' | 'json'

/** Columns of an output. */
export interface OutputSchema {
  readonly mode: ColumnsMode
  /** Columns for the fields of JSON values, in order; empty unless `mode` is `json`. */
  readonly fields: readonly Column[]
  /** Whether columns of the place come before the fields (always true for `raw` and `text`). */
  readonly place: boolean
}

const TYPES: readonly ColumnType[] = ['boolean', 'int32', 'int64', 'double', 'string', 'json', 'binary', 'timestamp']

/** Columns of the place in front of JSON fields; the names begin with `_` so that they seldom meet a field. */
export const PLACE_COLUMNS: readonly Column[] = [
  { name: '_partition', type: 'int32' },
  { name: '_offset', type: 'int64' },
  { name: '_timestamp', type: 'timestamp' },
  { name: '_key', type: 'string' },
  { name: '_headers', type: 'json' },
]

/** All columns of an output, in order. */
export function columnsOf(schema: OutputSchema): readonly Column[] {
  if (schema.mode === 'json') return schema.place ? [...PLACE_COLUMNS, ...schema.fields] : schema.fields
  const bytes: ColumnType = schema.mode === 'raw' ? 'binary' : 'string'
  return [
    { name: 'partition', type: 'int32' },
    { name: 'offset', type: 'int64' },
    { name: 'timestamp', type: 'timestamp' },
    { name: 'key', type: bytes },
    { name: 'value', type: bytes },
    { name: 'headers', type: 'json' },
  ]
}

/** Checks a schema that was given or inferred. Errors: INVALID_CONFIG naming the column. */
export function checkSchema(schema: OutputSchema): OutputSchema {
  const columns = columnsOf(schema)
  if (columns.length === 0) throw wrong('the schema has no columns: no JSON object was found in the sample')
  const seen = new Set<string>()
  for (const { name, type } of columns) {
    if (typeof name !== 'string' || name === '') throw wrong('a column of the schema has no name')
    if (!TYPES.includes(type))
      throw wrong(`column ${name} has the type ${String(type)}; use one of ${TYPES.join(', ')}`)
    if (seen.has(name)) {
      throw wrong(`the schema has two columns ${name}; leave the columns of the place out, or name the fields yourself`)
    }
    if (type === 'binary' && schema.mode === 'json') throw wrong(`column ${name} is binary, which no JSON value fits`)
    seen.add(name)
  }
  return schema
}

/**
 * A schema as text: `name:type,name:type`, such as `id:int64,name:string`. A type that is left out is `string`.
 *
 * Errors: INVALID_CONFIG.
 */
export function parseFields(text: string): Column[] {
  return text.split(',').map((part) => {
    const [name = '', type = 'string'] = part.split(':').map((each) => each.trim())
    return { name, type: type as ColumnType }
  })
}

function wrong(message: string): StratalogError {
  return new StratalogError('INVALID_CONFIG', message, { metadata: { field: 'schema' } })
}
