/**
 * A topic in full, for people and for scripts.
 */
import {
  type ConfigEntry,
  formatAddress,
  type PartitionDescription,
  type PartitionMetadata,
  type PartitionProblem,
  type ReplicaDescription,
  type TopicMetadata,
} from '@stratalog/client'
import type { OutputFormat } from '../output/failure.ts'
import { formatBytes } from '../output/quantity.ts'
import { renderPairs, renderTable } from '../output/table.ts'
import { inSync } from '../partition/replica-table.ts'

/** A partition as clients find it, with the ends, sizes and replicas that its leader tells. */
export interface DescribedPartition extends PartitionMetadata {
  readonly replicaStates: readonly ReplicaDescription[]
  readonly problems: readonly PartitionProblem[]
}

/** A topic with such partitions. */
export interface TopicWithStatus extends TopicMetadata {
  readonly partitions: readonly DescribedPartition[]
}

/** A topic with its settings in force. */
export interface DescribedTopic {
  readonly topic: TopicWithStatus
  readonly configs: readonly ConfigEntry[]
}

/** Prints each topic: its settings that are not defaults, then its partitions. */
export function printTopicDescriptions(described: readonly DescribedTopic[], format: OutputFormat): void {
  const data = described.map(({ topic, configs }) => ({ ...topicAsJson(topic), effectiveConfigs: configs }))
  if (format === 'json') process.stdout.write(`${JSON.stringify(data, null, 2)}\n`)
  else if (format === 'jsonl') process.stdout.write(data.map((each) => `${JSON.stringify(each)}\n`).join(''))
  else process.stdout.write(described.map(renderTopic).join('\n'))
}

/** The topic with what the leaders of its partitions tell; where none is among `statuses`, what any broker knows. */
export function withStatus(topic: TopicMetadata, statuses: readonly PartitionDescription[]): TopicWithStatus {
  const own = new Map(statuses.filter((status) => status.topic === topic.name).map((each) => [each.partition, each]))
  const partitions = topic.partitions.map((partition) => {
    const status = own.get(partition.partition)
    if (status === undefined) return { ...partition, replicaStates: [], problems: [] }
    const { logStartOffset, visibleEnd, highWatermark, logBytes, segmentCount, problems, replicas } = status
    const log = logStartOffset === null ? {} : { logStartOffset, visibleEnd, highWatermark, logBytes, segmentCount }
    return { ...partition, ...log, problems, replicaStates: replicas }
  })
  return { ...topic, partitions }
}

/** The topic for scripts: ids as text, errors as objects. */
export function topicAsJson(topic: TopicMetadata): Record<string, unknown> {
  const { topicId, partitions, ...rest } = topic
  return { ...rest, topicId: topicId.toString('hex'), partitions: partitions.map(partitionAsJson) }
}

function partitionAsJson(partition: PartitionMetadata): Record<string, unknown> {
  const { error, ...rest } = partition
  return { ...rest, error: error === null ? null : { code: error.code, message: error.message } }
}

function renderTopic({ topic, configs }: DescribedTopic): string {
  const head = renderPairs([
    ['topic', topic.name],
    ['id', topic.topicId.toString('hex')],
    ['partitions', String(topic.partitions.length)],
    ['replication factor', String(topic.replicationFactor)],
  ])
  const settings = renderTable(
    [{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'FROM' }],
    configs.map(({ key, value, source }) => [key, value, source]),
  )
  return `${head}\n${settings}\n${renderPartitions(topic.partitions)}`
}

function renderPartitions(partitions: readonly DescribedPartition[]): string {
  return renderTable(
    [
      { title: 'PARTITION', align: 'right' },
      { title: 'LEADER' },
      { title: 'EPOCH', align: 'right' },
      { title: 'REPLICAS' },
      { title: 'LIVE' },
      { title: 'IN SYNC' },
      { title: 'START', align: 'right' },
      { title: 'END', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'SEGMENTS', align: 'right' },
      { title: 'STATE' },
    ],
    partitions.map((partition) => [
      String(partition.partition),
      partition.leader === null ? 'none' : `${partition.leaderId} (${formatAddress(partition.leader)})`,
      String(partition.leaderEpoch),
      partition.replicas.join(','),
      partition.liveReplicas.join(',') || 'none',
      inSync(partition.replicaStates).join(',') || 'none',
      String(partition.logStartOffset ?? '?'),
      String(partition.visibleEnd ?? '?'),
      formatBytes(partition.logBytes),
      String(partition.segmentCount),
      stateOf(partition),
    ]),
  )
}

function stateOf({ error, problems, targetReplicas }: DescribedPartition): string {
  if (error !== null) return `${error.code}: ${error.message}`
  const moving = targetReplicas.length === 0 ? [] : [`moving to ${targetReplicas.join(',')}`]
  return [...problems, ...moving].join(', ') || 'ok'
}
