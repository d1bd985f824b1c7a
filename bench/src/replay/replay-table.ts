/** A run of the scenario `replay` as a table for people. */
import Table from 'cli-table3'
import { spreadCell } from '../spread-cell.ts'
import type { ReplayBenchRun, ReplayFigure } from './replay-bench.ts'

const MEGABYTE = 1e6

/** A row for every kind of reading: medians over the rounds with their spread. */
export function renderReplay({ rounds, live }: ReplayBenchRun): string {
  const table = new Table({
    head: ['replay', 'records/s', 'MB/s', 'records per CPU second', 'of the bare decoder, per CPU second'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { name } of rounds[0] ?? []) {
    const same = rounds.flatMap((round) => round.filter((figure) => figure.name === name))
    const cell = (of: (figure: ReplayFigure) => number, digits: number): string => spreadCell(same.map(of), digits)
    const isCat = name === 'cat'
    table.push([
      name,
      isCat ? '' : cell(({ records, seconds }) => records / seconds, 0),
      cell(({ fileBytes, seconds }) => fileBytes / seconds / MEGABYTE, 0),
      isCat ? '' : cell(perCpuSecond, 0),
      isCat
        ? ''
        : spreadCell(
            rounds.map((round) => shareOfBare(round, name)),
            2,
          ),
    ])
  }
  return `${table.toString()}${live === null ? '' : `\n${liveLine(live)}`}`
}

function perCpuSecond({ records, cpuSeconds }: ReplayFigure): number {
  return records / cpuSeconds
}

function shareOfBare(round: readonly ReplayFigure[], name: string): number {
  const find = (wanted: string): ReplayFigure => round.find((figure) => figure.name === wanted) ?? round[0]!
  return perCpuSecond(find(name)) / perCpuSecond(find('bare decoder'))
}

function liveLine({ alone, besideReplay }: NonNullable<ReplayBenchRun['live']>): string {
  const ms = (microseconds: number): string => (microseconds / 1000).toFixed(1)
  const ratio = (besideReplay.p99 / alone.p99).toFixed(2)
  return `A writer's p50 and p99: ${ms(alone.p50)} and ${ms(alone.p99)} ms by itself, ${ms(besideReplay.p50)} and ${ms(besideReplay.p99)} ms beside a replay of the cluster (p99 x ${ratio}).`
}
