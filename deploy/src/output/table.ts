/**
 * Tables for people: columns as wide as their widest cell, two spaces between, no lines, so that they survive a
 * copy into a chat and a pipe into `awk`.
 */
import CliTable from 'cli-table3'

/** One column: its title and which side its cells lean to (numbers to the right). */
export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

const GAP = '  '

/** The whole table with a newline after every row; the titles alone when there are no rows. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return render(
    columns.map((column) => column.align ?? 'left'),
    [columns.map((column) => column.title), ...rows],
  )
}

/** Pairs as `name: value` lines, aligned. */
export function renderPairs(pairs: readonly (readonly [string, string])[]): string {
  return render(
    ['left', 'left'],
    pairs.map(([name, value]) => [`${name}:`, value]),
  )
}

function render(colAligns: ('left' | 'right')[], rows: readonly (readonly string[])[]): string {
  const table = new CliTable({
    colAligns,
    chars: {
      ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
      ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
      ...{ left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '' },
      middle: GAP,
    },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  })
  table.push(...rows.map((row) => [...row]))
  const lines = table.toString().split('\n')
  return rows.length === 0 ? '' : `${lines.map((line) => line.trimEnd()).join('\n')}\n`
}
