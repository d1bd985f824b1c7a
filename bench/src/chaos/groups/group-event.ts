/**
 * What the history of a group run is made of: one NDJSON file for each process of a member, one for the feed, one for the
 * run itself. Times are of the host's monotonic clock, ms, the same for all processes.
 */

/** Next offset to be read, by partition. */
export type PartitionOffset = readonly [partition: number, offset: number]

/** Told by a member. */
export type MemberEvent =
  | { readonly kind: 'joined'; readonly at: number; readonly memberId: string }
  /** Before the first record of these partitions. */
  | {
      readonly kind: 'assigned'
      readonly at: number
      readonly partitions: readonly number[]
      readonly memberEpoch: number
    }
  /** After the last record of these partitions, before others can have them. */
  | { readonly kind: 'revoked'; readonly at: number; readonly partitions: readonly number[] }
  /** Others may have had these partitions before. */
  | { readonly kind: 'lost'; readonly at: number; readonly partitions: readonly number[]; readonly code: string }
  /** `isLate`: the partition was lost while the record was in hand. */
  | {
      readonly kind: 'processed'
      readonly at: number
      readonly partition: number
      readonly offset: number
      readonly isLate?: true
    }
  /** Acknowledged by the coordinator. */
  | { readonly kind: 'committed'; readonly at: number; readonly offsets: readonly PartitionOffset[] }
  /** The coordinator has refused a commit because the member is no member any more. */
  | { readonly kind: 'fenced'; readonly at: number; readonly code: string }

/** Told by the feed: consecutive records whose write was acknowledged. */
export interface WrittenEvent {
  readonly kind: 'written'
  readonly at: number
  readonly partition: number
  readonly first: number
  readonly count: number
}

/** What the run did to the process of a member. */
export type ProcessChange = 'started' | 'killed' | 'stopped' | 'paused' | 'resumed'

/** Told by the run. */
export type RunEvent =
  /** `source` names the history of that process. */
  | { readonly kind: 'process'; readonly at: number; readonly source: string; readonly what: ProcessChange }
  | {
      readonly kind: 'fault'
      readonly at: number
      readonly phase: 'begin' | 'end'
      readonly fault: string
      readonly detail: string
    }
  /** The coordinator's word on the group. */
  | {
      readonly kind: 'seen'
      readonly at: number
      readonly state: string
      readonly groupEpoch: number
      /** What members own, what they have still to give up included. */
      readonly owned: readonly (readonly [memberId: string, partitions: readonly number[]])[]
      /** Committed offsets; partitions without one are missing. */
      readonly offsets: readonly PartitionOffset[]
    }

/** One of them. */
export type GroupEvent = MemberEvent | WrittenEvent | RunEvent
