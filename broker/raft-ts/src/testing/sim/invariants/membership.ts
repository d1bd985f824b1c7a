/**
 * Invariants of membership: everybody takes the same steps, and no two of them could decide apart (dissertation 4.1, 4.3).
 */
import type { ConfState } from '../../../core/conf-change.ts'
import type { Entry } from '../../../core/entry.ts'
import type { NodeId, Position } from '../../../core/ids.ts'
import { isMember } from '../../../core/membership.ts'
import type { Ledger } from '../ledger.ts'
import type { SimNode } from '../sim-node.ts'
import { hold } from '../violation.ts'
import { hearsMajority } from './elections.ts'

/** The configuration that an entry makes is the same on every node. */
export function configurationsAgree(ledger: Ledger, node: SimNode, confState: ConfState, end: Position): void {
  const { configs } = ledger
  for (let i = configs.length - 1; i >= 0; i--) {
    const known = configs[i]!
    if (known.end < end) break
    if (known.end > end) continue
    hold(
      showConf(known.confState) === showConf(confState),
      'configurations-agree',
      () => `${node.id} is in ${showConf(confState)} at ${end}, others in ${showConf(known.confState)}`,
    )
    return
  }
  const last = configs[configs.length - 1]
  if (last !== undefined && last.end > end) return
  if (last !== undefined) configurationsOverlap(node, last.confState, confState)
  configs.push({ end, confState })
}

/** Any majority of one configuration shares a voter with any majority of the next. */
export function configurationsOverlap(node: SimNode, before: ConfState, after: ConfState): void {
  const joint = after.votersOutgoing.length > 0
  const wasJoint = before.votersOutgoing.length > 0
  const detail = () => `${node.id} goes from ${showConf(before)} to ${showConf(after)}`
  hold(after.voters.length > 0, 'configurations-overlap', detail)
  if (joint && !wasJoint) {
    hold(sameIds(after.votersOutgoing, before.voters), 'configurations-overlap', detail)
  } else if (wasJoint && !joint) {
    hold(sameIds(after.voters, before.voters), 'configurations-overlap', detail)
  } else if (wasJoint) {
    hold(sameIds(after.voters, before.voters), 'configurations-overlap', detail)
    hold(sameIds(after.votersOutgoing, before.votersOutgoing), 'configurations-overlap', detail)
  } else {
    hold(differenceCount(before.voters, after.voters) <= 1, 'configurations-overlap', detail)
  }
}

/** A leader appends a change only when none is waiting to be applied (dissertation 4.1). */
export function oneChangeAtATime(node: SimNode, entries: readonly Entry<number>[]): void {
  for (const entry of entries) {
    if (entry.kind !== 'config' || !node.leads || entry.term !== node.term) continue
    const { written } = node.disk
    const from = Math.max(node.app.position, node.app.confPosition, written.startPosition())
    const waiting = from < entry.base ? written.entries(from, entry.base, Number.POSITIVE_INFINITY) : []
    hold(
      typeof waiting === 'string' || waiting.every((earlier) => earlier.kind !== 'config'),
      'one-change-at-a-time',
      () => `${node.id} appends a change at ${entry.base} while another waits to be applied`,
    )
  }
}

/** Voters are only removed while a majority of those that remain is known to be alive (NATS #7545). */
export function removalKeepsLiveMajority(
  node: SimNode,
  before: ConfState,
  after: ConfState,
  electionTicks: number,
): void {
  if (before.voters.every((id) => after.voters.includes(id))) return
  // A node that is new to the group cannot have been heard from: it gets the benefit of the doubt.
  const known = after.voters.filter((id) => isMember(before, id))
  hold(
    hearsMajority(node, known, electionTicks) || known.length < after.voters.length,
    'removal-keeps-live-majority',
    () => `${node.id} goes from ${showConf(before)} to ${showConf(after)} without a live majority`,
  )
}

/** A configuration in a few characters: voters, outgoing voters, learners, learners to be. */
export function showConf(confState: ConfState): string {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = confState
  return `(${voters})(${votersOutgoing})l(${learners})n(${learnersNext})${autoLeave ? 'auto' : ''}`
}

function sameIds(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id))
}

function differenceCount(a: readonly NodeId[], b: readonly NodeId[]): number {
  return a.filter((id) => !b.includes(id)).length + b.filter((id) => !a.includes(id)).length
}
