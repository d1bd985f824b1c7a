/**
 * The gate for messages from outside: whatever passes is well-formed, meant for this node, and from somebody who may
 * send such a thing. What it *claims* is weighed by the role that handles it.
 */

import type { Entry } from './entry.ts'
import { isNodeId, isPosition, isTerm } from './ids.ts'
import { confStateDefect } from './membership.ts'
import type { Message } from './messages.ts'
import { changeDefect } from './proposals.ts'
import type { Raft } from './raft.ts'
import { ACCEPTED, type StepResult } from './results.ts'

/** Says why a message must not be handled, or accepts it. */
export function validateMessage<D>(raft: Raft<D>, message: Message<D>): StepResult {
  if (typeof message !== 'object' || message === null) return refused('malformed', 'not a message')
  if (message.group !== raft.options.group) return refused('wrong-group', `group ${String(message.group)}`)
  if (message.to !== raft.id) return refused('wrong-recipient', `meant for ${String(message.to)}`)
  if (!isNodeId(message.from)) return refused('malformed', `sender ${String(message.from)}`)
  if (message.from === raft.id) return refused('malformed', 'from this node itself')
  if (!isTerm(message.term) || message.term === 0) return refused('term-out-of-range', `term ${String(message.term)}`)
  if (isResponse(message) && raft.tracker.get(message.from) === undefined) {
    return refused('unknown-peer', `${message.from} is no member`)
  }
  const defect = defectOf(message)
  return defect === null ? ACCEPTED : refused('malformed', defect)
}

type Refusal = Extract<StepResult, { kind: 'refused' }>

function refused(reason: Refusal['reason'], detail: string): StepResult {
  return { kind: 'refused', reason, detail }
}

/** Answers only count from members. Requests do from anybody: this node may not have heard yet who was added. */
function isResponse<D>(message: Message<D>): boolean {
  switch (message.type) {
    case 'append-accepted':
    case 'append-rejected':
    case 'heartbeat-response':
    case 'vote-response':
    case 'pre-vote-response':
    case 'read-response':
      return true
    default:
      return false
  }
}

function defectOf<D>(message: Message<D>): string | null {
  switch (message.type) {
    case 'append':
      return positions(message.prev, message.commit) ?? term(message.prevTerm) ?? entriesDefect(message)
    case 'append-accepted':
      return positions(message.end)
    case 'append-rejected':
      return positions(message.prev, message.hint) ?? term(message.hintTerm) ?? flag(message.unconfigured)
    case 'heartbeat':
      return positions(message.commit, message.readRound)
    case 'heartbeat-response':
      return positions(message.readRound)
    case 'quiesce':
      return positions(message.end) ?? term(message.endTerm)
    case 'vote-request':
    case 'pre-vote-request':
      return (
        positions(message.lastEnd, message.commit) ??
        term(message.lastTerm) ??
        term(message.commitTerm) ??
        flag(message.transfer)
      )
    case 'vote-response':
    case 'pre-vote-response':
      return positions(message.commit) ?? term(message.commitTerm) ?? flag(message.granted)
    case 'snapshot':
      return snapshotDefect(message)
    case 'transfer-request':
      return isNodeId(message.target) ? null : `target ${String(message.target)}`
    case 'forward-proposal':
      return message.change === null ? null : changeDefect(message.change)
    case 'read-request':
      return context(message.context)
    case 'read-response':
      return context(message.context) ?? positions(message.position)
    case 'stale-term':
    case 'timeout-now':
      return null
    default:
      return 'unknown type'
  }
}

function positions(first: unknown, second: unknown = 0): string | null {
  if (!isPosition(first)) return `position ${String(first)}`
  return isPosition(second) ? null : `position ${String(second)}`
}

function term(value: unknown): string | null {
  return isTerm(value) ? null : `term ${String(value)}`
}

function flag(value: unknown): string | null {
  return typeof value === 'boolean' ? null : `flag ${String(value)}`
}

function context(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? null : 'read context'
}

/** Entries must continue `prev` without a gap, with terms that never fall nor exceed the sender's. */
function entriesDefect<D>(message: Extract<Message<D>, { type: 'append' }>): string | null {
  const { entries } = message
  if (!Array.isArray(entries)) return 'entries are no list'
  let end = message.prev
  let last = message.prevTerm
  if (last > message.term) return `term ${last} before the entries is later than the sender's`
  for (let i = 0; i < entries.length; i++) {
    const entry: Entry<D> = entries[i]
    if (typeof entry !== 'object' || entry === null) return 'not an entry'
    if (entry.base !== end || !isPosition(entry.end) || entry.end <= end) return `entry ${i} does not begin at ${end}`
    if (!isTerm(entry.term) || entry.term < last || entry.term > message.term) return `term of entry ${i}`
    if (entry.kind === 'config') {
      if (entry.change === null || entry.change === undefined) return `entry ${i} has no change`
      const defect = changeDefect(entry.change)
      if (defect !== null) return defect
    } else if (entry.kind !== 'data' && entry.kind !== 'leader') {
      return `kind of entry ${i}`
    }
    if (!(entry.bytes >= 0)) return `size of entry ${i}`
    end = entry.end
    last = entry.term
  }
  return null
}

function snapshotDefect<D>(message: Extract<Message<D>, { type: 'snapshot' }>): string | null {
  const { snapshot } = message
  if (typeof snapshot !== 'object' || snapshot === null) return 'no snapshot'
  const defect = positions(snapshot.position, snapshot.confPosition) ?? term(snapshot.term)
  if (defect !== null) return defect
  if (snapshot.term > message.term) return 'snapshot of a later term than its sender is in'
  if (typeof snapshot.confState !== 'object' || snapshot.confState === null) return 'snapshot without configuration'
  if (snapshot.confState.voters?.length === 0) return 'snapshot of a group without voters'
  return confStateDefect(snapshot.confState)
}
