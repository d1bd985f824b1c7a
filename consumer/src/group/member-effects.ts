/** What the membership core and its shell say to each other: partitions, heartbeats, effects. Plain values. */
import type { StratalogError, TopicPartition } from '@stratalog/proto'

/** A partition of an assignment; the id tells a topic from another of the same name. */
export interface MemberPartition extends TopicPartition {
  /** 16 bytes. */
  readonly topicId: Uint8Array
}

/** The name of a partition in maps. */
export function partitionKey({ topicId, partition }: Pick<MemberPartition, 'topicId' | 'partition'>): string {
  return `${Buffer.from(topicId).toString('hex')}/${partition}`
}

/** A heartbeat to be sent, in place of one that is still under way; its outcome is told under its id. */
export interface Heartbeat {
  readonly id: number
  /** 0 = join, -1 = leave, -2 = leave for a while, otherwise the member's epoch. */
  readonly memberEpoch: number
  /** Whether the subscription goes with it, so that the coordinator answers with the whole assignment. */
  readonly isFull: boolean
  /** null = as last told. */
  readonly owned: readonly MemberPartition[] | null
}

/** What a coordinator answered. */
export interface HeartbeatAnswer {
  readonly memberEpoch: number
  /** 0 = as before. */
  readonly heartbeatIntervalMs: number
  /** null = as before. */
  readonly assignment: readonly MemberPartition[] | null
}

/** What the shell has to do, in this order. */
export type MemberEffect =
  | { readonly kind: 'send'; readonly heartbeat: Heartbeat }
  /** The group has taken the member in. */
  | { readonly kind: 'joined' }
  /** Begin to read these. */
  | { readonly kind: 'assign'; readonly partitions: readonly MemberPartition[] }
  /** Hand out no more of these; `finished` when what is in hand is done with. */
  | { readonly kind: 'revoke'; readonly partitions: readonly MemberPartition[] }
  /** Commit what was processed of these; `committed` when it is acknowledged or hopeless. */
  | { readonly kind: 'commit'; readonly partitions: readonly MemberPartition[] }
  /** Tell the application that these go; `givenUp` when it has agreed. */
  | { readonly kind: 'release'; readonly partitions: readonly MemberPartition[] }
  /** These belong to somebody else already: stop at once, commit nothing. */
  | { readonly kind: 'lose'; readonly partitions: readonly MemberPartition[]; readonly reason: StratalogError }
  /** Hand out nothing until `proceed`: the group may have gone on without this member. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'proceed' }
  /** The member cannot be in this group; it is over. */
  | { readonly kind: 'fail'; readonly error: StratalogError }
  /** The member has left for good; it is over. */
  | { readonly kind: 'left' }
