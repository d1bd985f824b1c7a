/**
 * The leader's way of bringing every log to its own: appends, heartbeats, snapshots, and the commit position.
 *
 * Invariant: an append to a peer begins at `progress.next`, a boundary of the leader's log.
 * Invariant: only entries of the leader's own term are committed by counting (Raft §5.4.2, figure 8).
 */
import type { Entry } from './entry.ts'
import { entrySizeBytes } from './entry.ts'
import type { NodeId, Position } from './ids.ts'
import { invariant } from './invariant.ts'
import type { Progress } from './progress.ts'
import type { Raft } from './raft.ts'
import type { Snapshot } from './storage.ts'

/** Appends entries of the leader's own making; it acknowledges them to itself once they are durable. */
export function appendOwn<D>(raft: Raft<D>, entry: Entry<D>): void {
  raft.log.append([entry])
  raft.idleTicks = 0
  const held = raft.afterPersist
  const last = held.length > 0 ? held[held.length - 1]! : null
  if (last !== null && last.type === 'append-accepted' && last.to === raft.id) held.pop()
  raft.sendAfterPersist({
    type: 'append-accepted',
    group: raft.options.group,
    from: raft.id,
    to: raft.id,
    term: raft.term,
    end: entry.end,
  })
}

/** New entries or a new commit position concern every peer: sends now, or at the next Ready with what else comes up. */
export function broadcastAppend<D>(raft: Raft<D>): void {
  if (raft.options.batchAppends) {
    raft.sendsPending = true
    return
  }
  const members = raft.tracker.members
  for (let i = 0; i < members.length; i++) {
    const peer = members[i]!
    if (peer.id !== raft.id) sendAppend(raft, peer, true)
  }
}

/** Sends what has been gathered: to each peer what fits its window, or the commit position if that is all that is new. */
export function flushAppends<D>(raft: Raft<D>): void {
  raft.sendsPending = false
  if (raft.role !== 'leader') return
  const members = raft.tracker.members
  for (let i = 0; i < members.length; i++) {
    const peer = members[i]!
    if (peer.id === raft.id) continue
    if (sendAppend(raft, peer, false)) sendWhatFits(raft, peer)
    else if (peer.canBumpCommit(raft.log.committed)) sendAppend(raft, peer, true)
  }
}

/**
 * Sends one append to a peer, or a snapshot if its next entries are gone.
 *
 * @param evenIfEmpty also when there is no entry to send: to probe, or to tell the commit position.
 * @returns whether a message was queued.
 */
export function sendAppend<D>(raft: Raft<D>, peer: Progress, evenIfEmpty: boolean): boolean {
  if (peer.paused()) return false
  const log = raft.log
  const prev = peer.next
  const prevTerm = log.termAt(prev)
  if (prevTerm < 0) return sendSnapshot(raft, peer)
  let entries: readonly Entry<D>[] = []
  // Into a full window only an empty append goes: if all those in flight were lost, its rejection frees the window.
  if (peer.state !== 'replicate' || !peer.inflights.full()) {
    const found = log.slice(prev, log.lastEnd(), raft.options.maxBytesPerMessage)
    if (found === 'compacted') return sendSnapshot(raft, peer)
    if (found === 'pending') peer.awaitsStorage = true
    else entries = found
  }
  if (entries.length === 0 && !evenIfEmpty) return false
  raft.send({
    type: 'append',
    group: raft.options.group,
    from: raft.id,
    to: peer.id,
    term: raft.term,
    prev,
    prevTerm,
    entries,
    commit: log.committed,
  })
  let bytes = 0
  for (let i = 0; i < entries.length; i++) bytes += entrySizeBytes(entries[i]!)
  peer.sentEntries(entries.length === 0 ? prev : entries[entries.length - 1]!.end, bytes)
  peer.sentCommit = log.committed
  return true
}

/** Tells a new node who the members are, along with where the log begins: a snapshot if state is needed, else the start. */
export function handOver<D>(raft: Raft<D>, peer: Progress): boolean {
  return raft.log.start() === 0 ? sendSnapshotOf(raft, peer, startOfLog(raft)) : sendSnapshot(raft, peer)
}

/** Sends the newest snapshot, or the start of a plain log, to a peer that is known to be there. */
function sendSnapshot<D>(raft: Raft<D>, peer: Progress): boolean {
  if (!peer.recentActive) return false
  return sendSnapshotOf(raft, peer, raft.options.catchUp === 'snapshot' ? currentSnapshot(raft) : startOfLog(raft))
}

function sendSnapshotOf<D>(raft: Raft<D>, peer: Progress, snapshot: Snapshot | 'unavailable'): boolean {
  if (snapshot === 'unavailable') return false
  peer.becomeSnapshot(snapshot.position)
  if (snapshot.data === null) peer.handOverAt = raft.ticks
  if (raft.tracing) {
    raft.trace({ kind: 'snapshot-sent', term: raft.term, peer: peer.id, position: snapshot.position })
  }
  raft.send({ type: 'snapshot', group: raft.options.group, from: raft.id, to: peer.id, term: raft.term, snapshot })
  return true
}

function currentSnapshot<D>(raft: Raft<D>): Snapshot | 'unavailable' {
  if (raft.snapshotsHeld) {
    raft.sendsPending = true
    return 'unavailable'
  }
  const snapshot = raft.log.storage.snapshot()
  if (snapshot === 'unavailable') return snapshot
  const { position, confPosition } = snapshot
  // Whoever begins from it would act on a configuration of the past, whose majorities need not meet those of today.
  invariant(
    position < raft.log.confChangedAt || confPosition >= raft.log.confChangedAt,
    () =>
      `snapshot at ${position} has the configuration of ${confPosition}: it misses the change at ${raft.log.confChangedAt}`,
  )
  return snapshot
}

function startOfLog<D>(raft: Raft<D>): Snapshot | 'unavailable' {
  const position = raft.log.start()
  const term = raft.log.termAt(position)
  if (term < 0) return 'unavailable'
  return { position, term, confState: raft.confState, confPosition: raft.log.confPosition, data: null }
}

/** Tells every peer that the leader lives, and how far the peer may commit. */
export function broadcastHeartbeat<D>(raft: Raft<D>): void {
  const round = raft.pendingReads.length > 0 ? raft.readRound : 0
  for (const peer of raft.tracker.members) {
    if (peer.id !== raft.id) sendHeartbeat(raft, peer, round)
  }
}

function sendHeartbeat<D>(raft: Raft<D>, peer: Progress, readRound: number): void {
  // A peer is only told to commit what it is known to have: the rest of its log may differ.
  const commit = Math.min(peer.match, raft.log.committed)
  raft.send({
    type: 'heartbeat',
    group: raft.options.group,
    from: raft.id,
    to: peer.id,
    term: raft.term,
    commit,
    readRound,
  })
  peer.sentCommit = Math.max(peer.sentCommit, commit)
}

/** Commits what a majority has and the leader's own term covers. Returns whether the commit position moved. */
export function maybeCommit<D>(raft: Raft<D>): boolean {
  const reached = raft.tracker.committed()
  if (reached <= raft.termStart || reached === Number.POSITIVE_INFINITY) return false
  if (!raft.log.commitTo(reached)) return false
  releaseUncommitted(raft, reached)
  return true
}

function releaseUncommitted<D>(raft: Raft<D>, committed: Position): void {
  const spans = raft.uncommittedSpans
  let count = 0
  while (count < spans.length && spans[count]!.end <= committed) {
    raft.uncommittedBytes -= spans[count]!.bytes
    count++
  }
  if (count === spans.length) raft.uncommittedSpans = []
  else if (count > 0) spans.splice(0, count)
}

/** Entries have been loaded: hands out those to be applied, and sends to the peers that were waiting for theirs. */
export function storageReady<D>(raft: Raft<D>): void {
  raft.log.loaded()
  if (raft.role !== 'leader') return
  for (const peer of raft.tracker.members) {
    if (!peer.awaitsStorage) continue
    peer.awaitsStorage = false
    if (peer.state === 'probe') peer.flowPaused = false
    sendWhatFits(raft, peer)
  }
}

/** Fills a peer's window. */
export function sendWhatFits<D>(raft: Raft<D>, peer: Progress): void {
  if (peer.id === raft.id) return
  while (sendAppend(raft, peer, false)) {
    // Each round sends one message; it ends when the window is full or nothing is left.
  }
}

/** Tells the peer to campaign at once. */
export function sendTimeoutNow<D>(raft: Raft<D>, to: NodeId): void {
  raft.send({ type: 'timeout-now', group: raft.options.group, from: raft.id, to, term: raft.term })
  if (raft.tracing) raft.trace({ kind: 'timeout-now-sent', term: raft.term, peer: to })
}
