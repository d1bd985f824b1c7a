/**
 * From a record to the values of a row, or to the reason why it does not fit the schema.
 *
 * Invariant: a row is taken whole or not at all. Values in a row: number or bigint for int64, number for int32, double and
 * timestamp, boolean, text for json, bytes or text for string, bytes for binary; null everywhere.
 * Owner: one encoder; the row is used again for the next record.
 */
import { isUtf8 } from 'node:buffer'
import type { LogRecord, RecordHeader } from '@stratalog/proto/records'
import { type Column, columnsOf, type OutputSchema } from './columns.ts'
import { exactInteger, isJsonObject, ownField, parseJsonExact } from './json-value.ts'

/** What a cell may hold. */
export type Cell = number | bigint | boolean | string | Buffer | null

const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)
/** Marks a value that its column cannot hold; no cell is undefined. */
const UNFIT = undefined

/** See the file's header. */
export class RowShaper {
  readonly columns: readonly Column[]
  /** Cells of the last record that fitted. */
  readonly row: Cell[]
  readonly #schema: OutputSchema
  readonly #partition: number
  /** First column that is a field of the JSON value. */
  readonly #fieldStart: number

  constructor(schema: OutputSchema, partition: number) {
    this.#schema = schema
    this.#partition = partition
    this.columns = columnsOf(schema)
    this.row = new Array<Cell>(this.columns.length).fill(null)
    this.#fieldStart = this.columns.length - schema.fields.length
  }

  /** Fills `row`. @returns null, or why the record does not fit. */
  shape(record: LogRecord): string | null {
    return this.#schema.mode === 'json' ? this.#shapeJson(record) : this.#shapeBytes(record)
  }

  #shapeBytes(record: LogRecord): string | null {
    const { row } = this
    const { key, value } = record
    if (this.#schema.mode === 'text') {
      if (key !== null && !isUtf8(key)) return 'the key is not UTF-8'
      if (value !== null && !isUtf8(value)) return 'the value is not UTF-8'
    }
    row[0] = this.#partition
    row[1] = record.offset
    row[2] = record.timestamp < 0 ? null : record.timestamp
    row[3] = key
    row[4] = value
    row[5] = headersCell(record.headers)
    return null
  }

  #shapeJson(record: LogRecord): string | null {
    const { value } = record
    if (value === null) return 'the value is null (a tombstone)'
    if (!isUtf8(value)) return 'the value is not UTF-8'
    let parsed: unknown
    try {
      parsed = parseJsonExact(value.toString('utf8'))
    } catch (error) {
      return `the value is not JSON: ${error instanceof Error ? error.message : String(error)}`
    }
    if (!isJsonObject(parsed)) return 'the value is JSON, but no object'
    const reason = this.#shapeFields(parsed)
    if (reason !== null || this.#fieldStart === 0) return reason
    const { key } = record
    if (key !== null && !isUtf8(key)) return 'the key is not UTF-8'
    const { row } = this
    row[0] = this.#partition
    row[1] = record.offset
    row[2] = record.timestamp < 0 ? null : record.timestamp
    row[3] = key
    row[4] = headersCell(record.headers)
    return null
  }

  #shapeFields(object: Readonly<Record<string, unknown>>): string | null {
    const { columns, row } = this
    let present = 0
    for (let index = this.#fieldStart; index < columns.length; index++) {
      const column = columns[index]!
      const value = ownField(object, column.name)
      if (value !== undefined) present++
      const cell = value === undefined || value === null ? null : cellOf(column, value)
      if (cell === UNFIT) return `field ${column.name} is ${describe(value)}, the column is ${column.type}`
      row[index] = cell
    }
    const names = Object.keys(object)
    if (names.length === present) return null
    const unknown = names.find(
      (name) => !columns.some((column, index) => index >= this.#fieldStart && column.name === name),
    )
    return `field ${unknown ?? '?'} is not in the schema`
  }
}

/** Headers as JSON text, or null without any; a value that is not UTF-8 is `valueBase64`. */
export function headersCell(headers: readonly RecordHeader[]): string | null {
  if (headers.length === 0) return null
  return JSON.stringify(
    headers.map(({ key, value }) => {
      if (value === null) return { key, value }
      return isUtf8(value) ? { key, value: value.toString('utf8') } : { key, valueBase64: value.toString('base64') }
    }),
  )
}

function cellOf(column: Column, value: unknown): Cell | typeof UNFIT {
  switch (column.type) {
    case 'string':
      return typeof value === 'string' ? value : UNFIT
    case 'boolean':
      return typeof value === 'boolean' ? value : UNFIT
    case 'double':
      return doubleOf(value)
    case 'int64':
      return int64Of(value)
    case 'int32':
      return typeof value === 'number' && (value | 0) === value ? value : UNFIT
    case 'timestamp':
      return timestampOf(value)
    case 'json':
      return JSON.stringify(value)
    case 'binary':
      return UNFIT
  }
}

function doubleOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  const integer = exactInteger(value)
  return integer !== null && BigInt(Number(integer)) === integer ? Number(integer) : UNFIT
}

function int64Of(value: unknown): number | bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : UNFIT
  const integer = exactInteger(value)
  return integer !== null && integer >= INT64_MIN && integer <= INT64_MAX ? integer : UNFIT
}

/** Ms since 1970, or ISO 8601 with a zone: a text without one would mean another instant on another machine. */
function timestampOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : UNFIT
  if (typeof value !== 'string' || !/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*(Z|[+-]\d{2}:?\d{2}))?$/.test(value))
    return UNFIT
  const timestampMs = Date.parse(value)
  return Number.isNaN(timestampMs) ? UNFIT : timestampMs
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined'
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
