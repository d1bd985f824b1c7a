/** Which replicas could lead a partition next without a gap, as its leader sees them. */
import type { NodeId } from 'raft-ts'
import type { Partition } from '../partition/partition.ts'
import type { ReplicaState } from '../replication/raft-group.ts'
import { brokerOfNode } from '../replication/raft-ids.ts'

/** Whether leadership may be handed to that replica: a voter that is alive and level with the leader. */
export function canTakeOver({ role, isLive, isCaughtUp }: ReplicaState): boolean {
  return role === 'voter' && isLive && isCaughtUp
}

/** The voter that could take over best: alive and level with the leader; null when there is none, or this is no leader. */
export function bestSuccessor(
  partition: Pick<Partition, 'replicaStates'>,
  brokerId: number,
  mayLead: (brokerId: number) => boolean,
): NodeId | null {
  const able = partition
    .replicaStates()
    .filter(canTakeOver)
    .filter(({ nodeId }) => brokerOfNode(nodeId) !== brokerId && mayLead(brokerOfNode(nodeId)))
    .sort((a, b) => b.matchOffset - a.matchOffset)
  return able[0]?.nodeId ?? null
}
