/** raft-ts's trace events as the log lines that etcd/raft's scripts expect: only the strict score looks at them. */
import type { NodeId } from '../../core/ids.ts'
import type { Raft } from '../../core/raft.ts'
import type { TraceEvent } from '../../core/trace.ts'
import { describeConfig, describeProgress, describeType } from './describe.ts'

/** Levels of the scripts' `log-level`, in order. */
export const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal', 'none'] as const

/** A line and how important it is. */
export interface LogLine {
  readonly level: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR'
  readonly text: string
}

/** Lines for an event at node `id`; `raft` is null while that node is still being made. */
export function renderTrace(id: NodeId, raft: Raft<string> | null, event: TraceEvent): LogLine[] {
  const text = renderElection(id, event) ?? renderRest(id, event)
  if (text !== null) return [{ level: levelOf(event), text }]
  return raft === null ? [] : renderReplication(id, raft, event)
}

function levelOf(event: TraceEvent): LogLine['level'] {
  switch (event.kind) {
    case 'quorum-lost':
      return 'WARN'
    case 'election-refused':
      return event.why === 'already-leader' ? 'DEBUG' : 'WARN'
    case 'leader-kept':
      return 'ERROR'
    case 'append-rejected':
    case 'rejection-received':
      return 'DEBUG'
    default:
      return 'INFO'
  }
}

function renderElection(id: NodeId, event: TraceEvent): string | null {
  switch (event.kind) {
    case 'became-follower':
    case 'became-pre-candidate':
    case 'became-candidate':
    case 'became-leader':
      return `${id} became ${event.kind.slice('became-'.length)} at term ${event.term}`
    case 'election-started':
      return `${id} is starting a new election at term ${event.term}`
    case 'election-refused':
      return event.why === 'unpromotable'
        ? `${id} is unpromotable and can not campaign`
        : `${id} cannot campaign at term ${event.term}: ${event.why}`
    case 'vote-requested': {
      const log = `[logterm: ${event.lastTerm}, index: ${event.lastEnd}]`
      return `${id} ${log} sent ${describeType(event.request)} request to ${event.to} at term ${event.term}`
    }
    case 'vote-cast':
    case 'vote-rejected':
    case 'vote-ignored': {
      const own = `[logterm: ${event.lastTerm}, index: ${event.lastEnd}, vote: ${event.vote ?? 0}]`
      const theirs = `[logterm: ${event.candidateTerm}, index: ${event.candidateEnd}]`
      const type = describeType(event.request)
      if (event.kind === 'vote-cast')
        return `${id} ${own} cast ${type} for ${event.from} ${theirs} at term ${event.term}`
      const verb = event.kind === 'vote-rejected' ? 'rejected' : 'ignored'
      const why = verb === 'ignored' ? `: lease is not expired (remaining ticks: ${event.leaseTicks})` : ''
      return `${id} ${own} ${verb} ${type} from ${event.from} ${theirs} at term ${event.term}${why}`
    }
    case 'vote-received': {
      const type = describeType(event.response)
      const first = `${id} received ${type}${event.granted ? '' : ' rejection'} from ${event.from} at term ${event.term}`
      return `${first}\nINFO ${id} has received ${event.grantedCount} ${type} votes and ${event.rejectedCount} vote rejections`
    }
    default:
      return null
  }
}

function renderRest(id: NodeId, event: TraceEvent): string | null {
  switch (event.kind) {
    case 'higher-term-seen': {
      const type = describeType(event.message)
      return `${id} [term: ${event.term}] received a ${type} message with higher term from ${event.from} [term: ${event.messageTerm}]`
    }
    case 'lower-term-ignored': {
      const type = describeType(event.message)
      return `${id} [term: ${event.term}] ignored a ${type} message with lower term from ${event.from} [term: ${event.messageTerm}]`
    }
    case 'append-rejected':
      return `${id} [logterm: ${event.ownTerm}, index: ${event.prev}] rejected MsgApp [logterm: ${event.prevTerm}, index: ${event.prev}] from ${event.from}`
    case 'rejection-received':
      return `${id} received MsgAppResp(rejected, hint: (index ${event.hint}, term ${event.hintTerm})) from ${event.from} for index ${event.prev}`
    case 'conflict-found':
      return `found conflict at index ${event.position} [existing term: ${event.ownTerm}, conflicting term: ${event.newTerm}]`
    case 'log-truncated':
      return `replace the unstable entries from index ${event.to}`
    case 'snapshot-restored':
      return `${id} [commit: ${event.commit}] restored snapshot [index: ${event.position}, term: ${event.snapshotTerm}]`
    case 'quorum-lost':
      return `${id} stepped down to follower since quorum is not active`
    case 'leader-forgotten':
      return `${id} forgetting leader ${event.leaderId} at term ${event.term}`
    case 'leader-kept':
      return 'ignoring MsgForgetLeader due to ReadOnlyLeaseBased'
    case 'configuration':
      return `${id} switched to configuration ${describeConfig(event.confState)}`
    case 'proposal-dropped':
      return event.why === 'no-leader' ? `${id} no leader at term ${event.term}; dropping proposal` : null
    case 'transfer-started':
      return `${id} [term ${event.term}] starts to transfer leadership to ${event.peer}`
    case 'timeout-now-received':
      return `${id} [term ${event.term}] received MsgTimeoutNow from ${event.peer} and starts an election to get leadership.`
    case 'attestation-ignored':
      return event.why === 'older-term'
        ? `${id} [term: ${event.term}] ignored entry appends from a MsgStorageAppendResp message with lower term`
        : `entry at index ${event.end} missing from unstable log; ignoring`
    default:
      return null
  }
}

function renderReplication(id: NodeId, raft: Raft<string>, event: TraceEvent): LogLine[] {
  if (!('peer' in event)) return []
  const peer = raft.tracker.get(event.peer)
  const progress = peer === undefined ? '' : describeProgress(peer)
  switch (event.kind) {
    case 'progress-decreased':
      return [{ level: 'DEBUG', text: `${id} decreased progress of ${event.peer} to [${progress}]` }]
    case 'snapshot-sent':
      return [{ level: 'DEBUG', text: `${id} paused sending replication messages to ${event.peer} [${progress}]` }]
    case 'snapshot-recovered':
      return [
        {
          level: 'DEBUG',
          text: `${id} recovered from needing snapshot, resumed sending replication messages to ${event.peer} [${progress}]`,
        },
      ]
    case 'unreachable':
      return [
        {
          level: 'DEBUG',
          text: `${id} failed to send message to ${event.peer} because it is unreachable [${progress}]`,
        },
      ]
    default:
      return []
  }
}
