/** Requests and results of the calls about consumer groups: plain values, with no class of the wire format. */
import type { StratalogError, TopicPartition } from '@stratalog/proto'
import type { BrokerAddress } from './address.ts'

/** What a group is doing: see GroupState in groups.proto. */
export type GroupState = 'empty' | 'assigning' | 'reconciling' | 'stable' | 'unknown'

/** A group in a list. */
export interface GroupListing {
  readonly groupId: string
  readonly state: GroupState
  readonly memberCount: number
  /** Broker id. */
  readonly coordinatorId: number
}

/** All groups, as far as their coordinators answered. */
export interface GroupList {
  /** By group id. */
  readonly groups: readonly GroupListing[]
  /** Coordinators that did not answer; their groups are missing. */
  readonly errors: readonly StratalogError[]
}

/** What a member asked for when it joined. */
export interface GroupMemberSubscription {
  readonly topics: readonly string[]
  /** Empty = none. */
  readonly topicPattern: string
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  /** Empty = the broker's default. */
  readonly assignor: string
}

/** A member of a group. */
export interface GroupMemberDescription {
  readonly memberId: string
  /** Empty = a dynamic member. */
  readonly instanceId: string
  readonly clientId: string
  /** Where it called from. */
  readonly address: string
  readonly rack: string
  readonly memberEpoch: number
  /** Where it is on its way to. */
  readonly targetEpoch: number
  readonly subscription: GroupMemberSubscription
  /** What it owns. */
  readonly assigned: readonly TopicPartition[]
  /** What it should own. */
  readonly target: readonly TopicPartition[]
  /** What it has still to give up. */
  readonly revoking: readonly TopicPartition[]
  /** Since its last heartbeat, ms. */
  readonly silentMs: number
}

/** A partition of a group. */
export interface GroupPartitionDescription extends TopicPartition {
  /** `null` = nobody. */
  readonly ownerMemberId: string | null
  /** Next offset to be read; `null` = none is committed. */
  readonly committedOffset: number | null
  /** Of the last record read; `null` = unknown. */
  readonly leaderEpoch: number | null
  readonly metadata: string
  /** ms since 1970; `null` = never. */
  readonly committedAtMs: number | null
  /** `null` when the partition's leader does not answer; so is the end. */
  readonly logStartOffset: number | null
  /** One past the last committed record (exclusive). */
  readonly visibleEnd: number | null
  /** Records that are still to be read; `null` = unknown. */
  readonly lagRecords: number | null
  /** How old the next record to be read is, ms; 0 when there is none; `null` = unknown. */
  readonly lagMs: number | null
}

/** A group in full. */
export interface GroupDescription {
  readonly groupId: string
  readonly state: GroupState
  readonly groupEpoch: number
  readonly assignor: string
  /** `null` when unknown. */
  readonly coordinator: BrokerAddress | null
  readonly members: readonly GroupMemberDescription[]
  /** Every partition with an owner or a committed offset; by topic, then number. */
  readonly partitions: readonly GroupPartitionDescription[]
  /** Why it does not move, each a sentence; empty when all moves. */
  readonly reasons: readonly string[]
}

/** An offset to be committed: the next one to be read. */
export interface OffsetToCommit extends TopicPartition {
  /** 0..2^53-1. */
  readonly offset: number
  /** Of the last record read; default: unknown. */
  readonly leaderEpoch?: number | undefined
  /** For people, at most 4,096 bytes. */
  readonly metadata?: string | undefined
  /** 16 bytes; default: whatever topic has that name. */
  readonly topicId?: Uint8Array | undefined
}

/** A committed offset, or what became of one. Where `error` is set the rest says nothing. */
export interface CommittedOffset extends TopicPartition {
  /** 16 bytes. */
  readonly topicId: Buffer
  /** Next offset to be read; `null` = none is committed. */
  readonly offset: number | null
  /** Of the last record read; `null` = unknown. */
  readonly leaderEpoch: number | null
  readonly metadata: string
  /** ms since 1970; `null` = never. */
  readonly committedAtMs: number | null
  readonly error: StratalogError | null
}

/** Partitions of a topic, as the group calls name them. */
export interface TopicPartitionsSelection {
  readonly topic: string
  readonly partitions: readonly number[]
  /** 16 bytes; default: whatever topic has that name. */
  readonly topicId?: Uint8Array | undefined
}

/** Who asks, when it is a member of the group: one that was fenced then learns it. */
export interface GroupMemberIdentity {
  readonly memberId: string
  /** Of its last heartbeat. */
  readonly memberEpoch: number
}

/** Where `resetOffsets` puts the offsets: see ResetOffsetsRequest in groups.proto. */
export type ResetTarget =
  | 'earliest'
  | 'latest'
  | { readonly offset: number }
  /** ms since 1970: the first record at or after it. */
  | { readonly timestamp: number }
  /** Where that group stands. */
  | { readonly group: string }
  /** That many records on, or back when negative; kept inside the log. */
  | { readonly shift: number }

/** How offsets are reset. */
export interface OffsetReset {
  readonly to: ResetTarget
  /** Default: every partition that the group has a committed offset for. */
  readonly partitions?: readonly TopicPartitionsSelection[] | undefined
  /** Tell what would be done, and do nothing. */
  readonly dryRun?: boolean | undefined
}

/** What became, or would become, of one offset. */
export interface OffsetResetResult extends TopicPartition {
  /** `null` = none was committed. */
  readonly fromOffset: number | null
  /** `null` when it failed. */
  readonly toOffset: number | null
  readonly error: StratalogError | null
}
