/** A run of the scenario `spine` as a table for people. */
import Table from 'cli-table3'
import type { LoadResult } from './load/job.ts'
import type { SpineRound } from './spine.ts'
import { type Spread, spreadOf } from './statistics.ts'

const MEGABYTE = 1e6
const MEBIBYTE = 1024 * 1024

/** A table with a row per record size: medians over the rounds, the ratio pair by pair with its spread. */
export function renderSpine(rounds: readonly SpineRound[]): string {
  const table = new Table({
    head: [
      'record',
      'work',
      'records/s',
      'MB/s',
      'of bare writer (min..max)',
      'broker CPU s/GB',
      'client CPU s/GB',
      'peak MiB',
    ],
    colAligns: ['right', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const valueBytes of new Set(rounds.map((round) => round.valueBytes))) {
    const same = rounds.filter((round) => round.valueBytes === valueBytes)
    const size = `${valueBytes} B`
    table.push(
      row(size, 'bare writer', same, (round) => round.bare, null),
      row(
        '',
        'produce',
        same,
        (round) => round.produce,
        (round) => round.brokerCpuSeconds.produce,
      ),
      row(
        '',
        'consume',
        same,
        (round) => round.consume,
        (round) => round.brokerCpuSeconds.consume,
      ),
    )
  }
  const peak = Math.max(...rounds.map((round) => round.brokerPeakRssBytes)) / MEBIBYTE
  return `${table.toString()}\nBroker memory at its peak: ${peak.toFixed(0)} MiB. Class D2: fdatasync before every acknowledgement.`
}

function row(
  size: string,
  work: string,
  rounds: readonly SpineRound[],
  pick: (round: SpineRound) => LoadResult,
  brokerCpuSeconds: ((round: SpineRound) => number) | null,
): string[] {
  const gigabytes = (round: SpineRound): number => pick(round).valueBytes / 1e9
  const median = (of: (round: SpineRound) => number): number => spreadOf(rounds.map(of)).median
  const ratio: Spread = spreadOf(rounds.map((round) => round.bare.seconds / pick(round).seconds))
  return [
    size,
    work,
    Math.round(median((round) => pick(round).records / pick(round).seconds)).toLocaleString('en'),
    median((round) => pick(round).valueBytes / MEGABYTE / pick(round).seconds).toFixed(1),
    brokerCpuSeconds === null ? '1' : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}..${ratio.max.toFixed(2)})`,
    brokerCpuSeconds === null ? '' : median((round) => brokerCpuSeconds(round) / gigabytes(round)).toFixed(1),
    median((round) => pick(round).cpuSeconds / gigabytes(round)).toFixed(1),
    (Math.max(...rounds.map((round) => pick(round).peakRssBytes)) / MEBIBYTE).toFixed(0),
  ]
}
