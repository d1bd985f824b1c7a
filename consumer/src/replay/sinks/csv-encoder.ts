/**
 * CSV as RFC 4180 has it, with a header line: fields in quotes where they hold a comma, a quote or a line break.
 *
 * A null is an empty field, an empty text is `""`. Times are ISO 8601 in UTC. In `raw` mode key and value are base64. Lines
 * end with a line feed alone.
 */
import type { LogRecord } from '@stratalog/proto/records'
import { type ByteTarget, ChunkBuffer } from './byte-target.ts'
import type { ColumnType, OutputSchema } from './columns.ts'
import type { RecordEncoder } from './record-encoder.ts'
import { type Cell, RowShaper } from './row-shaper.ts'

const NEEDS_QUOTES = /[",\r\n]/
/** Latest time that ISO 8601 of a Date can name. */
const DATE_MS_MAX = 8.64e15

/** See the file's header. */
export class CsvEncoder implements RecordEncoder {
  readonly #out: ChunkBuffer
  readonly #shaper: RowShaper

  /** @param withHeader whether the line of the columns' names comes first. */
  constructor(target: ByteTarget, schema: OutputSchema, partition: number, withHeader: boolean) {
    this.#out = new ChunkBuffer(target)
    this.#shaper = new RowShaper(schema, partition)
    if (withHeader) this.#out.appendText(`${this.#shaper.columns.map(({ name }) => quoted(name)).join(',')}\n`)
  }

  append(record: LogRecord): string | null {
    const reason = this.#shaper.shape(record)
    if (reason !== null) return reason
    const { row, columns } = this.#shaper
    let line = ''
    for (let index = 0; index < row.length; index++) {
      if (index > 0) line += ','
      line += csvField(row[index] ?? null, columns[index]!.type)
    }
    this.#out.appendText(`${line}\n`)
    return null
  }

  finish(): void {
    this.#out.flush()
  }
}

function csvField(cell: Cell, type: ColumnType): string {
  if (cell === null) return ''
  if (typeof cell === 'string') return quoted(cell)
  if (Buffer.isBuffer(cell)) return type === 'binary' ? quoted(cell.toString('base64')) : quoted(cell.toString('utf8'))
  if (type === 'timestamp' && Math.abs(Number(cell)) <= DATE_MS_MAX) return new Date(Number(cell)).toISOString()
  return String(cell)
}

function quoted(text: string): string {
  return text === '' || NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
