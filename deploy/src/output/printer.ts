/**
 * Results on standard output: a table for people, `json` as one document, `jsonl` as one object a line.
 */
import type { OutputFormat } from './failure.ts'
import { type Column, renderPairs, renderTable } from './table.ts'

/** A list with one way to show a row to people and one for scripts. */
export interface Listing<Row> {
  readonly rows: readonly Row[]
  readonly columns: readonly Column[]
  cells(row: Row): readonly string[]
  /** The row for scripts; defaults to the row itself. */
  data?(row: Row): unknown
}

/** Prints a list. An empty table prints only its titles; an empty jsonl prints nothing. */
export function printListing<Row>(listing: Listing<Row>, format: OutputFormat): void {
  const data = (row: Row): unknown => (listing.data === undefined ? row : listing.data(row))
  if (format === 'json') process.stdout.write(`${JSON.stringify(listing.rows.map(data), null, 2)}\n`)
  else if (format === 'jsonl')
    process.stdout.write(listing.rows.map((row) => `${JSON.stringify(data(row))}\n`).join(''))
  else
    process.stdout.write(
      renderTable(
        listing.columns,
        listing.rows.map((row) => listing.cells(row)),
      ),
    )
}

/** Prints one thing: pairs for people, one object for scripts. */
export function printObject(pairs: readonly (readonly [string, string])[], data: unknown, format: OutputFormat): void {
  if (format === 'table') process.stdout.write(renderPairs(pairs))
  else process.stdout.write(`${format === 'json' ? JSON.stringify(data, null, 2) : JSON.stringify(data)}\n`)
}

/** Prints one thing that has a page of its own: the page for people, one object for scripts. */
export function printDocument<T>(data: T, render: (data: T) => string, format: OutputFormat): void {
  if (format === 'table') process.stdout.write(render(data))
  else process.stdout.write(`${JSON.stringify(data, null, format === 'json' ? 2 : undefined)}\n`)
}

/** Prints a sentence that says what was done; scripts get the object instead. */
export function printDone(sentence: string, data: unknown, format: OutputFormat): void {
  if (format === 'table') process.stdout.write(`${sentence}\n`)
  else process.stdout.write(`${JSON.stringify(data)}\n`)
}
