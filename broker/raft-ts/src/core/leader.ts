/**
 * What a leader does with messages of its own term: it follows the progress of each peer, commits, and sends more.
 */

import { NO_NODE, type NodeId, type Position } from './ids.ts'
import type { AppendAcceptedMessage, AppendRejectedMessage, HeartbeatResponseMessage, Message } from './messages.ts'
import type { Progress } from './progress.ts'
import { takeForwarded } from './proposals.ts'
import type { Raft } from './raft.ts'
import { addRead, releaseReads, startWaitingReads } from './read-index.ts'
import { broadcastAppend, handOver, maybeCommit, sendAppend, sendTimeoutNow, sendWhatFits } from './replication.ts'
import { ACCEPTED, type StepResult, type TransferResult } from './results.ts'
import { becomeFollower } from './roles.ts'

/** Handles a message at this node's term. */
export function stepLeader<D>(raft: Raft<D>, message: Message<D>): StepResult {
  const peer = raft.tracker.get(message.from)
  switch (message.type) {
    case 'append-accepted':
      return peer === undefined ? ACCEPTED : handleAccepted(raft, peer, message)
    case 'append-rejected':
      if (peer !== undefined) handleRejected(raft, peer, message)
      return ACCEPTED
    case 'heartbeat-response':
      if (peer !== undefined) handleHeartbeatResponse(raft, peer, message)
      return ACCEPTED
    case 'stale-term':
      if (peer !== undefined) heard(raft, peer)
      return ACCEPTED
    case 'forward-proposal':
      takeForwarded(raft, message)
      return ACCEPTED
    case 'read-request':
      addRead(raft, message.context, message.from)
      return ACCEPTED
    case 'transfer-request':
      transferLeadership(raft, message.target)
      return ACCEPTED
    case 'append':
    case 'heartbeat':
    case 'snapshot':
    case 'quiesce':
      return {
        kind: 'refused',
        reason: 'impossible',
        detail: `${message.from} claims to lead term ${raft.term}, which this node leads`,
      }
    default:
      return ACCEPTED
  }
}

function heard<D>(raft: Raft<D>, peer: Progress): void {
  peer.recentActive = true
  peer.heardAt = raft.ticks
}

function handleAccepted<D>(raft: Raft<D>, peer: Progress, message: AppendAcceptedMessage): StepResult {
  const log = raft.log
  if (message.end > log.lastEnd()) {
    const detail = `${message.from} has a log up to ${message.end}, but this one ends at ${log.lastEnd()}`
    return { kind: 'refused', reason: 'impossible', detail }
  }
  const end = acceptedEnd(raft, peer, message.end)
  if (end === null) {
    const detail = `${message.from} accepted up to ${message.end}, within an entry`
    return { kind: 'refused', reason: 'impossible', detail }
  }
  heard(raft, peer)
  // A repeated answer still ends probing, or a peer that was lost sight of for a moment would stay slow.
  const repeated =
    peer.match === end && (peer.state === 'probe' || (peer.state === 'snapshot' && end >= peer.pendingSnapshot))
  if (!peer.maybeUpdate(end) && !repeated) return ACCEPTED
  if (peer.state === 'probe') {
    peer.becomeReplicate()
  } else if (peer.state === 'snapshot') {
    // Whatever snapshot it took, the log can carry it on from here.
    if (peer.match >= log.start()) {
      if (raft.tracing) {
        raft.trace({ kind: 'snapshot-recovered', term: raft.term, peer: peer.id, position: peer.match })
      }
      peer.becomeProbe()
      peer.becomeReplicate()
    } else if (end >= peer.pendingSnapshot) {
      // It arrived, but by now the log begins after it: the next probe finds that out and sends a newer one.
      peer.becomeProbe()
    }
  } else {
    peer.inflights.freeUpTo(end)
  }
  if (maybeCommit(raft)) {
    if (raft.committedInOwnTerm()) startWaitingReads(raft)
    broadcastAppend(raft)
  } else if (peer.id !== raft.id && peer.canBumpCommit(log.committed)) {
    tellCommit(raft, peer)
  }
  if (peer.id !== raft.id) sendMore(raft, peer)
  if (peer.id === raft.transferTarget && peer.match === log.lastEnd()) sendTimeoutNow(raft, peer.id)
  return ACCEPTED
}

/** The boundary up to which a peer's answer vouches for its log; null if the answer cannot be true. */
function acceptedEnd<D>(raft: Raft<D>, peer: Progress, end: Position): Position | null {
  const log = raft.log
  if (end <= peer.match || end === log.lastEnd() || end < log.start()) return end
  const sent = peer.sentAtOrBelow(end)
  if (sent === end) return end
  if (log.insideEntry(end)) return null
  // With a boundary that storage does not know it vouches for the last one before that is known.
  return Math.max(sent, log.boundaryAtOrBelow(end))
}

function tellCommit<D>(raft: Raft<D>, peer: Progress): void {
  if (raft.options.batchAppends) raft.sendsPending = true
  else sendAppend(raft, peer, true)
}

function sendMore<D>(raft: Raft<D>, peer: Progress): void {
  if (raft.options.batchAppends) raft.sendsPending = true
  else sendWhatFits(raft, peer)
}

function handleRejected<D>(raft: Raft<D>, peer: Progress, message: AppendRejectedMessage): void {
  const log = raft.log
  heard(raft, peer)
  const { prev, hint, hintTerm } = message
  if (raft.tracing)
    raft.trace({ kind: 'rejection-received', term: raft.term, from: message.from, prev, hint, hintTerm })
  if (message.unconfigured) {
    // Once it has matched anything it has been told: such an answer is old.
    if (peer.state !== 'snapshot' && peer.match === 0) handOver(raft, peer)
    return
  }
  const bounded = Math.min(hint, log.lastEnd())
  // Where this log has a later term than the follower has at `hint`, the two cannot agree: skip those terms at once.
  let probe = floorBoundary(raft, hintTerm > 0 ? log.lastAtMostTerm(bounded, hintTerm) : bounded)
  // A boundary that storage does not know may have been rounded down past what is known to match.
  if (bounded >= peer.match) probe = Math.max(probe, peer.match)
  if (probe >= prev) probe = log.boundaryBelow(Math.min(prev, log.lastEnd()))
  if (!peer.maybeDecrease(prev, probe)) return
  if (raft.tracing) raft.trace({ kind: 'progress-decreased', term: raft.term, peer: peer.id, position: peer.next })
  if (peer.state === 'replicate') peer.becomeProbe()
  sendAppend(raft, peer, true)
}

function floorBoundary<D>(raft: Raft<D>, position: Position): Position {
  return position <= raft.log.start() ? position : raft.log.boundaryAtOrBelow(position)
}

function handleHeartbeatResponse<D>(raft: Raft<D>, peer: Progress, message: HeartbeatResponseMessage): void {
  heard(raft, peer)
  peer.flowPaused = false
  if (raft.ticks - peer.handOverAt >= raft.options.electionTicks) {
    // A hand-over is one small message, of which nobody reports the loss.
    peer.pendingSnapshot = 0
    peer.becomeProbe()
  }
  // An append also lets a peer that was lost sight of, or whose window was lost, get going again.
  if (peer.match < raft.log.lastEnd() || peer.state === 'probe') sendAppend(raft, peer, true)
  if (message.readRound > peer.readRound && message.readRound <= raft.readRound) {
    peer.readRound = message.readRound
    releaseReads(raft)
  }
}

/** Deposes a leader that has not heard from a majority for an election timeout (dissertation 6.2). */
export function checkQuorum<D>(raft: Raft<D>): void {
  if (!raft.tracker.quorumActive()) {
    if (raft.tracing) raft.trace({ kind: 'quorum-lost', term: raft.term })
    becomeFollower(raft, raft.term, NO_NODE)
  }
  for (const peer of raft.tracker.members) if (peer.id !== raft.id) peer.recentActive = false
}

/** Starts handing leadership to `to`: brings it up to date, then tells it to campaign (dissertation 3.10). */
export function transferLeadership<D>(raft: Raft<D>, to: NodeId): TransferResult {
  const peer = raft.tracker.get(to)
  if (peer === undefined) return { kind: 'refused', reason: 'unknown-peer' }
  if (peer.learner) return { kind: 'refused', reason: 'learner' }
  if (to === raft.transferTarget) return { kind: 'started' }
  if (to === raft.id) {
    raft.transferTarget = NO_NODE
    return { kind: 'refused', reason: 'already-leader' }
  }
  raft.wake()
  if (raft.tracing) raft.trace({ kind: 'transfer-started', term: raft.term, peer: to })
  // It has one election timeout to succeed.
  raft.transferElapsed = 0
  raft.transferTarget = to
  if (peer.match === raft.log.lastEnd()) sendTimeoutNow(raft, to)
  else sendAppend(raft, peer, true)
  return { kind: 'started' }
}

/** The snapshot sent to a peer has arrived, or has not. */
export function reportSnapshot<D>(raft: Raft<D>, id: NodeId, ok: boolean): void {
  const peer = raft.role === 'leader' ? raft.tracker.get(id) : undefined
  if (peer === undefined || peer.state !== 'snapshot') return
  if (!ok) peer.pendingSnapshot = 0
  peer.becomeProbe()
  const kind = ok ? 'snapshot-succeeded' : 'snapshot-failed'
  if (raft.tracing) raft.trace({ kind, term: raft.term, peer: id, position: peer.next })
  // Wait for the follower's own word, or for the next heartbeat, before going on.
  peer.flowPaused = true
}

/** A message to a peer could not be delivered: what is in flight is likely lost. */
export function reportUnreachable<D>(raft: Raft<D>, id: NodeId): void {
  const peer = raft.role === 'leader' ? raft.tracker.get(id) : undefined
  if (peer === undefined) return
  raft.wake()
  if (peer.state === 'replicate') peer.becomeProbe()
  if (raft.tracing) raft.trace({ kind: 'unreachable', term: raft.term, peer: id, position: peer.next })
}
