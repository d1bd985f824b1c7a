/** raft-ts's messages, entries and states in the words of etcd/raft's scripts. Positions of one-index entries are indexes. */
import type { ConfChange, ConfState } from '../../core/conf-change.ts'
import type { Entry } from '../../core/entry.ts'
import type { Message } from '../../core/messages.ts'
import type { Progress } from '../../core/progress.ts'
import type { PersistRequest, Role } from '../../core/ready.ts'
import type { HardState, Snapshot } from '../../core/storage.ts'

/** Marks a change as proposed through etcd's older interface, which its scripts print differently. */
export const V1_CONTEXT = 'v1'

const ROLES: Record<Role, string> = {
  follower: 'StateFollower',
  'pre-candidate': 'StatePreCandidate',
  candidate: 'StateCandidate',
  leader: 'StateLeader',
}

const STATES = { probe: 'StateProbe', replicate: 'StateReplicate', snapshot: 'StateSnapshot' }

const TYPES: Record<Message<string>['type'], string> = {
  append: 'MsgApp',
  'append-accepted': 'MsgAppResp',
  'append-rejected': 'MsgAppResp',
  'stale-term': 'MsgAppResp',
  heartbeat: 'MsgHeartbeat',
  'heartbeat-response': 'MsgHeartbeatResp',
  quiesce: 'MsgQuiesce',
  'vote-request': 'MsgVote',
  'pre-vote-request': 'MsgPreVote',
  'vote-response': 'MsgVoteResp',
  'pre-vote-response': 'MsgPreVoteResp',
  snapshot: 'MsgSnap',
  'timeout-now': 'MsgTimeoutNow',
  'transfer-request': 'MsgTransferLeader',
  'forward-proposal': 'MsgProp',
  'read-request': 'MsgReadIndex',
  'read-response': 'MsgReadIndexResp',
}

const STEP_LETTERS = { 'add-voter': 'v', 'add-learner': 'l', remove: 'r', update: 'u' }

export function describeRole(role: Role): string {
  return ROLES[role]
}

export function describeType(type: Message<string>['type']): string {
  return TYPES[type]
}

export function describeConfig(confState: ConfState): string {
  let text = `voters=(${confState.voters.join(' ')})`
  if (confState.votersOutgoing.length > 0) text += `&&(${confState.votersOutgoing.join(' ')})`
  if (confState.learners.length > 0) text += ` learners=(${confState.learners.join(' ')})`
  if (confState.learnersNext.length > 0) text += ` learners_next=(${confState.learnersNext.join(' ')})`
  return confState.autoLeave ? `${text} autoleave` : text
}

export function describeProgress(peer: Progress): string {
  let text = `${STATES[peer.state]} match=${peer.match} next=${peer.next + 1}`
  if (peer.learner) text += ' learner'
  if (peer.paused()) text += ' paused'
  if (peer.pendingSnapshot > 0) text += ` pendingSnap=${peer.pendingSnapshot}`
  if (!peer.recentActive) text += ' inactive'
  const { count } = peer.inflights
  if (count > 0) text += ` inflight=${count}${peer.inflights.full() ? '[full]' : ''}`
  return text
}

export function describeSteps(change: ConfChange): string {
  return change.steps.map((step) => `${STEP_LETTERS[step.kind]}${step.id}`).join(' ')
}

export function describeEntry(entry: Entry<string>): string {
  return `${entry.term}/${entry.end} ${describePayload(entry.data, entry.change)}`
}

function describePayload(data: string | null, change: ConfChange | null): string {
  if (change === null) return `EntryNormal ${JSON.stringify(data ?? '')}`
  const steps = describeSteps(change)
  return `EntryConfChange${change.context === V1_CONTEXT ? '' : 'V2'}${steps === '' ? '' : ` ${steps}`}`
}

function describeEntries(entries: readonly string[], indent: string): string {
  if (entries.length === 0) return ''
  if (entries.length === 1) return ` Entries:[${entries[0]}]`
  return ` Entries:[\n${entries.map((entry) => `${indent}  ${entry}`).join('\n')}\n${indent}]`
}

export function describeSnapshot(snapshot: Snapshot): string {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = snapshot.confState
  const sets = `Voters:[${voters.join(' ')}] VotersOutgoing:[${votersOutgoing.join(' ')}]`
  const more = `Learners:[${learners.join(' ')}] LearnersNext:[${learnersNext.join(' ')}] AutoLeave:${autoLeave}`
  return `Index:${snapshot.position} Term:${snapshot.term} ConfState:${sets} ${more}`
}

export function describeHardState(hardState: HardState): string {
  const vote = hardState.vote === null ? '' : ` Vote:${hardState.vote}`
  return `Term:${hardState.term}${vote} Commit:${hardState.commit}`
}

function logOf(message: Message<string>): string {
  switch (message.type) {
    case 'append':
      return `${message.prevTerm}/${message.prev}`
    case 'append-accepted':
      return `0/${message.end}`
    case 'append-rejected':
      return `${message.hintTerm}/${message.prev} Rejected (Hint: ${message.hint})`
    case 'vote-request':
    case 'pre-vote-request':
      return `${message.lastTerm}/${message.lastEnd}`
    case 'vote-response':
    case 'pre-vote-response':
      return message.granted ? '0/0' : '0/0 Rejected (Hint: 0)'
    default:
      return '0/0'
  }
}

export function describeMessage(message: Message<string>, indent = ''): string {
  const isProposal = message.type === 'forward-proposal'
  let text = `${indent}${message.from.toString(16)}->${message.to.toString(16)} ${TYPES[message.type]}`
  text += ` Term:${isProposal ? 0 : message.term} Log:${logOf(message)}`
  if ((message.type === 'append' || message.type === 'heartbeat') && message.commit > 0) {
    text += ` Commit:${message.commit}`
  }
  if (message.type === 'append') text += describeEntries(message.entries.map(describeEntry), indent)
  if (isProposal) text += describeEntries([`0/0 ${describePayload(message.data, message.change)}`], indent)
  if (message.type === 'snapshot') text += `\n${indent}  Snapshot: ${describeSnapshot(message.snapshot)}`
  return text
}

/** The message that etcd would send to its append thread; with `responses`, what it is to answer. */
export function describeAppendWork(id: number, request: PersistRequest<string>, responses: readonly string[]): string {
  const { hardState } = request
  let text = `${id.toString(16)}->AppendThread MsgStorageAppend Term:${hardState?.term ?? 0} Log:0/0`
  if (hardState !== null && hardState.commit > 0) text += ` Commit:${hardState.commit}`
  if (hardState !== null && hardState.vote !== null) text += ` Vote:${hardState.vote}`
  text += describeEntries(request.entries.map(describeEntry), '')
  if (request.snapshot !== null) text += `\n  Snapshot: ${describeSnapshot(request.snapshot)}`
  return text + describeResponses(responses)
}

export function describeApplyWork(id: number, entries: readonly Entry<string>[], responses: readonly string[]): string {
  const text = `${id.toString(16)}->ApplyThread MsgStorageApply Term:0 Log:0/0`
  return text + describeEntries(entries.map(describeEntry), '') + describeResponses(responses)
}

export function describeApplyDone(id: number, entries: readonly Entry<string>[], indent = ''): string {
  const text = `${indent}ApplyThread->${id.toString(16)} MsgStorageApplyResp Term:0 Log:0/0`
  return text + describeEntries(entries.map(describeEntry), indent)
}

export function describeAppendDone(id: number, request: PersistRequest<string>, indent = ''): string {
  const { nodeTerm, term, end } = request.attestation
  let text = `${indent}AppendThread->${id.toString(16)} MsgStorageAppendResp Term:${nodeTerm} Log:${term}/${end}`
  if (request.snapshot !== null) text += `\n${indent}  Snapshot: ${describeSnapshot(request.snapshot)}`
  return text
}

function describeResponses(responses: readonly string[]): string {
  return responses.length === 0 ? '' : ` Responses:[\n${responses.map((line) => indented(line)).join('\n')}\n]`
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')
}
