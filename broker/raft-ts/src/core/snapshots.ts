/**
 * A follower that begins anew: from a state of the application, or from where a plain log starts (dissertation chapter 5).
 *
 * Invariant: nothing committed here is ever replaced; a snapshot at or below the commit position is ignored.
 */
import type { NodeId, Position } from './ids.ts'
import type { SnapshotMessage } from './messages.ts'
import type { Raft } from './raft.ts'
import type { Snapshot } from './storage.ts'

/** Takes over a snapshot, or says how far this log is committed without it. */
export function handleSnapshot<D>(raft: Raft<D>, message: SnapshotMessage): void {
  const { snapshot } = message
  if (restore(raft, snapshot)) {
    traceSnapshot(raft, 'snapshot-restored', snapshot)
    acceptAppend(raft, message.from, raft.log.lastEnd())
  } else {
    traceSnapshot(raft, 'snapshot-ignored', snapshot)
    acceptAppend(raft, message.from, raft.log.committed)
  }
}

/** Tells the leader, once durable, that the logs match up to `end`. */
export function acceptAppend<D>(raft: Raft<D>, to: NodeId, end: Position): void {
  raft.sendAfterPersist({
    type: 'append-accepted',
    group: raft.options.group,
    from: raft.id,
    to,
    term: raft.term,
    end,
  })
}

function restore<D>(raft: Raft<D>, snapshot: Snapshot): boolean {
  const { committed } = raft.log
  // A node that was never told who the members are takes even a snapshot of nothing, for its configuration.
  const configured = raft.confState.voters.length > 0
  if (configured ? snapshot.position <= committed : snapshot.position < committed) return false
  if (configured && raft.log.matches(snapshot.position, snapshot.term) && !raft.log.insideEntry(snapshot.position)) {
    // The log has it all already: only the commit position was behind.
    traceSnapshot(raft, 'snapshot-fast-forwarded', snapshot)
    raft.log.commitTo(snapshot.position)
    return false
  }
  raft.log.restore(snapshot)
  raft.tracker.configure(snapshot.confState, new Set(), raft.log.boundaryBelow(snapshot.position))
  if (raft.tracing) raft.trace({ kind: 'configuration', term: raft.term, confState: snapshot.confState })
  return true
}

function traceSnapshot<D>(
  raft: Raft<D>,
  kind: 'snapshot-restored' | 'snapshot-ignored' | 'snapshot-fast-forwarded',
  snapshot: Snapshot,
): void {
  if (!raft.tracing) return
  raft.trace({
    kind,
    term: raft.term,
    position: snapshot.position,
    snapshotTerm: snapshot.term,
    commit: raft.log.committed,
  })
}
