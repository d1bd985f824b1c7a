/**
 * What a follower does with messages of its own term: it takes what its leader sends, and stays quiet otherwise.
 *
 * Invariant: entries are replaced only where they differ from the leader's and never at or below the commit position,
 * so a delayed or repeated append changes nothing.
 */
import { startElection } from './election.ts'
import { NO_NODE, type Position } from './ids.ts'
import type { AppendMessage, HeartbeatMessage, Message, QuiesceMessage } from './messages.ts'
import type { Raft } from './raft.ts'
import { ACCEPTED, type StepResult } from './results.ts'
import { acceptAppend, handleSnapshot } from './snapshots.ts'

/** Handles a message at this node's term. */
export function stepFollower<D>(raft: Raft<D>, message: Message<D>): StepResult {
  switch (message.type) {
    case 'append':
      raft.electionElapsed = 0
      raft.leaderId = message.from
      return handleAppend(raft, message)
    case 'heartbeat':
      raft.electionElapsed = 0
      raft.leaderId = message.from
      return handleHeartbeat(raft, message)
    case 'snapshot':
      raft.electionElapsed = 0
      raft.leaderId = message.from
      handleSnapshot(raft, message)
      return ACCEPTED
    case 'quiesce':
      raft.electionElapsed = 0
      raft.leaderId = message.from
      handleQuiesce(raft, message)
      return ACCEPTED
    case 'timeout-now':
      if (raft.tracing) raft.trace({ kind: 'timeout-now-received', term: raft.term, peer: message.from })
      // The leader itself asks: no pre-vote, and other nodes may leave it at once.
      startElection(raft, 'transfer')
      return ACCEPTED
    case 'read-response':
      raft.readStates.push({ context: message.context, position: message.position })
      return ACCEPTED
    default:
      return ACCEPTED
  }
}

/** Appends what follows a position at which the logs match, or says where they might. */
export function handleAppend<D>(raft: Raft<D>, message: AppendMessage<D>): StepResult {
  const log = raft.log
  const { prev, prevTerm, entries } = message
  if (prev < log.committed) {
    // What is committed is in the leader's log, too: only what goes on from there is news.
    const rest = entries.filter(({ base }) => base >= log.committed)
    if (rest.length > 0 && rest[0]!.base === log.committed) {
      return handleAppend(raft, { ...message, prev: log.committed, prevTerm: log.termAt(log.committed), entries: rest })
    }
    acceptAppend(raft, message.from, log.committed)
    return ACCEPTED
  }
  const ownTerm = log.termAt(prev)
  if (ownTerm !== prevTerm) {
    rejectAppend(raft, message, ownTerm, false)
    return ACCEPTED
  }
  if (raft.confState.voters.length === 0) {
    // Replaying changes of membership from nothing would make a group of its own out of this node.
    rejectAppend(raft, message, ownTerm, true)
    return ACCEPTED
  }
  const conflict = log.findConflict(entries)
  if (conflict.index < entries.length) {
    const first = entries[conflict.index]!
    const damage = appendDefect(raft, first.base, conflict.ownTerm >= 0)
    if (damage !== null) return { kind: 'refused', reason: 'impossible', detail: damage }
    if (raft.tracing && conflict.ownTerm >= 0) traceConflict(raft, first.end, conflict.ownTerm, first.term)
    log.append(conflict.index === 0 ? entries : entries.slice(conflict.index))
  }
  const end = entries.length === 0 ? prev : entries[entries.length - 1]!.end
  log.commitTo(Math.min(message.commit, end))
  acceptAppend(raft, message.from, end)
  return ACCEPTED
}

function appendDefect<D>(raft: Raft<D>, base: Position, conflicting: boolean): string | null {
  const log = raft.log
  if (base < log.committed) {
    return `entries at ${base} differ from what is committed up to ${log.committed}${conflicting ? '' : ' (a gap)'}`
  }
  if (base < log.lastEnd() && log.insideEntry(base)) return `entries at ${base} begin within an entry`
  return null
}

function traceConflict<D>(raft: Raft<D>, position: Position, ownTerm: number, newTerm: number): void {
  raft.trace({ kind: 'conflict-found', term: raft.term, position, ownTerm, newTerm })
  raft.trace({ kind: 'log-truncated', term: raft.term, to: position })
}

function rejectAppend<D>(raft: Raft<D>, message: AppendMessage<D>, ownTerm: number, unconfigured: boolean): void {
  const log = raft.log
  if (raft.tracing) {
    const { from, prev, prevTerm } = message
    raft.trace({ kind: 'append-rejected', term: raft.term, from, prev, prevTerm, ownTerm: Math.max(0, ownTerm) })
  }
  // Everything here with a later term than the leader has at `prev` cannot be in its log: skip it all at once.
  const hint = log.lastAtMostTerm(Math.min(message.prev, log.lastEnd()), message.prevTerm)
  raft.sendAfterPersist({
    type: 'append-rejected',
    group: raft.options.group,
    from: raft.id,
    to: message.from,
    term: raft.term,
    prev: message.prev,
    hint,
    hintTerm: Math.max(0, log.termAt(hint)),
    unconfigured,
  })
}

/** Learns how far to commit, and answers that it is there. */
export function handleHeartbeat<D>(raft: Raft<D>, message: HeartbeatMessage): StepResult {
  if (message.commit > raft.log.lastEnd()) {
    const detail = `told to commit ${message.commit}, but this log ends at ${raft.log.lastEnd()}: was it lost?`
    return { kind: 'refused', reason: 'impossible', detail }
  }
  raft.log.commitTo(message.commit)
  answerHeartbeat(raft, message.from, message.readRound)
  return ACCEPTED
}

function answerHeartbeat<D>(raft: Raft<D>, to: number, readRound: number): void {
  raft.send({ type: 'heartbeat-response', group: raft.options.group, from: raft.id, to, term: raft.term, readRound })
}

/** Goes silent if this log is what the leader says all logs are; otherwise lets the leader know. */
export function handleQuiesce<D>(raft: Raft<D>, message: QuiesceMessage): void {
  const log = raft.log
  const same = log.lastEnd() === message.end && log.committed === message.end && log.lastTerm() === message.endTerm
  if (!same || !log.unstable.empty || raft.options.quiesceAfterTicks === 0) {
    answerHeartbeat(raft, message.from, 0)
    return
  }
  raft.quiescent = true
  if (raft.tracing) raft.trace({ kind: 'quiesced', term: raft.term })
}

/** Stops regarding its leader as one, so that it can vote for another at once. */
export function forgetLeader<D>(raft: Raft<D>): void {
  if (raft.role !== 'follower') return
  if (raft.options.readOnly === 'lease') {
    // The leader may be answering reads on the strength of this very support.
    if (raft.tracing) raft.trace({ kind: 'leader-kept', term: raft.term })
    return
  }
  if (raft.leaderId === NO_NODE) return
  raft.wake()
  if (raft.tracing) raft.trace({ kind: 'leader-forgotten', term: raft.term, leaderId: raft.leaderId })
  raft.leaderId = NO_NODE
}
