/**
 * `stratalog topic`: create, list, describe, alter, grow and delete topics, and delete their oldest records.
 */
import { Command } from 'commander'
import {
  type ClusterOptions,
  integerArgument,
  listArgument,
  pairArgument,
  withClusterOptions,
} from './shared-options.ts'

/** Options of `topic create`. */
export interface TopicCreateOptions extends ClusterOptions {
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly config?: Readonly<Record<string, string>>
  readonly ifNotExists?: true
  readonly dryRun?: true
}

/** Options of `topic list`. */
export interface TopicListOptions extends ClusterOptions {
  readonly internal?: true
}

/** Options of `topic alter`. */
export interface TopicAlterOptions extends ClusterOptions {
  readonly config?: Readonly<Record<string, string>>
  readonly unset?: readonly string[]
  readonly dryRun?: true
}

/** Options of `topic add-partitions`. */
export interface TopicAddPartitionsOptions extends ClusterOptions {
  readonly partitions: number
}

/** Options of `topic delete`. */
export interface TopicDeleteOptions extends ClusterOptions {
  readonly yes?: true
}

/** Options of `topic delete-records`. */
export interface TopicDeleteRecordsOptions extends ClusterOptions {
  readonly partition: number
  readonly before: number | 'end'
  readonly yes?: true
  readonly dryRun?: true
}

const PARTITIONS_MAX = 10_000
const actions = () => import('../topic/topic-actions.ts')

/** The command and its subcommands. */
export function topicCommand(): Command {
  const topic = new Command('topic').description('create, list, describe, alter, grow and delete topics')
  withClusterOptions(topic.command('create <name>').description('create a topic'))
    .option('--partitions <count>', "number of partitions (default: the broker's)", integerArgument(1, PARTITIONS_MAX))
    .option('--replication-factor <count>', "replicas of each (default: the broker's)", integerArgument(1, 32_767))
    .option('--config <key=value>', 'a setting of the topic; repeat for more', pairArgument)
    .option('--if-not-exists', 'an existing topic is no error')
    .option('--dry-run', 'check only')
    .action(async (name: string, options: TopicCreateOptions) => (await actions()).createTopic(name, options))
  withClusterOptions(topic.command('list').description('list topics'))
    .option('--internal', 'also those that begin with two underscores')
    .action(async (options: TopicListOptions) => (await actions()).listTopics(options))
  withClusterOptions(
    topic.command('describe <name...>').description('show partitions, offsets and settings of topics'),
  ).action(async (names: string[], options: ClusterOptions) => (await actions()).describeTopics(names, options))
  withClusterOptions(topic.command('alter <name>').description('change settings of a topic'))
    .option('--config <key=value>', 'a setting; repeat for more', pairArgument)
    .option('--unset <key>', "a setting that goes back to the broker's default; repeat for more", listArgument)
    .option('--dry-run', 'check only')
    .action(async (name: string, options: TopicAlterOptions) => (await actions()).alterTopic(name, options))
  withClusterOptions(topic.command('add-partitions <name>').description('raise the number of partitions'))
    .requiredOption('--partitions <count>', 'the new total', integerArgument(1, PARTITIONS_MAX))
    .action(async (name: string, options: TopicAddPartitionsOptions) => (await actions()).addPartitions(name, options))
  withClusterOptions(topic.command('delete <name>').description('delete a topic and all its records'))
    .option('--yes', 'do not ask')
    .action(async (name: string, options: TopicDeleteOptions) => (await actions()).deleteTopic(name, options))
  withClusterOptions(
    topic.command('delete-records <name>').description('delete the oldest records of a partition, up to an offset'),
  )
    .requiredOption('--partition <number>', 'the partition', integerArgument(0, PARTITIONS_MAX - 1))
    .requiredOption('--before <offset>', "first offset that stays; 'end' for all that is committed now", beforeArgument)
    .option('--yes', 'do not ask')
    .option('--dry-run', 'show only what would go')
    .action(async (name: string, options: TopicDeleteRecordsOptions) => (await actions()).deleteRecords(name, options))
  return topic
}

function beforeArgument(text: string): number | 'end' {
  return text === 'end' ? 'end' : integerArgument(0, Number.MAX_SAFE_INTEGER)(text)
}
