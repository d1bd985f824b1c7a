/** Between AdminClient's plain values and the messages of the API. */
import { fromErrorDetail, type StratalogError, stratalog } from '@stratalog/proto'
import { fromEndpoint } from './address.ts'
import type {
  BrokerDescription,
  ConfigEntry,
  LeaderDescription,
  OffsetAnswer,
  OffsetPosition,
  OffsetQuery,
  PartitionDescription,
  PartitionProblem,
  QuorumDescription,
  ReplicaDescription,
  SplitAnswer,
  SplitQuery,
} from './admin-types.ts'

const { OffsetAnchor, BrokerState, ConfigSource, PartitionProblem: Problem, ReplicaRole } = stratalog.v1

/** A question about an offset. */
export function toQuery({ topic, partition, position }: OffsetQuery): stratalog.v1.OffsetQuery.$Properties {
  if (typeof position === 'object') return { topic, partition, timestampMs: position.timestamp }
  return { topic, partition, anchor: anchorOf(position) }
}

function anchorOf(position: Extract<OffsetPosition, string>): stratalog.v1.OffsetAnchor {
  if (position === 'earliest') return OffsetAnchor.OFFSET_ANCHOR_EARLIEST
  if (position === 'latest') return OffsetAnchor.OFFSET_ANCHOR_LATEST
  return OffsetAnchor.OFFSET_ANCHOR_MAX_TIMESTAMP
}

/** Its answer. */
export function toOffsetAnswer(answer: stratalog.v1.OffsetAnswer.$Properties): OffsetAnswer {
  return {
    topic: answer.topic ?? '',
    partition: answer.partition ?? 0,
    error: answer.error ? fromErrorDetail(answer.error) : null,
    offset: known(answer.offset ?? 0),
    timestamp: known(answer.timestampMs),
    leaderEpoch: answer.leaderEpoch ?? 0,
    logStartOffset: answer.logStartOffset ?? 0,
    visibleEnd: answer.visibleEnd ?? 0,
    highWatermark: answer.highWatermark ?? 0,
  }
}

/** The answer to a question that failed. */
export function failedOffsetAnswer(query: OffsetQuery, error: StratalogError): OffsetAnswer {
  const nothing = { offset: null, timestamp: null, leaderEpoch: 0, logStartOffset: 0, visibleEnd: 0, highWatermark: 0 }
  return { topic: query.topic, partition: query.partition, error, ...nothing }
}

/** A range to be cut, as a message. */
export function toSplitQuery(query: SplitQuery): stratalog.v1.SplitQuery.$Properties {
  const { topic, partition, topicId, startOffset = -1, endOffset = -1, targetBytes = 0 } = query
  const id = topicId === undefined ? {} : { topicId: Buffer.from(topicId, 'hex') }
  return { topic, partition, ...id, startOffset, endOffset, targetBytes }
}

/** Its answer. */
export function toSplitAnswer(answer: stratalog.v1.SplitAnswer.$Properties): SplitAnswer {
  const splits = (answer.splits ?? []).map((split) => ({
    startOffset: split.startOffset ?? 0,
    endOffset: split.endOffset ?? 0,
    bytes: split.bytes ?? 0,
    leaderEpoch: split.leaderEpoch ?? 0,
  }))
  return {
    topic: answer.topic ?? '',
    partition: answer.partition ?? 0,
    error: answer.error ? fromErrorDetail(answer.error) : null,
    topicId: Buffer.from(answer.topicId ?? []).toString('hex'),
    splits,
    logStartOffset: answer.logStartOffset ?? 0,
    visibleEnd: answer.visibleEnd ?? 0,
    highWatermark: answer.highWatermark ?? 0,
    leaderEpoch: answer.leaderEpoch ?? 0,
  }
}

/** The answer to a question that failed. */
export function failedSplitAnswer({ topic, partition }: SplitQuery, error: StratalogError): SplitAnswer {
  const nothing = { topicId: '', splits: [], logStartOffset: 0, visibleEnd: 0, highWatermark: 0, leaderEpoch: 0 }
  return { topic, partition, error, ...nothing }
}

/** Where a setting comes from. */
export function configSource(source: stratalog.v1.ConfigSource | null | undefined): ConfigEntry['source'] {
  if (source === ConfigSource.CONFIG_SOURCE_TOPIC) return 'topic'
  return source === ConfigSource.CONFIG_SOURCE_BROKER ? 'broker' : 'default'
}

/** A broker. */
export function toBroker(broker: stratalog.v1.BrokerInfo.$Properties): BrokerDescription {
  return {
    address: fromEndpoint(broker.endpoint),
    brokerId: broker.endpoint?.brokerId ?? 0,
    rack: broker.endpoint?.rack ?? '',
    state: brokerState(broker.state),
    drained: broker.drained ?? false,
    decommissioning: broker.decommissioning ?? false,
    pid: broker.pid ?? 0,
    leaderCount: broker.leaderCount ?? 0,
    replicaCount: broker.replicaCount ?? 0,
    logBytes: broker.logBytes ?? 0,
    startedAtMs: broker.startedAtMs ?? 0,
    version: broker.version ?? '',
    problems: [...(broker.problems ?? [])],
  }
}

function brokerState(state: stratalog.v1.BrokerState | null | undefined): BrokerDescription['state'] {
  switch (state) {
    case BrokerState.BROKER_STATE_RUNNING:
      return 'running'
    case BrokerState.BROKER_STATE_DRAINING:
      return 'draining'
    case BrokerState.BROKER_STATE_DECOMMISSIONING:
      return 'decommissioning'
    case BrokerState.BROKER_STATE_UNREACHABLE:
      return 'unreachable'
    default:
      return 'unknown'
  }
}

/** A partition with its replicas. */
export function toPartition(status: stratalog.v1.PartitionStatus.$Properties): PartitionDescription {
  return {
    topic: status.topic ?? '',
    partition: status.partition ?? 0,
    ...toLeader(status.leader),
    replicas: (status.replicas ?? []).map(toReplica),
    targetReplicas: [...(status.targetReplicas ?? [])],
    problems: (status.problems ?? []).flatMap((problem) => PROBLEMS.get(problem) ?? []),
    logStartOffset: known(status.logStartOffset),
    highWatermark: known(status.highWatermark),
    visibleEnd: known(status.visibleEnd),
    logBytes: status.logBytes ?? 0,
    segmentCount: status.segmentCount ?? 0,
  }
}

const PROBLEMS: ReadonlyMap<stratalog.v1.PartitionProblem, PartitionProblem> = new Map([
  [Problem.PARTITION_PROBLEM_LEADERLESS, 'leaderless'],
  [Problem.PARTITION_PROBLEM_UNDER_REPLICATED, 'under-replicated'],
  [Problem.PARTITION_PROBLEM_DAMAGED, 'damaged'],
  [Problem.PARTITION_PROBLEM_DISK_FULL, 'disk-full'],
])

/** Who leads. */
export function toLeader(leader: stratalog.v1.LeaderHint.$Properties | null | undefined): LeaderDescription {
  const leaderId = leader?.leaderId ?? -1
  return {
    leaderId: leaderId < 0 ? null : leaderId,
    leader: fromEndpoint(leader?.endpoint),
    leaderEpoch: leader?.leaderEpoch ?? 0,
  }
}

/** The quorum of the metadata. */
export function toQuorum(quorum: stratalog.v1.DescribeQuorumResponse.$Properties): QuorumDescription {
  const leaderId = quorum.leaderId ?? -1
  return {
    leaderId: leaderId < 0 ? null : leaderId,
    leaderEpoch: quorum.leaderEpoch ?? 0,
    highWatermark: quorum.highWatermark ?? 0,
    voters: (quorum.voters ?? []).map(toReplica),
    observers: (quorum.observers ?? []).map(toReplica),
  }
}

function toReplica(replica: stratalog.v1.ReplicaStatus.$Properties): ReplicaDescription {
  return {
    brokerId: replica.brokerId ?? 0,
    generation: replica.generation ?? 0,
    role: replicaRole(replica.role),
    logEndOffset: known(replica.logEndOffset ?? 0),
    lagOffsets: known(replica.lagOffsets ?? 0),
    live: replica.live ?? false,
    caughtUp: replica.caughtUp ?? false,
  }
}

function replicaRole(role: stratalog.v1.ReplicaRole | null | undefined): ReplicaDescription['role'] {
  switch (role) {
    case ReplicaRole.REPLICA_ROLE_LEADER:
      return 'leader'
    case ReplicaRole.REPLICA_ROLE_VOTER:
      return 'voter'
    case ReplicaRole.REPLICA_ROLE_LEARNER:
      return 'learner'
    default:
      return 'missing'
  }
}

/** A number that -1 stands for the absence of. */
function known(value: number | null | undefined): number | null {
  return value === null || value === undefined || value < 0 ? null : value
}
