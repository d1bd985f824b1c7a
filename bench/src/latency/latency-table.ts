/** A run of the scenario `latency` as a table for people. */
import Table from 'cli-table3'
import type { LatencySummary } from '../load/latency-histogram.ts'
import { spreadCell } from '../spread-cell.ts'
import { spreadOf } from '../statistics.ts'
import type { LatencyRound } from './latency.ts'

const US_PER_MS = 1000

/** Rows for every size: medians over the rounds with their spread, in ms. */
export function renderLatency(rounds: readonly LatencyRound[]): string {
  const table = new Table({
    head: ['record', 'records/s', 'ms', 'p50 (min..max)', 'p99 (min..max)', 'p99.9 (min..max)', 'max', 'p50 of floor'],
    colAligns: ['right', 'right', 'left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const valueBytes of new Set(rounds.map((round) => round.valueBytes))) {
    table.push(...rowsOf(rounds.filter((round) => round.valueBytes === valueBytes)))
  }
  return [
    table.toString(),
    'From when a record was due (open loop), class D4, no linger. Floor: one fdatasync and two round trips over loopback.',
    'Every acknowledged record was read once and in order.',
  ].join('\n')
}

/** What no acknowledgement by a majority can beat, in microseconds. */
export function floorUs({ floor }: LatencyRound): number {
  return floor.fdatasync.p50 + 2 * floor.roundTrip.p50
}

function rowsOf(rounds: readonly LatencyRound[]): string[][] {
  const median = (of: (round: LatencyRound) => number): number => spreadOf(rounds.map(of)).median
  const ms = (of: (round: LatencyRound) => number): string =>
    spreadCell(
      rounds.map((round) => of(round) / US_PER_MS),
      2,
    )
  const row = (title: string, pick: (round: LatencyRound) => LatencySummary, ofFloor = false): string[] => [
    '',
    '',
    title,
    ms((round) => pick(round).p50),
    ms((round) => pick(round).p99),
    ms((round) => pick(round).p999),
    (Math.max(...rounds.map((round) => pick(round).max)) / US_PER_MS).toFixed(1),
    ofFloor
      ? spreadCell(
          rounds.map((round) => pick(round).p50 / floorUs(round)),
          2,
        )
      : '',
  ]
  const [first = [], ...rest] = [
    row('produce', ({ produce }) => produce, true),
    row('end to end', ({ endToEnd }) => endToEnd, true),
    row('of it in the sender', ({ sendDelay }) => sendDelay),
    row('bare fdatasync', ({ floor }) => floor.fdatasync),
    row('bare round trip', ({ floor }) => floor.roundTrip),
  ]
  const size = `${rounds[0]?.valueBytes} B`
  const rate = Math.round(median(({ ratePerSecond }) => ratePerSecond)).toLocaleString('en')
  return [[size, rate, ...first.slice(2)], ...rest]
}
