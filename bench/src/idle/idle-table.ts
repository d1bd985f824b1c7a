/** A run of the scenario `idle` as a table for people. */
import Table from 'cli-table3'
import { spreadCell } from '../spread-cell.ts'
import type { IdleRound } from './idle.ts'

const MEBIBYTE = 1024 * 1024
const PERCENT = 100

/** A row for every number of partitions: medians over the brokers with their spread. */
export function renderIdle(rounds: readonly IdleRound[]): string {
  const table = new Table({
    head: [
      'partitions',
      'created in s',
      '% of a core (min..max)',
      'RSS MiB (min..max)',
      'peak MiB (min..max)',
      'frames/s to a peer',
      'KB/s between all',
    ],
    colAligns: ['right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const round of rounds) {
    const { brokers, framesPerSecondAndPeer, peerBytesPerSecond } = round
    table.push([
      round.partitionCount.toLocaleString('en'),
      round.createSeconds.toFixed(1),
      spreadCell(
        brokers.map(({ cpuShare }) => cpuShare * PERCENT),
        1,
      ),
      spreadCell(
        brokers.map(({ rssBytes }) => rssBytes / MEBIBYTE),
        0,
      ),
      spreadCell(
        brokers.map(({ peakRssBytes }) => peakRssBytes / MEBIBYTE),
        0,
      ),
      framesPerSecondAndPeer?.toFixed(1) ?? 'unknown',
      peerBytesPerSecond === null ? 'unknown' : (peerBytesPerSecond / 1000).toFixed(1),
    ])
  }
  return `${table.toString()}\nOf each broker, three replicas of each partition, nothing to do; frames by the kernel's count.`
}
