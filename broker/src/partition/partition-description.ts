/** Puts together what an operator sees of a partition. */
import type { PartitionLog } from '../log/partition-log.ts'
import type { RaftGroup } from '../replication/raft-group.ts'
import { brokerOfNode } from '../replication/raft-ids.ts'
import type { PartitionDescription, PartitionSpec } from './partition-types.ts'

/** The parts of a partition. */
export interface DescribedParts {
  readonly spec: PartitionSpec
  readonly log: PartitionLog
  readonly group: RaftGroup
  readonly producerCount: number
  /** As this leader sees the voters; false elsewhere. */
  readonly underReplicated: boolean
}

/** See the file's header. */
export function describePartition({
  spec,
  log,
  group,
  producerCount,
  underReplicated,
}: DescribedParts): PartitionDescription {
  const { topic, topicId, partition, generation } = spec
  const { members, leaderId, leaderEpoch } = group
  return {
    topic,
    topicId,
    partition,
    replicas: members.voters.map(brokerOfNode),
    members,
    generation,
    underReplicated,
    leaderId,
    leaderEpoch,
    logBytes: log.sizeBytes,
    segmentCount: log.segments.length,
    producerCount,
    diskFull: log.state.kind === 'disk-full',
  }
}
