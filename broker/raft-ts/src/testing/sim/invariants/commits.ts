/**
 * Invariants of what is committed: held by a majority, kept for ever, applied alike everywhere (Raft §5.4.3).
 */
import type { ConfState } from '../../../core/conf-change.ts'
import type { NodeId, Position, Term } from '../../../core/ids.ts'
import { majorityOf } from '../../../core/quorum.ts'
import type { Committed } from '../../../core/ready.ts'
import { hashOf, type Ledger } from '../ledger.ts'
import type { AppState, PendingProposal, SimNode } from '../sim-node.ts'
import { hold } from '../violation.ts'

/** A node's commit position never falls, within one life of it. */
export function commitMonotonic(node: SimNode, commit: Position): void {
  hold(commit >= node.commit, 'commit-monotonic', () => `${node.id} goes back from ${node.commit} to ${commit}`)
}

/** Where a node commits, it has what is committed there. */
export function committedIsImmutable(ledger: Ledger, node: SimNode, commit: Position): void {
  const point = ledger.committedAt(commit)
  const own = node.disk.written.termAt(commit)
  hold(
    point !== undefined && (own === point.term || own === 'compacted'),
    'committed-immutable',
    () => `${node.id} commits ${commit}@${own}, committed there is ${point === undefined ? 'nothing' : point.term}`,
  )
}

/** At the moment of a commit a majority of the voters (of both halves) has it on disk. */
export function commitIsHeldByMajority(
  nodes: ReadonlyMap<NodeId, SimNode>,
  leader: SimNode,
  confState: ConfState,
  commit: Position,
): void {
  const term = leader.disk.written.termAt(commit)
  hold(
    typeof term === 'number',
    'commit-held-by-majority',
    () => `${leader.id} commits ${commit}, which it does not have`,
  )
  for (const voters of [confState.voters, confState.votersOutgoing]) {
    if (voters.length === 0) continue
    let holders = 0
    for (const id of voters) if (holds(nodes.get(id), commit, term)) holders++
    hold(
      holders >= majorityOf(voters.length),
      'commit-held-by-majority',
      () => `${leader.id} commits ${commit}@${term}, which ${holders} of ${voters.join()} have on disk`,
    )
  }
}

function holds(node: SimNode | undefined, commit: Position, term: Term): boolean {
  // A disk that was lost after it had promised still counts: its node is gone with it and will vote for nobody.
  if (node === undefined) return false
  const { durable } = node.disk
  return durable.startPosition() >= commit || durable.termAt(commit) === term
}

/** Every node applies the committed log, in order, without gaps, and arrives at the same state. */
export function stateMachineSafety(ledger: Ledger, node: SimNode, app: AppState, batch: Committed<number>): void {
  hold(
    batch.from <= app.position,
    'state-machine-safety',
    () => `${node.id} is handed ${batch.from}..${batch.to} to apply, but has only applied up to ${app.position}`,
  )
  for (const entry of batch.entries) {
    const known = ledger.committedAt(entry.end)?.entry
    hold(
      known?.term === entry.term && known.base === entry.base && known.data === entry.data,
      'state-machine-safety',
      () =>
        `${node.id} applies #${entry.data} [${entry.base},${entry.end})@${entry.term}, committed is #${known?.data}`,
    )
  }
}

/** Applies whole entries to the state; returns it unchanged below what was applied before. */
export function applyEntries(app: AppState, batch: Committed<number>): void {
  let end = app.position
  for (const entry of batch.entries) {
    if (entry.end <= end) continue
    app.hash = hashOf(app.hash, entry)
    end = entry.end
  }
  app.position = Math.max(app.position, batch.to)
}

/** The state after applying equals that of everybody else there. */
export function stateIsTheSame(ledger: Ledger, node: SimNode, app: AppState): void {
  const point = ledger.committedAt(app.position)
  hold(
    point !== undefined && point.hash === app.hash,
    'state-machine-safety',
    () => `${node.id} is in another state than others at ${app.position}`,
  )
}

/** What is acknowledged to a client is committed, and is what the client proposed. */
export function acknowledgedIsKept(ledger: Ledger, node: SimNode, proposal: PendingProposal): void {
  const entry = ledger.committedAt(proposal.end)?.entry
  hold(
    entry?.data === proposal.payload,
    'acknowledged-kept',
    () => `${node.id} acknowledges #${proposal.payload} at ${proposal.end}, committed there is #${entry?.data}`,
  )
}

/** A read is answered at or past all that was acknowledged when it was asked. */
export function linearizableRead(node: SimNode, position: Position, floor: Position): void {
  hold(
    position >= floor,
    'linearizable-read',
    () => `${node.id} answers a read at ${position}, when ${floor} had been acknowledged before it was asked`,
  )
}

/** A leader and a follower that are both silent have the same log, all of it committed. */
export function quiescentIsLevel(node: SimNode, leader: SimNode): void {
  hold(
    node.writtenEnd === leader.writtenEnd && node.commit === leader.commit,
    'quiescent-is-level',
    () => `${node.id} is silent at ${node.commit} of ${node.writtenEnd}, its leader at ${leader.commit}`,
  )
}
