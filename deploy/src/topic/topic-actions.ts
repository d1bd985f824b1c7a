/**
 * What `stratalog topic` does: one call of the admin API each, and its result printed.
 */
import { isStratalogError, type PartitionDescription, type TopicMetadata } from '@stratalog/client'
import { withClient } from '../cluster/connect.ts'
import { usageError } from '../command-error.ts'
import type { ClusterOptions } from '../commands/shared-options.ts'
import type {
  TopicAddPartitionsOptions,
  TopicAlterOptions,
  TopicCreateOptions,
  TopicDeleteOptions,
  TopicDeleteRecordsOptions,
  TopicListOptions,
} from '../commands/topic.ts'
import { confirm } from '../confirm.ts'
import { printDone, printListing } from '../output/printer.ts'
import { formatBytes, formatCount } from '../output/quantity.ts'
import { printTopicDescriptions, topicAsJson, withStatus } from './topic-description.ts'

/** `topic create`. */
export async function createTopic(name: string, options: TopicCreateOptions): Promise<void> {
  await withClient(options, async ({ admin }) => {
    const { partitions: partitionCount, replicationFactor, config: configs, dryRun: validateOnly } = options
    try {
      const topic = await admin.createTopic({ name, partitionCount, replicationFactor, configs, validateOnly })
      const count = partitionsOf(topic)
      const sentence = validateOnly
        ? `topic ${name} can be created with ${count}`
        : `created topic ${name} with ${count}`
      printDone(sentence, { created: !validateOnly, ...topicAsJson(topic) }, options.output)
    } catch (error) {
      if (!options.ifNotExists || !isStratalogError(error, 'TOPIC_ALREADY_EXISTS')) throw error
      printDone(`topic ${name} exists already`, { created: false, name }, options.output)
    }
  })
}

/** `topic list`. */
export async function listTopics(options: TopicListOptions): Promise<void> {
  const includeInternal = options.internal === true
  const [topics, statuses] = await withClient(options, ({ admin }) =>
    Promise.all([admin.listTopics({ includeInternal }), admin.describePartitions({ includeInternal })]),
  )
  printListing<TopicMetadata>(
    {
      rows: topics.map((topic) => withStatus(topic, statuses)),
      columns: [
        { title: 'NAME' },
        { title: 'PARTITIONS', align: 'right' },
        { title: 'REPLICAS', align: 'right' },
        { title: 'RECORDS', align: 'right' },
        { title: 'SIZE', align: 'right' },
      ],
      cells: (topic) => [
        topic.name,
        String(topic.partitions.length),
        String(topic.replicationFactor),
        // Of the leaders: a broker knows the ends of its own replicas only.
        formatCount(sum(topic, (partition) => (partition.visibleEnd ?? 0) - (partition.logStartOffset ?? 0))),
        formatBytes(sum(topic, (partition) => partition.logBytes)),
      ],
      data: topicAsJson,
    },
    options.output,
  )
}

/** `topic describe`. */
export async function describeTopics(names: readonly string[], options: ClusterOptions): Promise<void> {
  await withClient(options, async ({ admin }) => {
    const topics = await admin.describeTopics(names)
    const statuses: PartitionDescription[] = names.length === 0 ? [] : await admin.describePartitions({ topics: names })
    const configs = await Promise.all(names.map((name) => admin.describeTopicConfig(name)))
    printTopicDescriptions(
      topics.map((topic, index) => ({ topic: withStatus(topic, statuses), configs: configs[index] ?? [] })),
      options.output,
    )
  })
}

/** `topic alter`. */
export async function alterTopic(name: string, options: TopicAlterOptions): Promise<void> {
  const { config: set, unset, dryRun: validateOnly, output } = options
  if (set === undefined && unset === undefined) {
    throw usageError('nothing to change', 'give --config key=value or --unset key, each as often as needed')
  }
  const topic = await withClient(options, ({ admin }) => admin.alterTopicConfig(name, { set, unset, validateOnly }))
  const settings = Object.entries(topic.configs).map(([key, value]) => `${key}=${value}`)
  const now = settings.length === 0 ? 'every setting at its default' : settings.join(', ')
  printDone(`topic ${name} ${validateOnly ? 'can have' : 'has'} ${now}`, topicAsJson(topic), output)
}

/** `topic add-partitions`. */
export async function addPartitions(name: string, options: TopicAddPartitionsOptions): Promise<void> {
  const topic = await withClient(options, ({ admin }) => admin.addPartitions(name, options.partitions))
  printDone(`topic ${name} has ${partitionsOf(topic)}`, topicAsJson(topic), options.output)
}

/** `topic delete`: asks for the topic's name on a terminal; elsewhere `--yes` is needed. */
export async function deleteTopic(name: string, options: TopicDeleteOptions): Promise<void> {
  const warning = `This deletes all records of topic ${name}.`
  await confirm({ warning, name, refusal: `topic ${name} was not deleted` }, options.yes === true)
  await withClient(options, ({ admin }) => admin.deleteTopic(name))
  printDone(`deleted topic ${name}`, { deleted: true, name }, options.output)
}

/**
 * `topic delete-records`: asks for the partition's name on a terminal; elsewhere `--yes` is needed. What is shown is what is
 * deleted: the end is asked for once.
 */
export async function deleteRecords(topic: string, options: TopicDeleteRecordsOptions): Promise<void> {
  const { partition, before, yes, dryRun, output } = options
  const name = `${topic}-${partition}`
  await withClient(options, async ({ admin }) => {
    const beforeOffset = before === 'end' ? null : before
    const plan = await admin.deleteRecords({ topic, partition, beforeOffset, validateOnly: true })
    const { previousLogStartOffset, logStartOffset, visibleEnd } = plan
    const result = { topic, partition, ...plan }
    const left =
      visibleEnd === logStartOffset ? 'nothing is left' : `${logStartOffset} to ${visibleEnd} (exclusive) stay`
    if (logStartOffset === previousLogStartOffset) {
      printDone(`${name} begins at offset ${logStartOffset} already`, { deleted: false, ...result }, output)
      return
    }
    const range = `offsets ${previousLogStartOffset} to ${logStartOffset} (exclusive) of ${name}`
    if (dryRun) {
      printDone(`${range} would be deleted; ${left}`, { deleted: false, ...result }, output)
      return
    }
    const warning = `This deletes ${range}; ${left}.`
    await confirm({ warning, name, refusal: `no records of ${name} were deleted` }, yes === true)
    const done = await admin.deleteRecords({ topic, partition, beforeOffset: logStartOffset })
    printDone(
      `deleted ${range}; it begins at ${done.logStartOffset}`,
      { deleted: true, topic, partition, ...done },
      output,
    )
  })
}

function partitionsOf(topic: TopicMetadata): string {
  return `${topic.partitions.length} partition${topic.partitions.length === 1 ? '' : 's'}`
}

function sum(topic: TopicMetadata, measure: (partition: TopicMetadata['partitions'][number]) => number): number {
  return topic.partitions.reduce((total, partition) => total + measure(partition), 0)
}
