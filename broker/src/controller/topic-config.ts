/**
 * The configuration of topics: one table of keys with type, range, default and documentation; everything else follows.
 *
 * Values travel and are stored as text, as they were given; `TopicConfig` is what they mean. Names are Kafka's.
 */
import { nearestName, StratalogError } from '@stratalog/proto'
import { BATCH_BYTES_MAX } from '@stratalog/proto/records'
import type { PartitionConfig } from '../partition/partition-config.ts'

/** What a topic's configuration means to the broker. */
export type TopicConfig = PartitionConfig

interface IntegerKey {
  readonly type: 'integer'
  readonly min: number
  readonly max: number
}

interface DecimalKey {
  readonly type: 'decimal'
  readonly min: number
  readonly max: number
}

interface ChoiceKey {
  readonly type: 'choice'
  readonly choices: readonly string[]
}

/** One key of the table. */
export interface TopicConfigKey {
  readonly key: string
  readonly field: keyof TopicConfig
  readonly type: IntegerKey | DecimalKey | ChoiceKey
  readonly default: string
  readonly documentation: string
}

const MEBIBYTE = 1024 * 1024
const integer = (min: number, max: number): IntegerKey => ({ type: 'integer', min, max })
const decimal = (min: number, max: number): DecimalKey => ({ type: 'decimal', min, max })
const choice = (...choices: string[]): ChoiceKey => ({ type: 'choice', choices })

/** Every key that a topic can have, in the order in which they are shown. */
export const TOPIC_CONFIG_KEYS: readonly TopicConfigKey[] = [
  {
    key: 'cleanup.policy',
    field: 'cleanupPolicy',
    type: choice('delete', 'compact', 'compact,delete', 'delete,compact'),
    default: 'delete',
    documentation:
      'What becomes of old records. delete: segments go by age and size (retention.ms, retention.bytes); compact: of each key the last record stays, and records must have a key; compact,delete: both.',
  },
  {
    key: 'retention.ms',
    field: 'retentionMs',
    type: integer(-1, Number.MAX_SAFE_INTEGER),
    default: String(7 * 24 * 3600 * 1000),
    documentation:
      'Segments whose newest record is older than this many milliseconds are deleted; -1 keeps them for ever. No meaning where cleanup.policy is compact.',
  },
  {
    key: 'retention.bytes',
    field: 'retentionBytes',
    type: integer(-1, Number.MAX_SAFE_INTEGER),
    default: '-1',
    documentation:
      'Oldest segments of a partition are deleted while it holds more than this many bytes; -1 is no limit. No meaning where cleanup.policy is compact.',
  },
  {
    key: 'segment.bytes',
    field: 'segmentBytesMax',
    type: integer(MEBIBYTE, 2 ** 31 - 1),
    default: String(1024 * MEBIBYTE),
    documentation: 'Size at which a new segment file is begun. Retention deletes whole segments.',
  },
  {
    key: 'segment.ms',
    field: 'segmentMaxAgeMs',
    type: integer(1, Number.MAX_SAFE_INTEGER),
    default: String(7 * 24 * 3600 * 1000),
    documentation: 'Age in milliseconds at which a new segment file is begun, even if it is not full.',
  },
  {
    key: 'min.compaction.lag.ms',
    field: 'minCompactionLagMs',
    type: integer(0, Number.MAX_SAFE_INTEGER),
    default: '0',
    documentation: 'Compaction leaves segments alone that hold a record younger than this many milliseconds.',
  },
  {
    key: 'delete.retention.ms',
    field: 'deleteRetentionMs',
    type: integer(0, Number.MAX_SAFE_INTEGER),
    default: String(24 * 3600 * 1000),
    documentation:
      'How long compaction keeps a record without a value (a tombstone) after it has removed what it ends, in milliseconds: a reader that is not slower than that sees every end.',
  },
  {
    key: 'min.cleanable.dirty.ratio',
    field: 'minCleanableDirtyRatio',
    type: decimal(0, 1),
    default: '0.5',
    documentation:
      'Part of the log, from 0 to 1, that has not been compacted yet when a compaction begins, by size. Less is more work for fewer replaced records.',
  },
  {
    key: 'index.interval.bytes',
    field: 'indexIntervalBytes',
    type: integer(512, 16 * MEBIBYTE),
    default: '4096',
    documentation: 'Bytes of log between two entries of the sparse indexes.',
  },
  {
    key: 'max.message.bytes',
    field: 'maxMessageBytes',
    type: integer(1024, Math.min(BATCH_BYTES_MAX, 60 * MEBIBYTE)),
    default: String(8 * MEBIBYTE),
    documentation: 'Largest record batch (after compression) that the topic takes, in bytes.',
  },
  {
    key: 'message.timestamp.type',
    field: 'timestampType',
    type: choice('CreateTime', 'LogAppendTime'),
    default: 'CreateTime',
    documentation: 'Whether records keep the time that the producer gave them or get the time of the append.',
  },
  {
    key: 'flush.policy',
    field: 'flushPolicy',
    type: choice('fsync', 'replicated'),
    default: 'fsync',
    documentation:
      'What acks=all waits for: fsync = a majority of the replicas has the batch on disk; replicated = in memory.',
  },
]

const BY_KEY: ReadonlyMap<string, TopicConfigKey> = new Map(TOPIC_CONFIG_KEYS.map((entry) => [entry.key, entry]))

/** Where an effective value comes from. */
export type TopicConfigSource = 'default' | 'broker' | 'topic'

/** One effective value with what there is to say about it. */
export interface TopicConfigEntry {
  readonly key: string
  readonly value: string
  readonly source: TopicConfigSource
  readonly documentation: string
}

/** Why the value cannot be set, or null when it can: INVALID_CONFIG names key, value and what is allowed. */
export function checkTopicConfig(key: string, value: string): StratalogError | null {
  const entry = BY_KEY.get(key)
  if (entry === undefined) return unknownKey(key)
  const allowed = allowedText(entry)
  return parseValue(entry, value) === null
    ? invalid(key, `${key} is ${JSON.stringify(value)}; it must be ${allowed}`, { value, allowed })
    : null
}

/** INVALID_CONFIG for a key that does not exist, or null for one that does. */
export function checkTopicConfigKey(key: string): StratalogError | null {
  return BY_KEY.has(key) ? null : unknownKey(key)
}

/** The effective values, in the table's order: the topic's own, else the broker's, else the default. */
export function describeTopicConfig(
  configs: ReadonlyMap<string, string>,
  brokerDefaults: ReadonlyMap<string, string>,
): TopicConfigEntry[] {
  return TOPIC_CONFIG_KEYS.map(({ key, default: fallback, documentation }) => {
    const own = configs.get(key)
    if (own !== undefined) return { key, value: own, source: 'topic', documentation }
    const broker = brokerDefaults.get(key)
    if (broker !== undefined) return { key, value: broker, source: 'broker', documentation }
    return { key, value: fallback, source: 'default', documentation }
  })
}

/** What the effective values mean. The values were checked when they were set. Errors: INVALID_CONFIG. */
export function resolveTopicConfig(
  configs: ReadonlyMap<string, string>,
  brokerDefaults: ReadonlyMap<string, string>,
): TopicConfig {
  const resolved: Record<string, string | number> = {}
  for (const { key, value } of describeTopicConfig(configs, brokerDefaults)) {
    const entry = BY_KEY.get(key)!
    const parsed = parseValue(entry, value)
    if (parsed === null)
      throw invalid(key, `${key} is ${JSON.stringify(value)}; it must be ${allowedText(entry)}`, { value })
    resolved[entry.field] = parsed
  }
  return resolved as unknown as TopicConfig
}

function parseValue(entry: TopicConfigKey, value: string): string | number | null {
  if (entry.type.type === 'choice') return entry.type.choices.includes(value) ? value : null
  if (!PATTERNS[entry.type.type].test(value)) return null
  const number = Number(value)
  const isExact = entry.type.type === 'decimal' || Number.isSafeInteger(number)
  return isExact && number >= entry.type.min && number <= entry.type.max ? number : null
}

const PATTERNS = { integer: /^-?\d{1,16}$/, decimal: /^\d(\.\d{1,9})?$/ } as const

function allowedText(entry: TopicConfigKey): string {
  const { type } = entry
  if (type.type === 'choice') return type.choices.join(' or ')
  return `${type.type === 'integer' ? 'an integer' : 'a number'} from ${type.min} to ${type.max}`
}

function unknownKey(key: string): StratalogError {
  const suggestion = nearestName(key, [...BY_KEY.keys()])
  const advice = suggestion === null ? `known keys are ${[...BY_KEY.keys()].join(', ')}` : `did you mean ${suggestion}?`
  return invalid(key, `there is no topic configuration ${JSON.stringify(key)}; ${advice}`, {})
}

function invalid(key: string, message: string, metadata: Record<string, string>): StratalogError {
  return new StratalogError('INVALID_CONFIG', message, { metadata: { key, ...metadata } })
}
