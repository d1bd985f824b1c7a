/**
 * What a shard of groups is asked and what it answers: plain data, free of wire formats.
 *
 * Times are ms since 1970 by a clock that never goes back while the shard leads: the shell anchors a monotonic clock to
 * the wall clock when it takes the lead.
 */
import type { StratalogError } from '@stratalog/proto'
import type { Assignment } from './assignment.ts'
import type { AssignorName } from './group-limits.ts'
import type { GroupRecord } from './group-records.ts'

/** Settings of the coordinator. */
export interface GroupConfig {
  readonly heartbeatIntervalMs: number
  /** Default, and the range that members may choose from. */
  readonly sessionTimeoutMs: number
  readonly sessionTimeoutMinMs: number
  readonly sessionTimeoutMaxMs: number
  /** Default of how long a member may take to give up partitions. */
  readonly rebalanceTimeoutMs: number
  /** Members of a group. */
  readonly groupSizeMax: number
  /** Used where members ask for none. */
  readonly assignor: AssignorName
  /** How long offsets of a group without members are kept. */
  readonly offsetsRetentionMs: number
}

/** What an event leads to. The records are in the shard's state already. */
export interface Outcome<Response> {
  /** To be appended in this order; none when nothing changed. The response must wait for them. */
  readonly records: readonly GroupRecord[]
  readonly response: Response
  /** Members of the group whose next heartbeat brings news, removed ones included: parked heartbeats of theirs are handled again. */
  readonly wakes: readonly string[]
  /** For the log: what happened, such as `member m-1 of group g joined`. */
  readonly events: readonly string[]
}

/** What an event leads to, or why it is refused (then nothing changed). */
export type Result<Response> = Outcome<Response> | StratalogError

/** What the passing of time, or of topics, leads to in one group. */
export interface GroupChange {
  readonly groupId: string
  readonly records: readonly GroupRecord[]
  readonly wakes: readonly string[]
  /** For the log. */
  readonly events: readonly string[]
}

/** Epoch of a heartbeat that joins. */
export const JOIN_EPOCH = 0
/** Epoch of a heartbeat that leaves for good. */
export const LEAVE_EPOCH = -1
/** Epoch of a heartbeat by which a static member leaves for a while. */
export const LEAVE_FOR_A_WHILE_EPOCH = -2

/** What a member subscribes to and says of itself. */
export interface Subscription {
  readonly topics: readonly string[]
  /** Empty = none. */
  readonly topicPattern: string
  /** Empty = unknown. */
  readonly rack: string
  readonly clientId: string
  /** 0 = the broker's default. */
  readonly rebalanceTimeoutMs: number
  /** 0 = the broker's default. */
  readonly sessionTimeoutMs: number
  /** Empty = the broker's default. */
  readonly assignor: string
}

/** What a member is at in a partition that does not move. */
export interface Stall {
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  /** How long the record has been in hand. */
  readonly forMs: number
}

/** A member's heartbeat. */
export interface HeartbeatRequest {
  readonly groupId: string
  readonly memberId: string
  /** {@link JOIN_EPOCH}, {@link LEAVE_EPOCH}, {@link LEAVE_FOR_A_WHILE_EPOCH}, or the epoch last received. */
  readonly memberEpoch: number
  /** Empty for a dynamic member. */
  readonly instanceId: string
  /** Null = as before; needed when joining. */
  readonly subscription: Subscription | null
  /** What it has and may be reading; null = not told. */
  readonly owned: Assignment | null
  readonly stalls: readonly Stall[]
  /** Where it calls from. */
  readonly address: string
}

/** The answer. */
export interface HeartbeatResponse {
  /** To be presented in the next heartbeat; as asked when the member has left. */
  readonly memberEpoch: number
  /** Shorter than usual while the member waits for partitions or gives some up. */
  readonly heartbeatIntervalMs: number
  /** All that the member should own; null when it knows already. */
  readonly assignment: Assignment | null
  /** How long the answer may be held back for news to come: below the session timeout; 0 when it brings something itself. */
  readonly holdMs: number
}

/** A member as offsets calls name it; null from outside the group. */
export interface Caller {
  readonly memberId: string
  readonly memberEpoch: number
}

/** A partition, and what is to be committed for it. */
export interface OffsetCommit {
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  /** -1 = unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
}

/** A partition's committed offset. */
export interface CommittedOffset {
  readonly topicId: string
  readonly partition: number
  /** -1 = none. */
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  /** -1 = never. */
  readonly committedAtMs: number
  /** Why this partition's part of the request was refused; null when it was not. */
  readonly error: StratalogError | null
}

/** States of a group. ASSIGNING never lasts: targets are computed in the event that calls for them. */
export type GroupStateName = 'empty' | 'reconciling' | 'stable'

/** A group in a list. */
export interface GroupSummary {
  readonly groupId: string
  readonly state: GroupStateName
  readonly memberCount: number
}

/** A member in a description. */
export interface MemberDescription {
  readonly memberId: string
  readonly instanceId: string
  readonly clientId: string
  readonly address: string
  readonly rack: string
  readonly memberEpoch: number
  /** Epoch of the group's last change of targets; the member is done when `assigned` equals `target`. */
  readonly targetEpoch: number
  readonly subscription: Subscription
  readonly assigned: Assignment
  readonly target: Assignment
  readonly revoking: Assignment
  /** A static member that has left for a while. */
  readonly away: boolean
  /** Since its last heartbeat, or since this coordinator took over. */
  readonly silentMs: number
  /** For how long it has been giving up partitions; null when it gives up none. */
  readonly revokingForMs: number | null
  readonly stalls: readonly Stall[]
}

/** A group in full. */
export interface GroupDescription {
  readonly groupId: string
  readonly state: GroupStateName
  readonly groupEpoch: number
  readonly assignor: string
  /** By member id. */
  readonly members: readonly MemberDescription[]
  /** By topic id, then partition. */
  readonly offsets: readonly CommittedOffset[]
}
