/**
 * The cluster's state as messages: brokers, partitions, replicas, and in sentences what is wrong.
 */
import { stratalog } from '@stratalog/proto'
import type {
  BrokerStatus,
  PartitionProblemKind,
  PartitionStatus,
  QuorumStatus,
  ReplicaStatus,
} from '../../cluster/cluster-view.ts'
import type { ClientConnection } from '../call.ts'
import type { TopicView } from './topic-view.ts'

const { BrokerState, PartitionProblem, ReplicaRole } = stratalog.v1
/** Partitions whose problems are told one by one; the rest is counted. */
const PROBLEMS_TOLD_MAX = 100

/** A broker. */
export function brokerInfo(
  status: BrokerStatus,
  view: TopicView,
  connection: ClientConnection,
): stratalog.v1.BrokerInfo.$Properties {
  const { brokerId, report } = status
  return {
    endpoint: view.endpoint(brokerId, connection) ?? { brokerId },
    state: brokerState(status),
    drained: status.isDrained,
    decommissioning: status.isDecommissioning,
    ...(report === null
      ? {}
      : {
          pid: report.pid,
          leaderCount: report.leaderCount,
          replicaCount: report.replicaCount,
          logBytes: report.logBytes,
          startedAtMs: report.startedAtMs,
          version: report.version,
          problems: [...report.problems],
        }),
  }
}

function brokerState({ isUp, isDrained, isDecommissioning, report }: BrokerStatus): stratalog.v1.BrokerState {
  if (!isUp || report === null) return BrokerState.BROKER_STATE_UNREACHABLE
  if (isDecommissioning) return BrokerState.BROKER_STATE_DECOMMISSIONING
  return isDrained || report.isStopping ? BrokerState.BROKER_STATE_DRAINING : BrokerState.BROKER_STATE_RUNNING
}

/** How many partitions are how. */
export function countPartitions(partitions: readonly PartitionStatus[]): stratalog.v1.PartitionCounts.$Properties {
  const having = (kind: PartitionProblemKind): number =>
    partitions.filter(({ problems }) => problems.includes(kind)).length
  return {
    total: partitions.length,
    leaderless: having('leaderless'),
    underReplicated: having('under-replicated'),
    moving: partitions.filter(({ target }) => target !== null).length,
  }
}

/** A sentence for everything that is wrong. */
export function problemsOf(brokers: readonly BrokerStatus[], partitions: readonly PartitionStatus[]): string[] {
  const ofBrokers = brokers.flatMap((status) => {
    const { brokerId, report } = status
    if (!status.isUp || report === null) return [`broker ${brokerId} cannot be reached`]
    return report.problems.map((problem) => `broker ${brokerId}: ${problem}`)
  })
  const faulty = partitions.filter(({ problems }) => problems.length > 0)
  const ofPartitions = faulty.slice(0, PROBLEMS_TOLD_MAX).map(partitionSentence)
  const untold = faulty.length - ofPartitions.length
  return [...ofBrokers, ...ofPartitions, ...(untold > 0 ? [`${untold} more partitions have problems`] : [])]
}

function partitionSentence({ topic, partition, problems, replicas }: PartitionStatus): string {
  const what = problems.map((problem) => PROBLEM_TEXT[problem]).join(', ')
  const sound = replicas.filter(({ isLive, isCaughtUp }) => isLive && isCaughtUp).map(({ brokerId }) => brokerId)
  const all = replicas.map(({ brokerId }) => brokerId).join(', ')
  const live = sound.length === 0 ? 'none is live and caught up' : `live and caught up: ${sound.join(', ')}`
  return `partition ${topic}-${partition} ${what} (replicas on ${all}; ${live})`
}

const PROBLEM_TEXT: Readonly<Record<PartitionProblemKind, string>> = {
  leaderless: 'has no leader',
  'under-replicated': 'is under-replicated',
  damaged: 'has a damaged copy',
  'disk-full': 'takes no records, as the disk is full',
}

/** A partition. */
export function partitionStatusMessage(
  status: PartitionStatus,
  view: TopicView,
  connection: ClientConnection,
): stratalog.v1.PartitionStatus.$Properties {
  const { topic, topicId, partition, log } = status
  return {
    topic,
    topicId: Buffer.from(topicId, 'hex'),
    partition,
    leader: view.leaderHint(status, connection),
    replicas: status.replicas.map(replicaStatusMessage),
    targetReplicas: [...(status.target ?? [])],
    problems: status.problems.map(problemMessage),
    ...(log ?? { logStartOffset: -1, highWatermark: -1, visibleEnd: -1 }),
  }
}

/** The quorum of the metadata. */
export function quorumMessage(quorum: QuorumStatus): stratalog.v1.DescribeQuorumResponse.$Properties {
  const { leaderId, leaderEpoch, highWatermark, voters, learners } = quorum
  return {
    leaderId: leaderId ?? -1,
    leaderEpoch,
    highWatermark,
    voters: voters.map(replicaStatusMessage),
    observers: learners.map(replicaStatusMessage),
  }
}

function replicaStatusMessage(replica: ReplicaStatus): stratalog.v1.ReplicaStatus.$Properties {
  const { brokerId, generation, logEndOffset, lagOffsets, isLive, isCaughtUp } = replica
  return {
    brokerId,
    generation,
    role: roleMessage(replica.role),
    logEndOffset: logEndOffset ?? -1,
    lagOffsets: lagOffsets ?? -1,
    live: isLive,
    caughtUp: isCaughtUp,
  }
}

function roleMessage(role: ReplicaStatus['role']): stratalog.v1.ReplicaRole {
  switch (role) {
    case 'leader':
      return ReplicaRole.REPLICA_ROLE_LEADER
    case 'voter':
      return ReplicaRole.REPLICA_ROLE_VOTER
    case 'learner':
      return ReplicaRole.REPLICA_ROLE_LEARNER
    case 'missing':
      return ReplicaRole.REPLICA_ROLE_MISSING
  }
}

function problemMessage(problem: PartitionProblemKind): stratalog.v1.PartitionProblem {
  switch (problem) {
    case 'leaderless':
      return PartitionProblem.PARTITION_PROBLEM_LEADERLESS
    case 'under-replicated':
      return PartitionProblem.PARTITION_PROBLEM_UNDER_REPLICATED
    case 'damaged':
      return PartitionProblem.PARTITION_PROBLEM_DAMAGED
    case 'disk-full':
      return PartitionProblem.PARTITION_PROBLEM_DISK_FULL
  }
}
