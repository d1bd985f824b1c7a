/** The quorum scripts: commit positions and votes of single and joint majorities, with etcd's chart of who has what. */
import type { NodeId } from '../../core/ids.ts'
import { jointVoteResult, reachedByMajority, voteResult } from '../../core/quorum.ts'
import { argOf, type Directive } from './datadriven.ts'

/** Runs one directive; the answer is what the script expects to see. */
export function runQuorum(directive: Directive): string {
  const ids = (argOf(directive.args, 'cfg') ?? []).map(Number)
  const outgoingArg = argOf(directive.args, 'cfgj')
  const outgoing = (outgoingArg ?? []).filter((value) => value !== 'zero').map(Number)
  const voters = [...new Set([...ids, ...outgoing])]
  const values = argOf(directive.args, directive.command === 'vote' ? 'votes' : 'idx') ?? []
  if (values.length !== voters.length) {
    const shown = values.map((value) =>
      directive.command === 'vote' ? 'nyz'.indexOf(value) + 1 : value.replace('_', '0'),
    )
    return `error: mismatched input (explicit or _) for voters map[${voters
      .sort((a, b) => a - b)
      .map((id) => `${id}:{}`)
      .join(' ')}]: [${shown.join(' ')}]`
  }
  const known = new Map<NodeId, string>()
  voters.forEach((id, i) => {
    if (values[i] !== '_') known.set(id, values[i]!)
  })
  if (directive.command === 'vote') return runVote(ids, outgoingArg === undefined ? null : outgoing, known)
  return runCommitted(ids, outgoing, known)
}

function runVote(ids: NodeId[], outgoing: NodeId[] | null, known: Map<NodeId, string>): string {
  const votes = new Map([...known].map(([id, vote]) => [id, vote === 'y']))
  const result = outgoing === null ? voteResult(ids, votes) : jointVoteResult(ids, outgoing, votes)
  if (outgoing !== null && result !== jointVoteResult(outgoing, ids, votes)) return 'asymmetric'
  if (outgoing === null && result !== jointVoteResult(ids, ids, votes)) return 'unequal to its joint self'
  return { won: 'VoteWon', lost: 'VoteLost', pending: 'VotePending' }[result]
}

function runCommitted(ids: NodeId[], outgoing: NodeId[], known: Map<NodeId, string>): string {
  const reached = (voters: NodeId[]): number =>
    reachedByMajority([...new Set(voters)].map((id) => Number(known.get(id) ?? 0)))
  const position = Math.min(reached(ids), reached(outgoing))
  if (position !== byCounting(new Set(ids), new Set(outgoing), known)) return 'differs from counting'
  const all = [...new Set([...ids, ...outgoing])].sort((a, b) => a - b)
  return `${chart(all, known)}${position === Number.POSITIVE_INFINITY ? '∞' : position}`
}

/** The same by brute force: the greatest position that enough voters of each half have reached. */
function byCounting(ids: Set<NodeId>, outgoing: Set<NodeId>, known: Map<NodeId, string>): number {
  const least = (voters: Set<NodeId>): number => {
    if (voters.size === 0) return Number.POSITIVE_INFINITY
    const candidates = [0, ...[...voters].map((id) => Number(known.get(id) ?? 0))]
    const enough = (position: number): boolean =>
      [...voters].filter((id) => Number(known.get(id) ?? 0) >= position).length * 2 > voters.size
    return Math.max(...candidates.filter(enough))
  }
  return Math.min(least(ids), least(outgoing))
}

function chart(ids: NodeId[], known: Map<NodeId, string>): string {
  if (ids.length === 0) return '<empty majority quorum>'
  const rows = ids.map((id) => ({ id, index: Number(known.get(id) ?? 0), ok: known.has(id), bar: 0 }))
  const sorted = [...rows].sort((a, b) => a.index - b.index || a.id - b.id)
  sorted.forEach((row, i) => {
    if (i > 0) row.bar = sorted[i - 1]!.index < row.index ? i : sorted[i - 1]!.bar
  })
  const n = ids.length
  const lines = rows.map((row) => {
    const mark = row.ok ? `${'x'.repeat(row.bar)}>${' '.repeat(n - row.bar)}` : `?${' '.repeat(n)}`
    return `${mark} ${String(row.index).padStart(5)}    (id=${row.id})`
  })
  return `${' '.repeat(n)}    idx\n${lines.join('\n')}\n`
}
