/**
 * What requests may hold. Checked where something new comes in; what is known already was checked then.
 *
 * Errors name the field, what it was, and the limit.
 */
import { type ErrorName, StratalogError } from '@stratalog/proto'
import type { GroupConfig, HeartbeatRequest, OffsetCommit, Subscription } from './group-api.ts'

/** Characters of group, member, instance and client ids, and of racks. */
export const ID_CHARS_MAX = 255
/** Topics that a subscription may name. */
export const SUBSCRIBED_TOPICS_MAX = 10_000
/** Characters of all topic names of a subscription together: it must fit into one record. */
export const SUBSCRIBED_CHARS_MAX = 524_288
/** Characters of a topic's name. */
export const TOPIC_NAME_CHARS_MAX = 249
/** Characters of a topic pattern. */
export const TOPIC_PATTERN_CHARS_MAX = 1000
/** UTF-8 bytes of the text that is committed with an offset. */
export const OFFSET_METADATA_BYTES_MAX = 4096
/** A day: how long a member may ask for to give up partitions. */
export const REBALANCE_TIMEOUT_MAX_MS = 86_400_000

/** Name of an assignor. */
export type AssignorName = 'uniform' | 'range'

/** Assignors by name. */
export const ASSIGNOR_NAMES: readonly AssignorName[] = ['uniform', 'range']

/** Whether there is an assignor of that name. */
export function isAssignorName(name: string): name is AssignorName {
  return (ASSIGNOR_NAMES as readonly string[]).includes(name)
}

/** Refuses a group id that cannot be one. */
export function checkGroupId(groupId: string): StratalogError | null {
  return checkId('group_id', groupId, 'INVALID_GROUP_ID')
}

/** Refuses ids of a member that cannot be. */
export function checkMemberIds({ groupId, memberId, instanceId }: HeartbeatRequest): StratalogError | null {
  return (
    checkGroupId(groupId) ??
    checkId('member_id', memberId, 'INVALID_REQUEST') ??
    (instanceId === '' ? null : checkId('instance_id', instanceId, 'INVALID_REQUEST'))
  )
}

/** Refuses a subscription that is over a limit, but for its pattern's syntax. */
export function checkSubscription(subscription: Subscription, config: GroupConfig): StratalogError | null {
  const { topics, topicPattern, clientId, rack, assignor, rebalanceTimeoutMs, sessionTimeoutMs } = subscription
  const { sessionTimeoutMinMs, sessionTimeoutMaxMs } = config
  if (assignor !== '' && !isAssignorName(assignor)) {
    return new StratalogError('UNSUPPORTED_ASSIGNOR', `assignor is ${quoted(assignor)}; it must be uniform or range`)
  }
  if (topicPattern.length > TOPIC_PATTERN_CHARS_MAX) {
    return overLimit('topic_pattern', topicPattern.length, TOPIC_PATTERN_CHARS_MAX, 'INVALID_REGULAR_EXPRESSION')
  }
  return (
    checkTopics(topics) ??
    checkText('client_id', clientId) ??
    checkText('rack', rack) ??
    checkTimeout('rebalance_timeout_ms', rebalanceTimeoutMs, 1, REBALANCE_TIMEOUT_MAX_MS) ??
    checkTimeout('session_timeout_ms', sessionTimeoutMs, sessionTimeoutMinMs, sessionTimeoutMaxMs)
  )
}

/** Refuses values that no offset has. */
export function checkCommit({
  topicId,
  partition,
  offset,
  leaderEpoch,
  metadata,
}: OffsetCommit): StratalogError | null {
  if (!Number.isSafeInteger(offset) || offset < 0) {
    const text = `offset to commit for partition ${partition} is ${offset}; it must be 0 to 2^53 - 1`
    return new StratalogError('INVALID_REQUEST', text, { partition, metadata: { field: 'offset', topicId } })
  }
  if (!isInt32(leaderEpoch) || leaderEpoch < -1) {
    const text = `leader_epoch is ${leaderEpoch}; it must be -1 (unknown) to 2^31 - 1`
    return new StratalogError('INVALID_REQUEST', text, { partition, metadata: { field: 'leader_epoch', topicId } })
  }
  const bytes = Buffer.byteLength(metadata)
  return bytes > OFFSET_METADATA_BYTES_MAX
    ? overLimit('metadata', bytes, OFFSET_METADATA_BYTES_MAX, 'OFFSET_METADATA_TOO_LARGE', 'bytes')
    : null
}

function checkTopics(topics: readonly string[]): StratalogError | null {
  if (topics.length > SUBSCRIBED_TOPICS_MAX) {
    return overLimit('topics', topics.length, SUBSCRIBED_TOPICS_MAX, 'INVALID_REQUEST', 'names')
  }
  let chars = 0
  for (const name of topics) {
    if (name.length === 0 || name.length > TOPIC_NAME_CHARS_MAX) {
      return outOfRange('topics: a name', name.length, 1, TOPIC_NAME_CHARS_MAX, 'INVALID_TOPIC', 'characters')
    }
    chars += name.length
  }
  return chars > SUBSCRIBED_CHARS_MAX
    ? overLimit('topics', chars, SUBSCRIBED_CHARS_MAX, 'INVALID_REQUEST', 'characters in all')
    : null
}

function checkId(field: string, id: string, code: ErrorName): StratalogError | null {
  if (id.length === 0 || id.length > ID_CHARS_MAX)
    return outOfRange(field, id.length, 1, ID_CHARS_MAX, code, 'characters')
  if (isPlain(id)) return null
  return new StratalogError(code, `${field} holds a control character: ${quoted(id)}`, { metadata: { field } })
}

function checkText(field: string, text: string): StratalogError | null {
  if (text.length > ID_CHARS_MAX) return overLimit(field, text.length, ID_CHARS_MAX, 'INVALID_REQUEST')
  if (isPlain(text)) return null
  const message = `${field} holds a control character: ${quoted(text)}`
  return new StratalogError('INVALID_REQUEST', message, { metadata: { field } })
}

function checkTimeout(field: string, value: number, min: number, max: number): StratalogError | null {
  if (value === 0 || (Number.isSafeInteger(value) && value >= min && value <= max)) return null
  return outOfRange(field, value, min, max, 'INVALID_REQUEST', 'ms')
}

function overLimit(field: string, is: number, max: number, code: ErrorName, unit = 'characters'): StratalogError {
  const text = `${field} has ${is} ${unit}; it may have ${max}`
  return new StratalogError(code, text, { metadata: { field, limit: String(max) } })
}

function outOfRange(
  field: string,
  is: number,
  min: number,
  max: number,
  code: ErrorName,
  unit: string,
): StratalogError {
  const text = `${field} has ${is} ${unit}; it must be ${min} to ${max}`
  return new StratalogError(code, text, { metadata: { field, limit: String(max) } })
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, ID_CHARS_MAX))
}

/** Whether text is free of control characters and of halves of surrogate pairs. */
function isPlain(text: string): boolean {
  return !/[\p{Cc}\p{Cs}]/u.test(text)
}

function isInt32(value: number): boolean {
  return (value | 0) === value
}
