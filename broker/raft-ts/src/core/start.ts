/**
 * How a node begins: from what storage remembers, checked before anything is believed.
 */

import { NO_NODE } from './ids.ts'
import { invariant } from './invariant.ts'
import { confStateDefect } from './membership.ts'
import type { ResolvedOptions } from './options.ts'
import { Raft } from './raft.ts'
import { becomeFollower } from './roles.ts'

/** Makes a node: a follower at the term it had. Throws RaftInvariantError if what is stored contradicts itself. */
export function startRaft<D>(options: ResolvedOptions<D>): Raft<D> {
  const initial = options.storage.initialState()
  const { hardState } = initial
  const raft = new Raft(options, initial)
  const { log } = raft
  const defect = confStateDefect(raft.confState)
  invariant(defect === null, () => `stored configuration: ${defect}`)
  raft.tracker.configure(raft.confState, new Set(), log.boundaryBelow(log.lastEnd()))
  if (raft.tracing) raft.trace({ kind: 'configuration', term: 0, confState: raft.confState })
  if (hardState !== null) {
    const { term, vote, commit } = hardState
    // A commit position that was written ahead of the entries it covers means that synced entries are gone.
    invariant(commit <= log.lastEnd(), () => `stored commit ${commit} is past the end of the log at ${log.lastEnd()}`)
    log.committed = Math.max(log.committed, commit)
    raft.term = term
    raft.vote = vote ?? NO_NODE
  }
  // A change of membership is only in force once committed: the stored commit position may lag behind it, never the truth.
  if (log.confPosition <= log.lastEnd()) log.committed = Math.max(log.committed, log.confPosition)
  const lastTerm = log.lastTerm()
  invariant(
    raft.term >= lastTerm || hardState === null,
    () => `stored term ${raft.term} is older than the log's ${lastTerm}`,
  )
  const { applied } = options
  if (applied !== null) {
    invariant(applied <= log.committed, () => `applied ${applied}, but only ${log.committed} is committed`)
    log.appliedTo(applied)
  }
  becomeFollower(raft, raft.term, NO_NODE)
  return raft
}
