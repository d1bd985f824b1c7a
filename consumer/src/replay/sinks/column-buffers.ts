/**
 * Rows on their way into a columnar file: an array of cells for each column, up to a bound in rows and bytes.
 *
 * Bytes of records are copied, so that a row keeps no batch alive. Owner: one encoder.
 */
import type { Column } from './columns.ts'
import type { Cell } from './row-shaper.ts'

const ROWS_MAX = 131_072
const BYTES_MAX = 32 * 1024 * 1024
/** What a cell weighs beside its text or bytes. */
const CELL_BYTES = 8

/** See the file's header. */
export class ColumnBuffers {
  readonly columns: readonly Column[]
  #cells: Cell[][]
  #rowCount = 0
  #bytes = 0

  constructor(columns: readonly Column[]) {
    this.columns = columns
    this.#cells = columns.map(() => [])
  }

  /** Rows held. */
  get rowCount(): number {
    return this.#rowCount
  }

  /** Whether the rows should be written before more are taken. */
  get isFull(): boolean {
    return this.#rowCount >= ROWS_MAX || this.#bytes >= BYTES_MAX
  }

  /** Copies a row. */
  append(row: readonly Cell[]): void {
    let bytes = 0
    for (let index = 0; index < row.length; index++) {
      const cell = row[index] ?? null
      bytes += CELL_BYTES
      if (typeof cell === 'string') bytes += cell.length
      else if (Buffer.isBuffer(cell)) bytes += cell.length
      this.#cells[index]!.push(Buffer.isBuffer(cell) ? Buffer.from(cell) : cell)
    }
    this.#rowCount++
    this.#bytes += bytes
  }

  /** Gives the columns' cells away and begins anew. */
  take(): readonly (readonly Cell[])[] {
    const cells = this.#cells
    this.#cells = this.columns.map(() => [])
    this.#rowCount = 0
    this.#bytes = 0
    return cells
  }
}
