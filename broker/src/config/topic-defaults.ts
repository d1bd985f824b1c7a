/**
 * Broker-wide defaults of topics, `topic.defaults.*`: how many partitions and replicas a topic gets when its creator
 * does not say, and the default of every topic config, by the config's own name.
 */
import { z } from 'zod'
import { checkTopicConfig, TOPIC_CONFIG_KEYS, type TopicConfigKey } from '../controller/topic-config.ts'
import { integer, type Setting } from './setting.ts'

/** Prefix of the settings that are defaults of topics. */
export const TOPIC_DEFAULTS_PREFIX = 'topic.defaults.'

/** What a creator of a topic may leave out, beside configs. */
export interface TopicCreationDefaults {
  readonly 'topic.defaults.partition.count': number
  readonly 'topic.defaults.replication.factor': number
}

/** Their rows of the table. */
export const TOPIC_CREATION_DEFAULTS: {
  readonly [Name in keyof TopicCreationDefaults]: Setting<TopicCreationDefaults[Name]>
} = {
  'topic.defaults.partition.count': integer({
    default: 1,
    min: 1,
    max: 10_000,
    doc: 'Partitions of a topic whose creator names no number.',
  }),
  'topic.defaults.replication.factor': integer({
    default: 0,
    min: 0,
    max: 32,
    doc: 'Copies of each partition of a topic whose creator names no number. 0: 3 copies, or one on each broker where fewer than 3 are up and take replicas.',
  }),
}

/** Rows of the table of settings for the defaults of topic configs; values stay text, as topics keep them. */
export function topicConfigSettings(): Record<string, Setting<string>> {
  return Object.fromEntries(
    TOPIC_CONFIG_KEYS.map((entry) => [TOPIC_DEFAULTS_PREFIX + entry.key, topicConfigSetting(entry)]),
  )
}

function topicConfigSetting(entry: TopicConfigKey): Setting<string> {
  const { type } = entry
  const checked = z.string().refine((value) => checkTopicConfig(entry.key, value) === null)
  return {
    kind: 'text',
    allowed: type.type === 'choice' ? `one of ${type.choices.join(', ')}` : `${type.min} to ${type.max}`,
    default: entry.default,
    doc: `Default of the topic config \`${entry.key}\`. ${entry.documentation}`,
    schema: z.preprocess((value) => (typeof value === 'number' ? String(value) : value), checked) as z.ZodType<string>,
  }
}
