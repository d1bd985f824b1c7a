/** Builds the {@link Status} of a node. */
import { NO_NODE } from './ids.ts'
import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'
import type { ProgressStatus, Status } from './status.ts'

/** Everything worth showing. Allocates. */
export function statusOf<D>(raft: Raft<D>): Status {
  const { log } = raft
  return {
    id: raft.id,
    role: raft.role,
    term: raft.term,
    vote: raft.vote === NO_NODE ? null : raft.vote,
    leaderId: raft.leaderId === NO_NODE ? null : raft.leaderId,
    leaderReady: raft.role === 'leader' && raft.committedInOwnTerm(),
    startPosition: log.start(),
    endPosition: log.lastEnd(),
    persistedPosition: log.unstable.snapshot === null ? Math.min(log.unstable.from, log.lastEnd()) : 0,
    commit: log.committed,
    applied: log.applied,
    confState: raft.confState,
    transferTarget: raft.transferTarget === NO_NODE ? null : raft.transferTarget,
    uncommittedBytes: raft.uncommittedBytes,
    quiescent: raft.quiescent,
    progress: raft.role === 'leader' ? raft.tracker.members.map(progressOf) : [],
  }
}

function progressOf(peer: Progress): ProgressStatus {
  return {
    id: peer.id,
    state: peer.state,
    match: peer.match,
    next: peer.next,
    learner: peer.learner,
    paused: peer.paused(),
    recentlyActive: peer.recentActive,
    inflightCount: peer.inflights.count,
    inflightFull: peer.inflights.count > 0 && peer.inflights.full(),
    pendingSnapshot: peer.pendingSnapshot === 0 ? null : peer.pendingSnapshot,
  }
}
