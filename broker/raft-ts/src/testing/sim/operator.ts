/**
 * The person who runs the group: changes its members, hands leadership over, and drops old parts of logs.
 *
 * The operator never takes a step after which the voters whose disks are gone for good could be half of all: no
 * algorithm makes progress from there. Everything else is fair.
 */
import { type ConfChange, type ConfChangeStep, type ConfState, confStateOf } from '../../core/conf-change.ts'
import type { NodeId } from '../../core/ids.ts'
import { changeMembership, isJoint, isMember, isVoter } from '../../core/membership.ts'
import { majorityOf } from '../../core/quorum.ts'
import type { Cluster } from './cluster.ts'
import { removalKeepsLiveMajority, showConf } from './invariants/membership.ts'
import { Random } from './random.ts'
import type { SimNode } from './sim-node.ts'

const MEMBER_COUNT_MAX = 7
const PLAUSIBLE_COUNT = 12

/** Administers one group. */
export class Operator {
  readonly #cluster: Cluster
  readonly #random: Random
  /** Configurations that were proposed lately and may come into force, or may not. */
  #plausible: ConfState[] = []
  #nextId: NodeId

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#random = new Random(cluster.options.seed, 6)
    const { voterCount, learnerCount } = cluster.options
    this.#nextId = voterCount + learnerCount + 1
  }

  /** The node that leads the latest term, if any does. */
  leader(): SimNode | null {
    let best: SimNode | null = null
    for (const node of this.#cluster.nodes.values()) {
      if (node.up && node.leads && !node.stalled && (best === null || node.term > best.term)) best = node
    }
    return best
  }

  /** Proposes some change of membership that makes sense now. Returns whether it was accepted. */
  changeMembers(): boolean {
    const leader = this.leader()
    if (leader === null) return false
    const confState = leader.app.confState
    const change = isJoint(confState) ? LEAVE : this.#drawChange(confState)
    return change !== null && this.propose(leader, change)
  }

  /** Proposes a change at a node, if it leaves enough voters that can come back. */
  propose(leader: SimNode, change: ConfChange): boolean {
    const result = changeMembership(leader.app.confState, change)
    if (result.kind === 'refused' || !this.#canDecide(result.confState, null)) return false
    for (const id of [...result.confState.voters, ...result.confState.learners]) this.#provide(id)
    let accepted = false
    const before = leader.app.confState
    this.#cluster.input(leader, (raw) => {
      const answer = raw.proposeConfChange(change)
      accepted = answer.kind === 'accepted'
      if (accepted) removalKeepsLiveMajority(leader, before, result.confState, this.#cluster.options.electionTicks)
      this.#cluster.note(leader.id, () => `is asked for ${showConf(result.confState)}: ${answer.kind}`)
    })
    if (accepted) this.#plausible = [...this.#plausible, result.confState].slice(-PLAUSIBLE_COUNT)
    return accepted
  }

  /** Leaves a joint configuration that does not leave by itself. */
  leaveJoint(leader: SimNode): void {
    const { confState } = leader.app
    if (isJoint(confState) && !confState.autoLeave) this.propose(leader, LEAVE)
  }

  /** Hands leadership to some member. */
  transfer(): boolean {
    const leader = this.leader()
    if (leader === null) return false
    const to = this.#random.pick(leader.app.confState.voters)
    this.#cluster.input(leader, (raw) => raw.transferLeadership(to))
    return true
  }

  /** Lets a node drop a part of its log that it has applied. */
  compact(node: SimNode): boolean {
    const { written, durable } = node.disk
    const from = durable.startPosition()
    const to = Math.min(node.app.position, durable.endPosition())
    if (to <= from) return false
    const at = durable.boundaryAtOrBelow(this.#random.between(from, to))
    if (at <= from) return false
    // The membership up to here must be stored before the log that tells it is dropped.
    const { confState, confPosition } = node.app
    durable.saveConfState(confState, confPosition)
    durable.compactTo(at)
    written.compactTo(at)
    this.#cluster.note(node.id, () => `drops its log below ${at}`)
    return true
  }

  /** Whether a disk may be lost for good: in every configuration that may come, enough others are left. */
  mayLose(id: NodeId): boolean {
    const nodes = [...this.#cluster.nodes.values()]
    const confStates = nodes.filter((node) => !node.wiped).map((node) => node.app.confState)
    return [...confStates, ...this.#plausible].every((confState) => this.#canDecide(confState, id))
  }

  /** Puts a new node in the place of one whose disk is gone: first as a learner, so that it does not count yet. */
  replace(lost: NodeId): void {
    const id = this.#nextId++
    this.#provide(id)
    this.#pursue(() => this.#replaceStep(lost, id), 60)
  }

  /** Does the next step of a replacement. Returns true once nothing is left to do. */
  #replaceStep(lost: NodeId, id: NodeId): boolean {
    const leader = this.leader()
    if (leader === null) return false
    const { confState } = leader.app
    if (isJoint(confState)) return false
    if (!isMember(confState, id)) this.propose(leader, simple('add-learner', id))
    else if (!isVoter(confState, id)) this.propose(leader, simple('add-voter', id))
    else if (isMember(confState, lost)) this.propose(leader, simple('remove', lost))
    else return true
    return false
  }

  #pursue(step: () => boolean, attempts: number): void {
    if (attempts === 0) return
    this.#cluster.timeline.after(this.#random.between(300, 1500), () => {
      // In a healed group the one who watches it decides.
      if (!this.#cluster.healed && !step()) this.#pursue(step, attempts - 1)
    })
  }

  #canDecide(confState: ConfState, lostToo: NodeId | null): boolean {
    return [confState.voters, confState.votersOutgoing].every((voters) => {
      const left = voters.filter((id) => id !== lostToo && this.#cluster.nodes.get(id)?.wiped !== true)
      return voters.length === 0 || left.length >= majorityOf(voters.length)
    })
  }

  /** Starts a node for an id that has none yet. */
  #provide(id: NodeId): void {
    if (!this.#cluster.nodes.has(id)) this.#cluster.add(id, confStateOf([]), 10)
  }

  #drawChange(confState: ConfState): ConfChange | null {
    const random = this.#random
    const steps: ConfChangeStep[] = []
    const touched = new Set<NodeId>()
    const count = random.pick([1, 1, 1, 2, 3])
    for (let i = 0; i < count; i++) {
      const step = this.#drawStep(confState)
      if (step === null || touched.has(step.id)) continue
      touched.add(step.id)
      steps.push(step)
    }
    if (steps.length === 0) return null
    return { transition: random.pick(['auto', 'auto', 'implicit', 'explicit'] as const), steps }
  }

  #drawStep(confState: ConfState): ConfChangeStep | null {
    const random = this.#random
    const { voters, learners } = confState
    const room = voters.length + learners.length < MEMBER_COUNT_MAX
    switch (random.pick(['add', 'add', 'promote', 'promote', 'demote', 'remove', 'update'] as const)) {
      case 'add':
        return room ? { kind: random.chance(0.5) ? 'add-learner' : 'add-voter', id: this.#outsider(confState) } : null
      case 'promote':
        return learners.length > 0 ? { kind: 'add-voter', id: random.pick(learners) } : null
      case 'demote':
        return voters.length > 1 ? { kind: 'add-learner', id: random.pick(voters) } : null
      case 'remove':
        return voters.length > 1 ? { kind: 'remove', id: random.pick([...voters, ...learners]) } : null
      case 'update':
        return { kind: 'update', id: random.pick(voters) }
    }
  }

  /** A node that was a member once, or a new one. */
  #outsider(confState: ConfState): NodeId {
    const former = [...this.#cluster.nodes.values()].filter((node) => !node.wiped && !isMember(confState, node.id))
    return former.length > 0 && this.#random.chance(0.6) ? this.#random.pick(former).id : this.#nextId++
  }
}

/** Leaves a joint configuration. */
const LEAVE: ConfChange = { transition: 'auto', steps: [] }

function simple(kind: ConfChangeStep['kind'], id: NodeId): ConfChange {
  return { transition: 'auto', steps: [{ kind, id }] }
}
