/**
 * What the log of a coordinator partition holds, and what the state of its groups is the fold of.
 *
 * Every record is an upsert of one key, or with a null value its tombstone; folding one twice does no harm. Any prefix of
 * the log is a safe state (no partition has two owners, no offset goes back), so the records of one event may be cut
 * into batches at any place, as long as their order stays. Their bytes are in record-codec.ts.
 */
import type { Assignment } from './assignment.ts'

/** A group. */
export interface GroupValue {
  /** Highest epoch given out in the group, to the group or to a member. */
  readonly epoch: number
  /** Epoch at which the targets were computed last. */
  readonly targetEpoch: number
  /** Name of the assignor that computed them. */
  readonly assignor: string
  /** Version of the topics that they were computed of: an older view must not undo them. */
  readonly topicsVersion: number
  /** Since when it has had no member, ms since 1970; null while it has some, or had none ever. */
  readonly emptySinceMs: number | null
}

/** What a member said of itself. */
export interface MemberValue {
  /** Null for a dynamic member. */
  readonly instanceId: string | null
  readonly clientId: string
  /** Where it called from. */
  readonly address: string
  /** Null when unknown. */
  readonly rack: string | null
  /** Ascending, distinct. */
  readonly topics: readonly string[]
  /** RE2 syntax, matched against whole names; null for none. */
  readonly topicPattern: string | null
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  /** The assignor that it asks for; null = the broker's default. */
  readonly assignor: string | null
}

/** What a member should own once all have reconciled. */
export interface TargetValue {
  readonly partitions: Assignment
}

/** What a member was last told, and what it has still to give up. */
export interface CurrentValue {
  /** New with every change of `assigned`, so that an answer of the member says which change it knows. */
  readonly memberEpoch: number
  /** The one before, -1 when there was none: a member whose answer was lost still presents it. */
  readonly previousEpoch: number
  /** What it may read. */
  readonly assigned: Assignment
  /** What it was told to give up and has not given up yet. Disjoint from `assigned`. */
  readonly revoking: Assignment
  /** A static member that has left for a while; it owns nothing and keeps its target. */
  readonly away: boolean
}

/** A committed offset. */
export interface OffsetValue {
  /** Next offset to be read. */
  readonly offset: number
  /** Of the last record read; -1 = unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
  /** ms since 1970. */
  readonly committedAtMs: number
}

/** Everything that the log of groups can hold. */
export type GroupRecord =
  /** Its tombstone ends the group and all that it has. */
  | { readonly type: 'group'; readonly groupId: string; readonly value: GroupValue | null }
  /** Its tombstone ends the member, its target and what it owns. */
  | {
      readonly type: 'member'
      readonly groupId: string
      readonly memberId: string
      readonly value: MemberValue | null
    }
  | { readonly type: 'target'; readonly groupId: string; readonly memberId: string; readonly value: TargetValue | null }
  | {
      readonly type: 'current'
      readonly groupId: string
      readonly memberId: string
      readonly value: CurrentValue | null
    }
  | {
      readonly type: 'offset'
      readonly groupId: string
      readonly topicId: string
      readonly partition: number
      readonly value: OffsetValue | null
    }

/** Marks around a checkpoint: all live records, appended again so that what lies before can be trimmed. */
export interface CheckpointMark {
  readonly type: 'checkpoint-begin' | 'checkpoint-end'
  /** Names the checkpoint: its end counts only with its beginning. */
  readonly checkpointId: number
}

/** All that the log can hold. */
export type CoordinatorRecord = GroupRecord | CheckpointMark
