/** Who a member is to the coordinator, as its calls about offsets say it, and what a refusal of one means. */
import type { Client } from '@stratalog/client'
import type { ErrorName, StratalogError } from '@stratalog/proto'
import type { MemberPartition } from './member-effects.ts'

/** See the file's header. */
export interface MemberIdentity {
  readonly client: Client
  readonly group: string
  readonly memberId: string
  /** Of the last heartbeat answered; 0 while it is no member. */
  readonly memberEpoch: () => number
  /** Whether the partition is the member's still. */
  readonly isOwned: (partition: MemberPartition) => boolean
  /** The coordinator thinks otherwise: a heartbeat will tell. */
  readonly hurry: () => void
}

/** The member has moved on, or the coordinator has: a heartbeat brings both together. */
const OUT_OF_STEP: ReadonlySet<ErrorName> = new Set([
  'FENCED_MEMBER_EPOCH',
  'STALE_MEMBER_EPOCH',
  'UNKNOWN_MEMBER_ID',
] as const)

/**
 * What follows a refusal: `again` = the same later, with the epoch of then; `beat` = as well, and a heartbeat first;
 * `no` = it is final.
 */
export function judge(error: StratalogError): 'again' | 'beat' | 'no' {
  if (OUT_OF_STEP.has(error.code)) return 'beat'
  return error.retriable || error.code === 'UNKNOWN_SERVER_ERROR' ? 'again' : 'no'
}
