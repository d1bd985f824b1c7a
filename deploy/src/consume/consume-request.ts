/**
 * What `stratalog consume` is asked to do, checked before anything is connected: options that belong to reading by hand
 * and those that belong to a group are told apart, and what contradicts itself is refused. Pure.
 */
import type { GroupStart } from '@stratalog/consumer'
import { usageError } from '../command-error.ts'
import type { ConsumeOptions } from '../commands/consume.ts'
import { parseRecordPosition } from '../input/record-position.ts'

/** Reading as a member. */
export interface GroupConsumeRequest {
  readonly kind: 'group'
  readonly group: string
  readonly topics: readonly string[]
  readonly topicPattern: string | undefined
  readonly instanceId: string | undefined
  /** For partitions without a committed offset. */
  readonly from: GroupStart
}

/** Reading one topic by hand. */
export interface TopicConsumeRequest {
  readonly kind: 'topic'
  readonly topic: string
}

/** Tells which it is. Errors: `USAGE` for options that do not go together. */
export function planConsume(
  topics: readonly string[],
  options: ConsumeOptions,
): GroupConsumeRequest | TopicConsumeRequest {
  const { group, pattern: topicPattern, instanceId, partition, until } = options
  if (group === undefined) {
    refuse(topicPattern !== undefined, '--pattern is for reading in a group', 'add --group NAME')
    refuse(instanceId !== undefined, '--instance-id is for reading in a group', 'add --group NAME')
    refuse(topics.length > 1, 'several topics are for reading in a group', 'add --group NAME, or name one topic')
    const [topic] = topics
    if (topic === undefined) throw usageError('no topic is named', 'say what to read, such as: consume flights')
    return { kind: 'topic', topic }
  }
  const noTopic = topics.length === 0 && topicPattern === undefined
  refuse(noTopic, 'no topic is named', 'say what the group reads: topics, or --pattern REGEXP')
  const shared = '--partition and --group contradict each other: the group shares its partitions out'
  refuse(partition !== undefined, shared, 'leave one of them out')
  const endless = '--until and --group contradict each other: a group has no end'
  refuse(until !== undefined, endless, 'leave out --until, or end with --count or at the end of what there is')
  return { kind: 'group', group, topics, topicPattern, instanceId, from: groupStart(options.from, group) }
}

function groupStart(text: string, group: string): GroupStart {
  if (text === 'committed') return 'committed'
  const position = parseRecordPosition('--from', text)
  if (position.kind === 'timestamp') return { timestamp: position.timestampMs }
  if (position.kind !== 'offset') return position.kind
  const move = `move the group itself: stratalog group seek ${group} --to ${position.offset}`
  throw usageError('--from with an offset and --group contradict each other: the group has offsets of its own', move)
}

function refuse(isWrong: boolean, message: string, hint: string): void {
  if (isWrong) throw usageError(message, hint)
}
