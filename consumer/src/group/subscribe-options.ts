/** What `consumer.subscribe` takes: defaults, ranges, and what each means. */
import { checkedChoice, checkedInteger, invalidOption, type NumberRange, type StratalogError } from '@stratalog/client'
import type { TopicPartition } from '@stratalog/proto'
import { type Instant, invalid, type Position, type ResolvedPosition, resolvePosition } from '../positions.ts'

/**
 * Where to begin a partition that the group has no committed offset for: its first record, its end, or the first record
 * at or after an instant. `committed`: such a partition is an error, NO_COMMITTED_OFFSET.
 */
export type GroupStart = 'earliest' | 'latest' | 'committed' | { readonly timestamp: Instant }

/** What `onAssigned` may do with the partitions: see the methods of the same name of the subscription. */
export interface PositionControl {
  seek(place: TopicPartition, position: Position): Promise<void>
  position(place: TopicPartition): number
  pause(place: TopicPartition): void
  resume(place: TopicPartition): void
}

/** What to read in a group, and how. */
export interface SubscribeOptions {
  /** Group id, 1..255 characters. Members of a group share the partitions of its topics. */
  readonly group: string
  /** Names, also of topics that do not exist yet. At most 10,000. */
  readonly topics?: readonly string[] | undefined
  /** All topics whose whole name matches (RE2 syntax), also those that are created later. At most 1,000 characters. */
  readonly topicPattern?: string | undefined
  /** Where to begin without a committed offset. There is no default to be surprised by. */
  readonly from: GroupStart
  /** Name of a static member, 1..255 characters: it keeps its partitions across a restart within its session timeout. */
  readonly instanceId?: string | undefined
  /** Failure domain of this member, for an assignment near the leaders. */
  readonly rack?: string | undefined
  /** Default: the broker's. When members differ, the most asked for is used. */
  readonly assignor?: 'uniform' | 'range' | undefined
  /** Silence after which the group goes on without this member; 1,000..3,600,000 ms, default 45,000. */
  readonly sessionTimeoutMs?: number | undefined
  /**
   * Time in which a partition is given up: records in hand, commit, hook. After four fifths of it the partition is lost.
   * 1,000..3,600,000 ms, default 60,000.
   */
  readonly rebalanceTimeoutMs?: number | undefined
  /** Whether what is processed is committed by itself: at intervals, before a partition goes, at the end. Default true. */
  readonly autoCommit?: boolean | undefined
  /** 10..3,600,000 ms, default 5,000. */
  readonly autoCommitIntervalMs?: number | undefined
  /** How long one record (or batch) may be in hand before `handlerStalled` is told; 100..86,400,000 ms, default 300,000. */
  readonly maxProcessingTimeMs?: number | undefined
  /**
   * What follows then: `report` (the default) leaves it at the event, `leave` hands its partition on: the member leaves
   * the group, after giving up its other partitions in order, and joins again when the record is done with.
   */
  readonly onStalled?: 'report' | 'leave' | undefined
  /** How long `close` waits for what is in hand; 0..3,600,000 ms, default 30,000. */
  readonly closeTimeoutMs?: number | undefined
  /** Called before the first record of these partitions; may seek. An error ends the subscription. */
  readonly onAssigned?:
    | ((partitions: readonly TopicPartition[], control: PositionControl) => void | Promise<void>)
    | undefined
  /** Called when what was in hand is processed and committed; the partitions go to others only after it. */
  readonly onRevoked?: ((partitions: readonly TopicPartition[]) => void | Promise<void>) | undefined
  /** Called for partitions that others may have already: nothing of them can be committed. */
  readonly onLost?:
    | ((partitions: readonly TopicPartition[], reason: StratalogError) => void | Promise<void>)
    | undefined
}

/** Options with defaults filled in and checked. */
export interface ResolvedSubscribeOptions {
  readonly group: string
  readonly topics: readonly string[]
  readonly topicPattern: string
  /** null = a committed offset is needed. */
  readonly from: ResolvedPosition | null
  readonly instanceId: string
  readonly rack: string
  readonly assignor: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly autoCommit: boolean
  readonly autoCommitIntervalMs: number
  readonly maxProcessingTimeMs: number
  readonly onStalled: 'report' | 'leave'
  readonly closeTimeoutMs: number
  readonly hooks: Pick<SubscribeOptions, 'onAssigned' | 'onRevoked' | 'onLost'>
}

const HOUR_MS = 3_600_000
const SESSION_TIMEOUT_MS: NumberRange = { default: 45_000, min: 1_000, max: HOUR_MS }
const REBALANCE_TIMEOUT_MS: NumberRange = { default: 60_000, min: 1_000, max: HOUR_MS }
const AUTO_COMMIT_INTERVAL_MS: NumberRange = { default: 5_000, min: 10, max: HOUR_MS }
const MAX_PROCESSING_TIME_MS: NumberRange = { default: 300_000, min: 100, max: 24 * HOUR_MS }
const CLOSE_TIMEOUT_MS: NumberRange = { default: 30_000, min: 0, max: HOUR_MS }
const NAME_LENGTH_MAX = 255
const TOPICS_MAX = 10_000

/** Fills in defaults and checks. Errors: INVALID_REQUEST or INVALID_CONFIG naming the field, its value and what is allowed. */
export function resolveSubscribeOptions(options: SubscribeOptions): ResolvedSubscribeOptions {
  const { topics = [], topicPattern = '', autoCommit = true } = options
  if (topics.length === 0 && topicPattern === '') {
    throw invalid('neither topics nor topicPattern is given: say what to read')
  }
  if (topics.length > TOPICS_MAX) throw invalid(`topics has ${topics.length} names; it may have ${TOPICS_MAX}`)
  for (const topic of topics) checkedName('a topic', topic)
  if (typeof autoCommit !== 'boolean') throw invalidOption('autoCommit', autoCommit, 'true or false')
  const { instanceId, rack = '', onAssigned, onRevoked, onLost } = options
  return {
    group: checkedName('group', options.group),
    topics: [...new Set(topics)],
    topicPattern,
    from: startPosition(options.from),
    instanceId: instanceId === undefined ? '' : checkedName('instanceId', instanceId),
    rack,
    assignor: options.assignor === undefined ? '' : checkedChoice('assignor', options.assignor, ASSIGNORS, 'uniform'),
    sessionTimeoutMs: checkedInteger('sessionTimeoutMs', options.sessionTimeoutMs, SESSION_TIMEOUT_MS),
    rebalanceTimeoutMs: checkedInteger('rebalanceTimeoutMs', options.rebalanceTimeoutMs, REBALANCE_TIMEOUT_MS),
    autoCommit,
    autoCommitIntervalMs: checkedInteger('autoCommitIntervalMs', options.autoCommitIntervalMs, AUTO_COMMIT_INTERVAL_MS),
    maxProcessingTimeMs: checkedInteger('maxProcessingTimeMs', options.maxProcessingTimeMs, MAX_PROCESSING_TIME_MS),
    onStalled: checkedChoice('onStalled', options.onStalled, ['report', 'leave'], 'report'),
    closeTimeoutMs: checkedInteger('closeTimeoutMs', options.closeTimeoutMs, CLOSE_TIMEOUT_MS),
    hooks: { onAssigned, onRevoked, onLost },
  }
}

const ASSIGNORS = ['uniform', 'range'] as const

function startPosition(from: GroupStart): ResolvedPosition | null {
  if (from === 'committed') return null
  if (from === undefined) {
    throw invalid(`from is missing: say where to begin without a committed offset ('earliest', 'latest', 'committed')`)
  }
  return resolvePosition(from, 'from')
}

function checkedName(field: string, name: string): string {
  if (typeof name !== 'string' || name.length === 0 || name.length > NAME_LENGTH_MAX) {
    const value = typeof name === 'string' ? `has ${name.length} characters` : `is ${String(name)}`
    throw invalid(`${field} ${value}; it must be a text of 1..${NAME_LENGTH_MAX} characters`)
  }
  return name
}
