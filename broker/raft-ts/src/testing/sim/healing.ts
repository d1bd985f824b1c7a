/**
 * The second part of a run: everything works again, and the group must show it.
 *
 * Within a bounded time it elects a leader, commits a fresh proposal, and brings every member's log to the same committed
 * end. A group that goes quiescent must do so, stay silent, and wake when it is needed.
 */
import type { ConfState } from '../../core/conf-change.ts'
import { isMember, isVoter } from '../../core/membership.ts'
import { majorityOf } from '../../core/quorum.ts'
import type { Clients } from './clients.ts'
import type { Cluster } from './cluster.ts'
import type { Operator } from './operator.ts'
import { LATE_MAX_MS } from './sim-network.ts'
import type { SimNode } from './sim-node.ts'
import { hold, InvariantViolation } from './violation.ts'

/** Time in which a healed group must have recovered, in milliseconds: some thirty of the longest election timeouts. */
const RECOVERY_MS = 120_000
const STEP_MS = 200
const SILENCE_MS = 5_000

/** Heals a group and watches it recover. */
export class Healing {
  readonly #cluster: Cluster
  readonly #operator: Operator
  readonly #clients: Clients
  #freshPayload = 0
  #freshCommitted = false

  constructor(cluster: Cluster, operator: Operator, clients: Clients) {
    this.#cluster = cluster
    this.#operator = operator
    this.#clients = clients
  }

  /** Runs until the group has recovered. Returns how long it took, in milliseconds. */
  run(): number {
    const from = this.#cluster.timeline.now
    // Sometimes everything restarts, so that an election has to be held with whatever each has on its disk.
    if (this.#cluster.random.chance(0.3)) for (const node of this.#cluster.running()) this.#cluster.crash(node)
    this.#mend()
    this.#await('recover', () => this.#recovered())
    const tookMs = this.#cluster.timeline.now - from
    if (this.#cluster.random.chance(0.5)) this.#removeLeader()
    if ((this.#cluster.options.raft.quiesceAfterTicks ?? 0) > 0) this.#goQuiet()
    else this.#stayStable()
    return tookMs
  }

  #mend(): void {
    const { network, nodes, options } = this.#cluster
    this.#cluster.healed = true
    network.mend()
    network.link = {
      loss: 0,
      duplication: 0,
      late: 0,
      ordered: true,
      delayMaxMs: Math.min(20, options.link.delayMaxMs),
    }
    for (const node of nodes.values()) {
      node.slowDiskUntilMs = 0
      node.diskFails = false
      node.tickMs = options.tickMs
      this.#cluster.resume(node)
      // Nobody is being drained any more: with nobody willing to lead, nobody would.
      node.priority = Math.max(1, node.priority)
      this.#cluster.input(node, (raw) => raw.setPriority(node.priority))
      if (!node.up && !node.wiped) this.#cluster.start(node)
    }
  }

  #await(what: string, done: () => boolean): void {
    const { timeline } = this.#cluster
    const deadline = timeline.now + RECOVERY_MS
    for (;;) {
      this.#pass(STEP_MS)
      this.#watchNodes()
      if (done()) return
      if (timeline.now > deadline) {
        throw new InvariantViolation('progress-after-healing', `the group does not ${what}: ${this.#describe()}`)
      }
    }
  }

  /** Lets time pass. */
  #pass(durationMs: number): void {
    const { timeline } = this.#cluster
    const until = timeline.now + durationMs
    while (timeline.now < until && timeline.step()) {
      // One event after the other.
    }
  }

  /** What the people and processes around a group do: notice what is gone, and put away what is no member any more. */
  #watchNodes(): void {
    this.#bringBack()
    const leader = this.#operator.leader()
    if (leader === null) return
    const { confState } = leader.app
    for (const node of this.#cluster.nodes.values()) {
      if (node.wiped || !leader.raw!.status().leaderReady) continue
      const member = isMember(confState, node.id)
      if (member || !node.up || node === leader) continue
      node.retired = true
      this.#cluster.crash(node)
    }
  }

  /** A node that was put away too early, as a change that makes it a member was still on its way. */
  #bringBack(): void {
    const { nodes } = this.#cluster
    const running = this.#cluster.running()
    for (const node of nodes.values()) {
      if (!node.retired || node.up || !running.some((other) => isMember(other.app.confState, node.id))) continue
      node.retired = false
      this.#cluster.start(node)
    }
  }

  #recovered(): boolean {
    const leader = this.#operator.leader()
    if (leader === null || !leader.raw!.status().leaderReady) return false
    this.#operator.leaveJoint(leader)
    if (!this.#freshCommitted) {
      this.#freshCommitted = this.#isCommitted(this.#freshPayload)
      if (!this.#freshCommitted) this.#freshPayload = this.#clients.propose(leader, 1)
      return false
    }
    if (leader.app.confState.votersOutgoing.length > 0) return false
    return this.#members(leader).every((node) => isLevelWith(node, leader))
  }

  #isCommitted(payload: number): boolean {
    return payload > 0 && this.#cluster.ledger.isCommitted(payload)
  }

  #members(leader: SimNode): SimNode[] {
    const { confState } = leader.app
    return [...this.#cluster.nodes.values()].filter((node) => isMember(confState, node.id) && !node.wiped)
  }

  /** A leader that is removed leads until that is committed, and not for longer. */
  #removeLeader(): void {
    const old = this.#operator.leader()!
    const { voters, votersOutgoing } = old.app.confState
    const alive = voters.every((id) => this.#cluster.nodes.get(id)?.wiped === false)
    if (!alive || voters.length < 3 || votersOutgoing.length > 0) return
    const transition = this.#cluster.random.pick(['auto', 'implicit'] as const)
    if (!this.#operator.propose(old, { transition, steps: [{ kind: 'remove', id: old.id }] })) return
    this.#startOver()
    this.#await('replace its leader', () => this.#operator.leader() !== old && this.#recovered())
  }

  /** Another fresh proposal has to be committed. */
  #startOver(): void {
    this.#freshCommitted = false
    this.#freshPayload = 0
  }

  /** With nothing wrong, whoever leads keeps leading. */
  #stayStable(): void {
    const { tickMs, electionTicks } = this.#cluster.options
    // What was late when the group was healed may still cost it one more election.
    this.#pass(LATE_MAX_MS)
    this.#await('recover', () => this.#recovered())
    const term = this.#operator.leader()!.term
    this.#pass(4 * electionTicks * tickMs)
    const leader = this.#operator.leader()
    hold(leader?.term === term, 'stable-after-healing', () => `the leader of term ${term} was lost without a reason`)
  }

  /** An idle group falls silent, and a lost leader or a new proposal wakes it. */
  #goQuiet(): void {
    const leader = this.#operator.leader()!
    const members = this.#members(leader)
    const { voters, learners } = leader.app.confState
    if (members.length < voters.length + learners.length) return
    // A learner that something late has woken stays awake, and silent: it does not campaign.
    const isQuiet = (): boolean => members.every((node) => !isVoter(leader.app.confState, node.id) || isSilent(node))
    // Messages that were late when the group was healed, and those that crossed the last one, may wake it once more.
    this.#pass(LATE_MAX_MS)
    this.#await('fall silent', isQuiet)
    this.#pass(STEP_MS)
    this.#await('fall silent', isQuiet)
    const { network } = this.#cluster
    const sent = network.sentCount
    this.#pass(SILENCE_MS)
    hold(
      network.sentCount === sent,
      'quiescent-silence',
      () => `${network.sentCount - sent} messages in a silent group`,
    )
    if (voters.length < 3) return
    this.#cluster.crash(leader)
    this.#startOver()
    const others = members.filter((node) => node !== leader)
    for (const node of others) this.#cluster.input(node, (raw) => raw.peerLost(leader.id))
    this.#await('wake without its leader', () => this.#recoveredWithout(leader))
  }

  #recoveredWithout(lost: SimNode): boolean {
    const leader = this.#operator.leader()
    if (!lost.up && leader !== null && leader.raw!.status().leaderReady) this.#cluster.start(lost)
    return this.#recovered()
  }

  #describe(): string {
    return [...this.#cluster.nodes.values()]
      .filter((node) => !node.wiped)
      .map((node) => describeNode(node))
      .join('; ')
  }
}

/** Whether a majority of every configuration that any node is in can run again. */
export function canRecover(cluster: Cluster): boolean {
  const confStates: ConfState[] = [...cluster.ledger.configs.map(({ confState }) => confState)].slice(-1)
  for (const node of cluster.nodes.values()) if (!node.wiped) confStates.push(node.app.confState)
  return confStates.every(({ voters, votersOutgoing }) =>
    [voters, votersOutgoing].every((ids) => {
      const alive = ids.filter((id) => cluster.nodes.get(id)?.wiped === false)
      return ids.length === 0 || alive.length >= majorityOf(ids.length)
    }),
  )
}

function isSilent(node: SimNode): boolean {
  return node.raw?.status().quiescent === true
}

function isLevelWith(node: SimNode, leader: SimNode): boolean {
  const end = leader.writtenEnd
  return node.up && node.commit === end && node.writtenEnd === end && node.app.position === end
}

function describeNode(node: SimNode): string {
  if (!node.up) return `${node.id} is down`
  const { role, term, startPosition, endPosition, commit, applied, confState, progress } = node.raw!.status()
  const peers = progress.map((p) => `${p.id}:${p.state} ${p.match}/${p.next}${p.paused ? ' paused' : ''}`).join(', ')
  return (
    `${node.id} ${role} term ${term} log ${startPosition}..${endPosition} commit ${commit} applied ${applied} ` +
    `voters ${confState.voters}|${confState.votersOutgoing} learners ${confState.learners} ${peers}`
  )
}
