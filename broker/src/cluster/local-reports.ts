/**
 * What this broker tells of itself and of the partitions that it leads; the other brokers' answers have the same shape.
 */
import type { MetadataImage, PartitionImage } from '../controller/metadata-image.ts'
import type { Partition } from '../partition/partition.ts'
import type { PartitionRegistry } from '../partition/partition-registry.ts'
import type { ReplicaState } from '../replication/raft-group.ts'
import { nodeOfReplica, type Replica, replicaOfNode } from '../replication/raft-ids.ts'
import type {
  BrokerReport,
  PartitionFilter,
  PartitionProblemKind,
  PartitionStatus,
  ReplicaStatus,
} from './cluster-view.ts'
import { wantedCopies } from './replica-reconciler.ts'

/** Problems that are told one by one; the rest is counted. */
const PROBLEMS_TOLD_MAX = 100

/** What of a report the partitions do not say. */
export type ProcessFacts = Pick<BrokerReport, 'isStopping' | 'pid' | 'version' | 'startedAtMs'>

/** This broker's report. @param others problems beside those of the partitions, each a sentence. */
export function reportBroker(
  registry: PartitionRegistry,
  facts: ProcessFacts,
  others: readonly string[] = [],
): BrokerReport {
  const problems: string[] = []
  let problemCount = 0
  const tell = (problem: string): void => {
    if (++problemCount <= PROBLEMS_TOLD_MAX) problems.push(problem)
  }
  for (const { topic, partition, error } of registry.problems()) {
    tell(`partition ${topic}-${partition} is not served: ${error.code}: ${error.message}`)
  }
  for (const problem of others) tell(problem)
  let leaderCount = 0
  let replicaCount = 0
  let logBytes = 0
  for (const partition of registry.all()) {
    const description = partition.describe()
    replicaCount++
    logBytes += description.logBytes
    if (partition.state().kind === 'serving') leaderCount++
    if (description.diskFull) tell(`partition ${partition.topic}-${partition.partition} takes no writes: DISK_FULL`)
  }
  if (problemCount > PROBLEMS_TOLD_MAX) problems.push(`${problemCount - PROBLEMS_TOLD_MAX} more problems`)
  return { ...facts, leaderCount, replicaCount, logBytes, problems }
}

/** The partitions that this broker leads. */
export function reportLed(
  registry: PartitionRegistry,
  image: MetadataImage,
  filter: PartitionFilter,
): PartitionStatus[] {
  const statuses: PartitionStatus[] = []
  for (const partition of registry.all()) {
    if (filter.topics !== undefined && !filter.topics.has(partition.topic)) continue
    if (partition.state().kind !== 'serving') continue
    const wanted = wantedCopies(image, partition)
    if (wanted !== null) statuses.push(statusAtLeader(partition, wanted))
  }
  return statuses
}

/** A partition that nobody answers for. */
export function statusWithoutLeader(
  name: { readonly topic: string; readonly topicId: string; readonly partition: number },
  wanted: PartitionImage,
  isUp: (brokerId: number) => boolean,
): PartitionStatus {
  const replicas = copiesOf(wanted).map((replica) => missing(replica, isUp(replica.brokerId)))
  return {
    ...name,
    leaderId: null,
    leaderEpoch: 0,
    replicas,
    target: wanted.target?.map(({ brokerId }) => brokerId) ?? null,
    problems: ['leaderless'],
    log: null,
  }
}

/** Members of a group as their leader sees them, and copies that should be members and are not. */
export function replicaStatuses(
  states: readonly ReplicaState[],
  wanted: readonly Replica[],
  leader: { readonly brokerId: number; readonly logEndOffset: number },
): ReplicaStatus[] {
  const members = states.map((state) => statusOf(state, leader))
  const known = new Set(states.map(({ nodeId }) => nodeId))
  const absent = wanted
    .filter((replica) => !known.has(nodeOfReplica(replica)))
    .map((replica) => missing(replica, false))
  const order = wanted.map(({ brokerId }) => brokerId)
  const rank = ({ brokerId }: ReplicaStatus): number => {
    const index = order.indexOf(brokerId)
    return index === -1 ? order.length : index
  }
  return [...members, ...absent].sort((a, b) => rank(a) - rank(b) || a.generation - b.generation)
}

function statusAtLeader(partition: Partition, wanted: PartitionImage): PartitionStatus {
  const { topic, topicId, partition: id } = partition
  const { logStartOffset, highWatermark, visibleEnd, logEndOffset } = partition.bounds()
  const { leaderId, leaderEpoch, logBytes, segmentCount, diskFull } = partition.describe()
  const brokerId = leaderId ?? -1
  const replicas = replicaStatuses(partition.replicaStates(), copiesOf(wanted), { brokerId, logEndOffset })
  const problems: PartitionProblemKind[] = []
  const inSync = replicas.filter(({ role, isLive, isCaughtUp }) => isVoter(role) && isLive && isCaughtUp).length
  if (inSync < wanted.replicas.length) problems.push('under-replicated')
  if (diskFull) problems.push('disk-full')
  return {
    topic,
    topicId: topicId.toString('hex'),
    partition: id,
    leaderId,
    leaderEpoch,
    replicas,
    target: wanted.target?.map((replica) => replica.brokerId) ?? null,
    problems,
    log: { logStartOffset, highWatermark, visibleEnd, logBytes, segmentCount },
  }
}

function isVoter(role: ReplicaStatus['role']): boolean {
  return role === 'leader' || role === 'voter'
}

function statusOf(
  { nodeId, role, matchOffset, isLive, isCaughtUp }: ReplicaState,
  leader: { readonly brokerId: number; readonly logEndOffset: number },
): ReplicaStatus {
  const { brokerId, generation } = replicaOfNode(nodeId)
  const isLeader = brokerId === leader.brokerId
  return {
    brokerId,
    generation,
    role: isLeader ? 'leader' : role,
    logEndOffset: isLeader ? leader.logEndOffset : matchOffset,
    lagOffsets: isLeader ? 0 : Math.max(0, leader.logEndOffset - matchOffset),
    isLive: isLeader || isLive,
    isCaughtUp: isLeader || isCaughtUp,
  }
}

function missing({ brokerId, generation }: Replica, isLive: boolean): ReplicaStatus {
  return { brokerId, generation, role: 'missing', logEndOffset: null, lagOffsets: null, isLive, isCaughtUp: false }
}

/** The copies there are or should be, those of the present first. */
function copiesOf({ replicas, target }: PartitionImage): Replica[] {
  const present = new Set(replicas.map(nodeOfReplica))
  return [...replicas, ...(target ?? []).filter((replica) => !present.has(nodeOfReplica(replica)))]
}
