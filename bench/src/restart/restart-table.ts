/** A run of the scenario `restart` as a table for people. */
import Table from 'cli-table3'
import { spreadCell } from '../spread-cell.ts'
import type { RestartRound, RestartRun } from './restart.ts'

const TITLES = {
  'one stop': 'one of them, stopped in order',
  'one kill': 'one of them, after kill -9',
  'all stop': 'all at once, stopped in order',
  'all kill': 'all at once, after kill -9',
} as const

/** A row for every case: medians over the rounds with their spread, in ms from the start of the process. */
export function renderRestart({ restarts, verifiedRecords }: RestartRun): string {
  const table = new Table({
    head: ['restarted', 'takes calls, ms', 'fully replicated, ms', 'every partition written, ms', 'CPU s'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const [key, title] of Object.entries(TITLES)) {
    const same = restarts.filter(({ which, how }) => `${which} ${how}` === key)
    const cell = (of: (round: RestartRound) => number): string => spreadCell(same.map(of), 0)
    table.push([
      title,
      cell(({ readyMs }) => readyMs),
      cell(({ servingMs }) => servingMs),
      cell(({ writtenMs }) => writtenMs),
      spreadCell(
        same.map(({ cpuSeconds }) => cpuSeconds),
        1,
      ),
    ])
  }
  return `${table.toString()}\nAll ${verifiedRecords.toLocaleString('en')} acknowledged records were read back once and in order.`
}
