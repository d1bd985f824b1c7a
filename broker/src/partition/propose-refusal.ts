/** What a client is told when Raft does not take a proposal. */
import { invariant, StratalogError } from '@stratalog/proto'
import type { ProposeRefusal } from 'raft-ts'
import type { RaftGroup } from '../replication/raft-group.ts'

/** The group that refused, and how it is called. */
export interface RefusingGroup {
  readonly topic: string
  readonly partition: number
  readonly group: RaftGroup
}

/** OVERLOADED or NOT_LEADER_OR_FOLLOWER; another refusal of a batch that was checked is a broken invariant. */
export function refusalError(
  refusal: ProposeRefusal | { readonly kind: 'forwarded' },
  { topic, partition, group }: RefusingGroup,
): StratalogError {
  switch (refusal.kind) {
    case 'overloaded': {
      const text = `${refusal.uncommittedBytes} bytes of this partition wait to be committed; the limit is ${refusal.limitBytes}`
      return new StratalogError('OVERLOADED', text, { topic, partition })
    }
    case 'not-leader':
    case 'transferring':
    case 'removed': {
      // Whoever is to take over has not done so yet.
      const leaderId = refusal.kind === 'transferring' ? null : group.leaderId
      const leader = { leaderId, leaderEpoch: group.leaderEpoch, host: null, port: null }
      return new StratalogError('NOT_LEADER_OR_FOLLOWER', undefined, { topic, partition, leader })
    }
    case 'too-large':
    case 'malformed':
    case 'conf-change-refused':
    case 'forwarded':
      return invariantBroken(`a checked batch was refused as ${refusal.kind}`)
  }
}

function invariantBroken(detail: string): never {
  invariant(false, detail)
}
