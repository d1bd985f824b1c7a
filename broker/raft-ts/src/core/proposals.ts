/**
 * What a leader takes into its log: data, and changes of membership.
 *
 * Invariant: one change of membership at a time is unapplied in the log (dissertation 4.1); the check is made against the
 * latest one this leader knows of, so a second is refused until the first is applied.
 * Invariant: the uncommitted bytes are bounded; a single proposal is always let through when nothing else waits.
 */
import { type ConfChange, type ConfState, isLeaveJoint } from './conf-change.ts'
import type { Entry, EntryKind } from './entry.ts'
import { isNodeId, NO_NODE } from './ids.ts'
import { changeMembership, isJoint } from './membership.ts'
import type { ForwardProposalMessage } from './messages.ts'
import { majorityOf } from './quorum.ts'
import type { Raft } from './raft.ts'
import { appendOwn, broadcastAppend } from './replication.ts'
import type { ProposeRefusal, ProposeResult } from './results.ts'

/** Data to append. */
export interface Proposal<D> {
  /** Offsets the entry covers; >= 1. */
  readonly length: number
  /** Payload size, as limits count it; >= 0. */
  readonly bytes: number
  readonly data: D
}

/** Appends data at a leader; elsewhere refuses or forwards it. */
export function propose<D>(raft: Raft<D>, proposal: Proposal<D>): ProposeResult {
  const { length, bytes, data } = proposal
  if (!(Number.isSafeInteger(length) && length >= 1 && bytes >= 0)) {
    return { kind: 'malformed', detail: `a proposal of ${length} offsets and ${bytes} bytes` }
  }
  if (raft.role !== 'leader') return notLeader(raft, length, bytes, data, null)
  const refused = leaderRefusal(raft) ?? sizeRefusal(raft, length, bytes)
  if (refused !== null) return refused
  return append(raft, length, bytes, 'data', data, null)
}

/** Appends a change of membership at a leader; it takes effect where it is applied, not here. */
export function proposeConfChange<D>(raft: Raft<D>, change: ConfChange): ProposeResult {
  const defect = changeDefect(change)
  if (defect !== null) return { kind: 'malformed', detail: defect }
  if (raft.role !== 'leader') return notLeader(raft, 1, 0, null, change)
  const refused = leaderRefusal(raft) ?? changeRefusal(raft, change)
  if (refused !== null) return refused
  const result = append(raft, 1, 0, 'config', null, change)
  raft.pendingConfEnd = raft.log.lastEnd()
  return result
}

/** Leader: a proposal that a follower passed on. A refusal is dropped, as the message could have been lost as well. */
export function takeForwarded<D>(raft: Raft<D>, message: ForwardProposalMessage<D>): void {
  if (message.change !== null) proposeConfChange(raft, message.change)
  else propose(raft, { length: message.length, bytes: message.bytes, data: message.data as D })
}

/** Leader: leaves a joint configuration that was entered with the promise to, once all before it is applied. */
export function maybeAutoLeave<D>(raft: Raft<D>): void {
  if (raft.role !== 'leader' || !raft.confState.autoLeave || raft.log.applied < raft.pendingConfEnd) return
  const result = proposeConfChange(raft, { transition: 'auto', steps: [] })
  if (result.kind === 'accepted' && raft.tracing) raft.trace({ kind: 'auto-leave-started', term: raft.term })
}

/** What is wrong with a change from outside, or null. */
export function changeDefect(change: ConfChange): string | null {
  if (typeof change !== 'object' || change === null || !Array.isArray(change.steps)) return 'not a change of membership'
  if (!['auto', 'implicit', 'explicit'].includes(change.transition)) return `transition ${String(change.transition)}`
  for (const step of change.steps) {
    if (!isNodeId(step?.id)) return `node id ${String(step?.id)}`
    if (!['add-voter', 'add-learner', 'remove', 'update'].includes(step.kind)) return `step ${String(step.kind)}`
  }
  return null
}

function notLeader<D>(
  raft: Raft<D>,
  length: number,
  bytes: number,
  data: D | null,
  change: ConfChange | null,
): ProposeResult {
  const to = raft.leaderId
  if (to === NO_NODE || !raft.options.forwardProposals) {
    if (raft.tracing && to === NO_NODE) raft.trace({ kind: 'proposal-dropped', term: raft.term, why: 'no-leader' })
    return { kind: 'not-leader', leaderId: to === NO_NODE ? null : to }
  }
  raft.wake()
  raft.send({
    type: 'forward-proposal',
    group: raft.options.group,
    from: raft.id,
    to,
    term: raft.term,
    length,
    bytes,
    data,
    change,
  })
  return { kind: 'forwarded', to }
}

function leaderRefusal<D>(raft: Raft<D>): ProposeRefusal | null {
  if (raft.tracker.get(raft.id) === undefined) return { kind: 'removed' }
  if (raft.transferTarget !== NO_NODE) {
    if (raft.tracing) raft.trace({ kind: 'proposal-dropped', term: raft.term, why: 'transferring' })
    return { kind: 'transferring', to: raft.transferTarget }
  }
  return null
}

function sizeRefusal<D>(raft: Raft<D>, length: number, bytes: number): ProposeRefusal | null {
  const { maxProposalBytes, maxUncommittedBytes } = raft.options
  if (bytes > maxProposalBytes) return { kind: 'too-large', limitBytes: maxProposalBytes }
  if (!Number.isSafeInteger(raft.log.lastEnd() + length)) {
    return { kind: 'malformed', detail: `${length} offsets do not fit below 2^53` }
  }
  const { uncommittedBytes } = raft
  if (uncommittedBytes > 0 && bytes > 0 && uncommittedBytes + bytes > maxUncommittedBytes) {
    if (raft.tracing) raft.trace({ kind: 'proposal-dropped', term: raft.term, why: 'overloaded' })
    return { kind: 'overloaded', limitBytes: maxUncommittedBytes, uncommittedBytes }
  }
  return null
}

function changeRefusal<D>(raft: Raft<D>, change: ConfChange): ProposeRefusal | null {
  if (!raft.options.validateConfChanges) return null
  const detail = changeConflict(raft, change)
  if (detail === null) return null
  if (raft.tracing) raft.trace({ kind: 'conf-change-ignored', term: raft.term, detail })
  return { kind: 'conf-change-refused', detail }
}

function changeConflict<D>(raft: Raft<D>, change: ConfChange): string | null {
  if (raft.pendingConfEnd > raft.log.applied) {
    return `possible unapplied change up to ${raft.pendingConfEnd} (applied to ${raft.log.applied})`
  }
  const joint = isJoint(raft.confState)
  if (joint && !isLeaveJoint(change)) return 'must leave the joint configuration first'
  if (!joint && isLeaveJoint(change)) return 'not in a joint configuration'
  const result = changeMembership(raft.confState, change)
  if (result.kind === 'refused') return result.reason
  return losesQuorum(raft, result.confState) ? 'too few of the remaining voters answer to make a majority' : null
}

/**
 * Removing live voters while others are down can leave a group that can never decide again. So a smaller voter set is
 * only taken if a majority of it was heard from within two election timeouts; new voters get the benefit of the doubt.
 */
function losesQuorum<D>(raft: Raft<D>, next: ConfState): boolean {
  const removes = raft.confState.voters.some((id) => !next.voters.includes(id))
  if (!removes) return false
  const since = raft.ticks - 2 * raft.options.electionTicks
  let live = 0
  for (const id of next.voters) {
    const peer = raft.tracker.get(id)
    if (id === raft.id || peer === undefined || peer.heardAt >= since) live++
  }
  return live < majorityOf(next.voters.length)
}

function append<D>(
  raft: Raft<D>,
  length: number,
  bytes: number,
  kind: EntryKind,
  data: D | null,
  change: ConfChange | null,
): ProposeResult {
  const base = raft.log.lastEnd()
  const end = base + length
  const entry: Entry<D> = { base, end, term: raft.term, kind, bytes, data, change }
  raft.wake()
  if (bytes > 0) {
    raft.uncommittedBytes += bytes
    raft.uncommittedSpans.push({ end, bytes })
  }
  appendOwn(raft, entry)
  broadcastAppend(raft)
  return { kind: 'accepted', base, end, term: raft.term }
}
