/** Between the messages of the groups' API and what the coordinator works with: names of topics here, ids there. */
import { type ErrorName, StratalogError, stratalog, toErrorDetail } from '@stratalog/proto'
import { type Assignment, assignmentOf } from '../coordinator/group/assignment.ts'
import type {
  CommittedOffset,
  GroupStateName,
  HeartbeatRequest,
  HeartbeatResponse,
  OffsetCommit,
  Subscription,
} from '../coordinator/group/group-api.ts'
import type { TopicFacts, Topics } from '../coordinator/group/topics.ts'

type TopicPartitionsMessage = stratalog.v1.TopicPartitions.$Properties
type AssignmentMessage = stratalog.v1.GroupAssignment.$Properties
type OffsetMessage = stratalog.v1.CommittedOffset.$Properties

const { GroupState } = stratalog.v1
const TOPIC_ID_BYTES = 16

/** Partitions that a request names, and those of them that are none. */
export interface NamedPartitions {
  readonly found: Assignment
  readonly unknown: readonly OffsetMessage[]
}

/** The topic that a message names, by its id if it has one, else by its name. */
export function findTopicFacts(
  topics: Topics,
  { topic = '', topicId }: { readonly topic?: string | null; readonly topicId?: Uint8Array | null },
): TopicFacts | StratalogError {
  const name = topic ?? ''
  if (topicId === undefined || topicId === null || topicId.length === 0) {
    const text = `there is no topic ${JSON.stringify(name.slice(0, 300))}`
    return topics.byName.get(name) ?? new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', text, { topic: name })
  }
  if (topicId.length !== TOPIC_ID_BYTES) {
    const text = `topic_id has ${topicId.length} bytes; it must have ${TOPIC_ID_BYTES}, or none`
    return new StratalogError('INVALID_REQUEST', text, { metadata: { field: 'topic_id' } })
  }
  const id = hexOf(topicId)
  return topics.byId.get(id) ?? new StratalogError('UNKNOWN_TOPIC_ID', `there is no topic with the id ${id}`)
}

/** Partitions by topic id, sorted out. */
export function namedPartitions(topics: Topics, messages: readonly TopicPartitionsMessage[]): NamedPartitions {
  const found: Array<[string, number[]]> = []
  const unknown: OffsetMessage[] = []
  for (const message of messages) {
    const { topic, topicId, partitions = [] } = message
    const facts = findTopicFacts(topics, message)
    if (facts instanceof StratalogError) {
      const name = { topic: topic ?? '', topicId: topicId ?? new Uint8Array(0) }
      unknown.push(...partitions!.map((partition) => refusedOffset({ ...name, partition }, facts)))
      continue
    }
    const known = partitions!.filter((partition) => isPartitionOf(facts, partition))
    for (const partition of partitions!) {
      if (isPartitionOf(facts, partition)) continue
      unknown.push(
        refusedOffset({ topic: facts.name, topicId: idBytes(facts.topicId), partition }, noPartition(facts, partition)),
      )
    }
    found.push([facts.topicId, known])
  }
  return { found: assignmentOf(found), unknown }
}

/** What is to be committed, and what of it cannot be; `places` says where in the request each found one is. */
export function commitsOf(
  topics: Topics,
  messages: readonly OffsetMessage[],
): { readonly commits: OffsetCommit[]; readonly places: number[]; readonly answers: (OffsetMessage | null)[] } {
  const commits: OffsetCommit[] = []
  const places: number[] = []
  const answers = messages.map((message, place): OffsetMessage | null => {
    const facts = findTopicFacts(topics, message)
    const partition = message.partition ?? 0
    if (facts instanceof StratalogError) return refusedOffset(message, facts)
    if (!isPartitionOf(facts, partition)) return refusedOffset(message, noPartition(facts, partition))
    const { topicId } = facts
    const { offset = 0, leaderEpoch = -1, metadata = '' } = message
    commits.push({ topicId, partition, offset: offset ?? 0, leaderEpoch: leaderEpoch ?? -1, metadata: metadata ?? '' })
    places.push(place)
    return null
  })
  return { commits, places, answers }
}

/** A request to the coordinator. @param address where it comes from. */
export function heartbeatOf(request: stratalog.v1.GroupHeartbeatRequest, address: string): HeartbeatRequest {
  const { groupId, memberId, memberEpoch, instanceId, subscription, owned, stalls } = request
  return {
    groupId,
    memberId,
    memberEpoch,
    instanceId,
    subscription: subscription === null || subscription === undefined ? null : subscriptionOf(subscription),
    owned: owned === null || owned === undefined ? null : ownedOf(owned),
    stalls: stalls.map(({ topicId, partition, offset, forMs }) => ({
      topicId: hexOf(topicId ?? new Uint8Array(0)),
      partition: partition ?? 0,
      offset: offset ?? 0,
      forMs: forMs ?? 0,
    })),
    address,
  }
}

/** The answer to a member. */
export function heartbeatMessage(
  { memberEpoch, heartbeatIntervalMs, assignment }: HeartbeatResponse,
  topics: Topics,
): stratalog.v1.GroupHeartbeatResponse.$Properties {
  return {
    memberEpoch,
    heartbeatIntervalMs,
    ...(assignment === null ? {} : { assignment: assignmentMessage(assignment, topics) }),
  }
}

/** Partitions with their topics' names; a topic that is gone has none. */
export function assignmentMessage(assignment: Assignment, topics: Topics): AssignmentMessage {
  const partitions = [...assignment].map(([topicId, list]) => ({
    topic: topics.byId.get(topicId)?.name ?? '',
    topicId: idBytes(topicId),
    partitions: [...list],
  }))
  return { partitions }
}

/** A committed offset, or why there is none. */
export function offsetMessage(committed: CommittedOffset, topics: Topics): OffsetMessage {
  const { topicId, partition, offset, leaderEpoch, metadata, committedAtMs, error } = committed
  return {
    topic: topics.byId.get(topicId)?.name ?? '',
    topicId: idBytes(topicId),
    partition,
    offset,
    leaderEpoch,
    metadata,
    committedAtMs,
    ...(error === null ? {} : { error: toErrorDetail(error) }),
  }
}

/** What a member said of itself, as a message. */
export function subscriptionMessage(subscription: Subscription): stratalog.v1.GroupSubscription.$Properties {
  return { ...subscription, topics: [...subscription.topics] }
}

/** The state of a group, as a message has it. */
export function stateMessage(state: GroupStateName): stratalog.v1.GroupState {
  switch (state) {
    case 'empty':
      return GroupState.GROUP_STATE_EMPTY
    case 'reconciling':
      return GroupState.GROUP_STATE_RECONCILING
    case 'stable':
      return GroupState.GROUP_STATE_STABLE
  }
}

/** 32 hexadecimal digits as the 16 bytes of an id. */
export function idBytes(topicId: string): Buffer {
  return Buffer.from(topicId, 'hex')
}

/** The bytes of an id as hexadecimal digits. */
export function hexOf(topicId: Uint8Array): string {
  return Buffer.from(topicId.buffer, topicId.byteOffset, topicId.byteLength).toString('hex')
}

/** Whether an error is that a topic or partition is not known here, which may be because it was made a moment ago. */
export function isUnknownTopic(code: ErrorName): boolean {
  return code === 'UNKNOWN_TOPIC_OR_PARTITION' || code === 'UNKNOWN_TOPIC_ID'
}

function subscriptionOf(message: stratalog.v1.GroupSubscription.$Properties): Subscription {
  return {
    topics: message.topics ?? [],
    topicPattern: message.topicPattern ?? '',
    rack: message.rack ?? '',
    clientId: message.clientId ?? '',
    rebalanceTimeoutMs: message.rebalanceTimeoutMs ?? 0,
    sessionTimeoutMs: message.sessionTimeoutMs ?? 0,
    assignor: message.assignor ?? '',
  }
}

/** By id only: a member has the ids from its assignment. Topics and partitions that are no more do no harm. */
function ownedOf({ partitions = [] }: AssignmentMessage): Assignment {
  return assignmentOf(
    (partitions ?? []).map(({ topicId, partitions: list }) => {
      const id = topicId ?? new Uint8Array(0)
      if (id.length !== TOPIC_ID_BYTES) {
        const text = `topic_id of an owned topic has ${id.length} bytes; it must have ${TOPIC_ID_BYTES}`
        throw new StratalogError('INVALID_REQUEST', text, { metadata: { field: 'owned' } })
      }
      return [hexOf(id), list ?? []] as const
    }),
  )
}

function isPartitionOf({ partitionCount }: TopicFacts, partition: number): boolean {
  return Number.isInteger(partition) && partition >= 0 && partition < partitionCount
}

function noPartition({ name, partitionCount }: TopicFacts, partition: number): StratalogError {
  const text = `topic ${name} has no partition ${partition}; it has ${partitionCount}, numbered from 0`
  return new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', text, { topic: name, partition })
}

function refusedOffset(message: OffsetMessage, error: StratalogError): OffsetMessage {
  const { topic, topicId, partition } = message
  return {
    topic: topic ?? '',
    topicId: topicId ?? new Uint8Array(0),
    partition: partition ?? 0,
    offset: -1,
    leaderEpoch: -1,
    committedAtMs: -1,
    error: toErrorDetail(error),
  }
}
