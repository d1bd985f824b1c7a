/**
 * What `stratalog partition` does.
 */
import {
  type AdminClient,
  delay,
  formatAddress,
  type LeaderDescription,
  type PartitionDescription,
  StratalogError,
} from '@stratalog/client'
import { withClient } from '../cluster/connect.ts'
import type { PartitionListOptions, PartitionMoveOptions, TransferLeaderOptions } from '../commands/partition.ts'
import type { ClusterOptions } from '../commands/shared-options.ts'
import { printDone, printListing } from '../output/printer.ts'
import { formatBytes } from '../output/quantity.ts'
import { renderPairs, renderTable } from '../output/table.ts'
import { inSync, REPLICA_COLUMNS, replicaCells } from './replica-table.ts'

const POLL_INTERVAL_MS = 200

/** `partition list`. */
export async function listPartitions(topics: readonly string[], options: PartitionListOptions): Promise<void> {
  const { internal: includeInternal, problems: onlyProblems, output } = options
  const rows = await withClient(options, ({ admin }) =>
    admin.describePartitions({ topics, includeInternal, onlyProblems }),
  )
  printListing<PartitionDescription>(
    {
      rows,
      columns: [
        { title: 'TOPIC' },
        { title: 'PARTITION', align: 'right' },
        { title: 'LEADER', align: 'right' },
        { title: 'EPOCH', align: 'right' },
        { title: 'REPLICAS' },
        { title: 'IN SYNC' },
        { title: 'MOVING TO' },
        { title: 'END', align: 'right' },
        { title: 'SIZE', align: 'right' },
        { title: 'STATE' },
      ],
      cells: (partition) => [
        partition.topic,
        String(partition.partition),
        String(partition.leaderId ?? 'none'),
        String(partition.leaderEpoch),
        partition.replicas.map(({ brokerId }) => brokerId).join(','),
        inSync(partition.replicas).join(',') || 'none',
        partition.targetReplicas.join(',') || '-',
        String(partition.visibleEnd ?? '?'),
        formatBytes(partition.logBytes),
        partition.problems.join(', ') || 'ok',
      ],
    },
    output,
  )
}

/** `partition status`: of one partition, or of all of a topic. */
export async function showPartitions(
  topic: string,
  number: number | undefined,
  options: ClusterOptions,
): Promise<void> {
  const described = await withClient(options, ({ admin }) => admin.describePartitions({ topics: [topic] }))
  const shown = number === undefined ? described : described.filter(({ partition }) => partition === number)
  if (number !== undefined && shown.length === 0) throw noSuchPartition(topic, number, described.length)
  if (options.output === 'json') process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`)
  else if (options.output === 'jsonl') process.stdout.write(shown.map((each) => `${JSON.stringify(each)}\n`).join(''))
  else process.stdout.write(shown.map(renderPartition).join('\n'))
}

/** `partition move`. */
export async function movePartition(topic: string, partition: number, options: PartitionMoveOptions): Promise<void> {
  const { to: replicas, dryRun: validateOnly, wait, output } = options
  await withClient(options, async ({ admin }) => {
    let placement = await admin.movePartition({ topic, partition, replicas, validateOnly })
    const name = `${topic}-${partition}`
    const target = replicas.join(',')
    if (validateOnly) {
      printDone(`${name} can be moved to ${target}`, { moving: false, topic, partition, ...placement }, output)
      return
    }
    if (wait && placement.targetReplicas.length > 0) {
      placement = { replicas: await waitForMove(admin, topic, partition), targetReplicas: [] }
    }
    const moving = placement.targetReplicas.length > 0
    const now = placement.replicas.join(',')
    const progress = `see its progress with: stratalog partition status ${topic} ${partition}`
    const sentence = moving ? `${name} is moving from ${now} to ${target}; ${progress}` : `${name} is on ${now}`
    printDone(sentence, { moving, topic, partition, ...placement }, output)
  })
}

/** `partition move-cancel`. */
export async function cancelMove(topic: string, partition: number, options: ClusterOptions): Promise<void> {
  const placement = await withClient(options, ({ admin }) => admin.cancelMove(topic, partition))
  const sentence = `${topic}-${partition} stays on ${placement.replicas.join(',')}`
  printDone(sentence, { moving: false, topic, partition, ...placement }, options.output)
}

/** `partition transfer-leader`. */
export async function transferLeader(topic: string, partition: number, options: TransferLeaderOptions): Promise<void> {
  const leader = await withClient(options, ({ admin }) => admin.transferLeader(topic, partition, options.to ?? null))
  const sentence = `${topic}-${partition} is led by ${leaderText(leader)}`
  printDone(sentence, { topic, partition, ...leader }, options.output)
}

function renderPartition(partition: PartitionDescription): string {
  const { topic, partition: number, leaderEpoch, targetReplicas, problems, replicas } = partition
  const head = renderPairs([
    ['partition', `${topic}-${number}`],
    ['leader', `${leaderText(partition)}, epoch ${leaderEpoch}`],
    ['in sync', `${inSync(replicas).join(',') || 'none'} of ${replicas.map(({ brokerId }) => brokerId).join(',')}`],
    ['moving to', targetReplicas.length === 0 ? '-' : `${targetReplicas.join(',')} (${moveText(partition)})`],
    ['records', `${partition.logStartOffset ?? '?'} to ${partition.visibleEnd ?? '?'} (exclusive)`],
    ['size', `${formatBytes(partition.logBytes)} in ${partition.segmentCount} segments at the leader`],
    ['state', problems.join(', ') || 'ok'],
  ])
  return `${head}${renderTable(REPLICA_COLUMNS, replicas.map(replicaCells))}`
}

/** How far the new copies are. */
function moveText({ replicas, targetReplicas, highWatermark }: PartitionDescription): string {
  const filling = replicas.filter(({ brokerId, caughtUp }) => targetReplicas.includes(brokerId) && !caughtUp)
  if (filling.length === 0) return 'all copies are caught up'
  const parts = filling.map(({ brokerId, lagOffsets }) => {
    if (lagOffsets === null || highWatermark === null) return `broker ${brokerId} has not begun`
    return `broker ${brokerId} lacks ${lagOffsets} of ${highWatermark} offsets`
  })
  return parts.join(', ')
}

function leaderText({ leaderId, leader }: LeaderDescription): string {
  if (leaderId === null) return 'nobody'
  return leader === null ? `broker ${leaderId}` : `broker ${leaderId} (${formatAddress(leader)})`
}

async function waitForMove(admin: AdminClient, topic: string, number: number): Promise<number[]> {
  for (;;) {
    const described = await admin.describePartitions({ topics: [topic] })
    const found = described.find(({ partition }) => partition === number)
    if (found === undefined) throw noSuchPartition(topic, number, described.length)
    if (found.targetReplicas.length === 0) return found.replicas.map(({ brokerId }) => brokerId)
    await delay(POLL_INTERVAL_MS)
  }
}

function noSuchPartition(topic: string, partition: number, count: number): StratalogError {
  const text = `topic ${topic} has ${count} partitions, numbered from 0; there is no partition ${partition}`
  return new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', text, { topic, partition })
}
