/** A run of the scenario `replicated` as a table for people. */
import Table from 'cli-table3'
import type { LoadResult } from '../load/job.ts'
import { spreadCell } from '../spread-cell.ts'
import { spreadOf } from '../statistics.ts'
import type { BrokerCost, ReplicatedRound } from './replicated.ts'

const MEGABYTE = 1e6
const GIGABYTE = 1e9
const MEBIBYTE = 1024 * 1024

/** Rows of bare limit, produce and consume for every size: medians over the rounds, ratios pair by pair. */
export function renderReplicated(rounds: readonly ReplicatedRound[]): string {
  const table = new Table({
    head: [
      'partitions',
      'record',
      'work',
      'records/s',
      'MB/s',
      'of bare limit (min..max)',
      'CPU s/GB: leader',
      'follower',
      'client',
      'client peak MiB',
    ],
    colAligns: ['right', 'right', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const key of new Set(rounds.map(keyOf))) {
    const same = rounds.filter((round) => keyOf(round) === key)
    table.push(...rowsOf(same))
  }
  const peak = Math.max(...rounds.flatMap(({ brokers }) => brokers.map((broker) => broker.peakRssBytes))) / MEBIBYTE
  return [
    table.toString(),
    `Largest broker's memory at its peak: ${peak.toFixed(0)} MiB. MB/s are of values, each kept three times.`,
    'Class D4: acknowledged when a majority of replicas has fsynced. Every acknowledged record was read back once and in order.',
    'Leader: the broker that leads most of the partitions; follower: the mean of the others.',
  ].join('\n')
}

function keyOf({ partitionCount, valueBytes }: ReplicatedRound): string {
  return `${partitionCount}/${valueBytes}`
}

function rowsOf(rounds: readonly ReplicatedRound[]): string[][] {
  const { partitionCount = 0, valueBytes = 0 } = rounds[0] ?? {}
  const median = (of: (round: ReplicatedRound) => number, digits = 1): string =>
    spreadOf(rounds.map(of)).median.toFixed(digits)
  const row = (
    work: string,
    pick: (round: ReplicatedRound) => LoadResult,
    brokerCpu: ((broker: BrokerCost) => number) | null,
  ): string[] => [
    brokerCpu === null ? String(partitionCount) : '',
    brokerCpu === null ? `${valueBytes} B` : '',
    work,
    Math.round(spreadOf(rounds.map((round) => pick(round).records / pick(round).seconds)).median).toLocaleString('en'),
    median((round) => pick(round).valueBytes / MEGABYTE / pick(round).seconds),
    brokerCpu === null
      ? '1'
      : spreadCell(
          rounds.map((round) => round.bare.seconds / pick(round).seconds),
          2,
        ),
    brokerCpu === null ? '' : median((round) => brokerCpu(leaderOf(round)) / gigabytes(pick(round)), 2),
    brokerCpu === null ? '' : median((round) => meanOf(followersOf(round).map(brokerCpu)) / gigabytes(pick(round)), 2),
    median((round) => pick(round).cpuSeconds / gigabytes(pick(round)), 2),
    (Math.max(...rounds.map((round) => pick(round).peakRssBytes)) / MEBIBYTE).toFixed(0),
  ]
  return [
    row('bare limit', ({ bare }) => bare, null),
    row(
      'produce',
      ({ produce }) => produce,
      (broker) => broker.produceCpuSeconds,
    ),
    row(
      'consume',
      ({ consume }) => consume,
      (broker) => broker.consumeCpuSeconds,
    ),
  ]
}

function leaderOf({ brokers }: ReplicatedRound): BrokerCost {
  return brokers.reduce((most, each) => (each.leaderCount > most.leaderCount ? each : most))
}

function followersOf(round: ReplicatedRound): BrokerCost[] {
  const leader = leaderOf(round)
  return round.brokers.filter((broker) => broker !== leader)
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function gigabytes({ valueBytes }: LoadResult): number {
  return valueBytes / GIGABYTE
}
