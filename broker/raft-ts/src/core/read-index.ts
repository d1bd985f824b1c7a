/**
 * Linearizable reads without writing to the log (dissertation 6.4): the leader notes its commit position, makes sure that
 * it still leads, and names the position; whoever asked answers its read once it has applied that far.
 *
 * Reads that come up between two Readys share one round of heartbeats. A round that a majority has answered confirms
 * every read that joined it or an earlier one.
 *
 * Invariant: no read is answered by a leader that has not committed in its own term: its commit position may be old.
 */
import { NO_NODE, type NodeId } from './ids.ts'
import type { ReadContext } from './messages.ts'
import type { PendingRead, Raft } from './raft.ts'
import { broadcastHeartbeat } from './replication.ts'
import type { ReadIndexResult } from './results.ts'

/** A read asked for at this node. */
export function readIndex<D>(raft: Raft<D>, context: ReadContext): ReadIndexResult {
  if (raft.role === 'leader') return addRead(raft, context, raft.id)
  if (raft.leaderId === NO_NODE) return { kind: 'not-leader', leaderId: null }
  raft.wake()
  raft.send({
    type: 'read-request',
    group: raft.options.group,
    from: raft.id,
    to: raft.leaderId,
    term: raft.term,
    context,
  })
  return { kind: 'pending' }
}

/** Leader: a read by `from`, which may be this node itself. */
export function addRead<D>(raft: Raft<D>, context: ReadContext, from: NodeId): ReadIndexResult {
  raft.wake()
  raft.idleTicks = 0
  if (raft.pendingReads.length >= raft.options.maxPendingReads) {
    return { kind: 'overloaded', limit: raft.options.maxPendingReads }
  }
  if (!raft.committedInOwnTerm()) {
    raft.pendingReads.push({ context, from, position: 0, round: 0 })
    return { kind: 'pending' }
  }
  const position = raft.log.committed
  if (raft.options.readOnly === 'lease' || raft.tracker.singleVoter()) {
    answer(raft, { context, from, position, round: 0 })
    return { kind: 'pending' }
  }
  const fresh = !raft.readRoundOpen
  if (fresh) {
    raft.readRound++
    raft.readRoundOpen = true
  }
  raft.pendingReads.push({ context, from, position, round: raft.readRound })
  if (fresh) broadcastHeartbeat(raft)
  return { kind: 'pending' }
}

/** Leader: answers the reads that a majority has confirmed. */
export function releaseReads<D>(raft: Raft<D>): void {
  if (raft.pendingReads.length === 0) return
  const confirmed = raft.tracker.confirmedReadRound(raft.id)
  let count = 0
  for (const read of raft.pendingReads) {
    if (read.round === 0 || read.round > confirmed) break
    answer(raft, read)
    count++
  }
  if (count > 0) raft.pendingReads.splice(0, count)
}

/** Leader: the first entry of its term is committed, so reads that waited for that can begin. */
export function startWaitingReads<D>(raft: Raft<D>): void {
  if (raft.pendingReads.length === 0 || raft.pendingReads[0]!.round !== 0) return
  const waiting = raft.pendingReads
  raft.pendingReads = []
  for (const read of waiting) addRead(raft, read.context, read.from)
}

function answer<D>(raft: Raft<D>, read: PendingRead): void {
  const { context, from, position } = read
  if (from === raft.id) {
    raft.readStates.push({ context, position })
    return
  }
  raft.send({
    type: 'read-response',
    group: raft.options.group,
    from: raft.id,
    to: from,
    term: raft.term,
    context,
    position,
  })
}
