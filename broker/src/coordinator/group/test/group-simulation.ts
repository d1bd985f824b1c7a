/**
 * A group under faults, from one seed: members join, leave, die, pause and come back; requests and answers are lost, doubled
 * and late; the coordinator fails over and its log is cut at any record; topics come, grow and go.
 *
 * After every event:
 * - No partition is in the hands of two members that are not fenced, by what the members themselves hold.
 * - A committed offset never goes back while its topic is there, but by a reset; what was acknowledged stays.
 * - A commit that is accepted is for a partition that no other member of the group holds.
 * - No record is passed over: a member begins at an offset below which all was processed.
 * - The leader's state is the fold of its records (sim-coordinator.ts).
 * At the end faults stop: within a bounded time all is stable, and every partition is in the hands of one member.
 */
import assert from 'node:assert/strict'
import { StratalogError } from '@stratalog/proto'
import { Random, Timeline } from 'raft-ts/testing'
import { type Assignment, hasPartition } from '../assignment.ts'
import {
  type CommittedOffset,
  type GroupConfig,
  type HeartbeatRequest,
  type HeartbeatResponse,
  LEAVE_EPOCH,
  LEAVE_FOR_A_WHILE_EPOCH,
  type OffsetCommit,
  type Subscription,
} from '../group-api.ts'
import type { GroupRecord } from '../group-records.ts'
import { type TopicFacts, type Topics, topicsOf } from '../topics.ts'
import { CONFIG, topicId } from './shard-fixture.ts'
import { SimCoordinator } from './sim-coordinator.ts'
import { SimMember, type SimWorld } from './sim-member.ts'

/** How long faults go on, and how long the group may take afterwards: a session, a rebalance, and some heartbeats. */
const FAULTY_MS = 60_000
const HEALING_MS = 40_000
const SETTINGS: GroupConfig = {
  ...CONFIG,
  heartbeatIntervalMs: 500,
  sessionTimeoutMs: 6000,
  rebalanceTimeoutMs: 5000,
  offsetsRetentionMs: 20_000,
}
const GROUP_IDS = ['g', 'h']

/** See the file's header. */
export class GroupSimulation implements SimWorld {
  readonly timeline: Timeline = new Timeline()
  readonly random: Random
  readonly #coordinator: SimCoordinator
  readonly #members: SimMember[] = []
  #topics: Topics = topicsOf(1, [])
  #topicCount = 0
  #memberCount = 0
  #isFaulty = true
  /** The leader is not told of topics: it is about to be lost. */
  #isLeaderDeaf = false
  /** Highest committed offset by group and partition, of committed records. */
  readonly #committed = new Map<string, number>()
  /** End of what was processed without a gap. */
  readonly #processedEnd = new Map<string, number>()

  constructor(seed: number) {
    this.random = new Random(seed)
    const config = { ...SETTINGS, assignor: this.random.chance(0.7) ? 'uniform' : 'range' } as const
    this.#coordinator = new SimCoordinator(config, this.timeline, this.random, (record) => this.#onCommitted(record))
  }

  /** Runs to the end. Throws at the first thing that is not as it must be. @returns how many events there were. */
  run(): number {
    for (let i = 0; i < 3; i++) this.#createTopic()
    for (let i = 0; i < 5; i++) this.#addMember()
    this.#every(150, () => this.#coordinator.tick())
    this.#every(400, () => this.#isFaulty && this.#fault())
    this.#until(FAULTY_MS)
    this.#heal()
    this.#until(FAULTY_MS + HEALING_MS)
    this.#checkHealed()
    return this.timeline.eventCount
  }

  heartbeat(request: HeartbeatRequest, answer: (response: HeartbeatResponse | StratalogError) => void): void {
    this.#send(answer, (reply) =>
      this.#coordinator.handle((shard) => shard.heartbeat(request, this.#coordinator.nowMs), reply),
    )
  }

  commit(
    sender: SimMember,
    memberEpoch: number,
    commits: readonly OffsetCommit[],
    answer: (response: readonly CommittedOffset[] | StratalogError) => void,
  ): void {
    const { groupId, memberId } = sender
    const caller = { memberId, memberEpoch }
    this.#send(answer, (reply) => {
      const checked = (response: readonly CommittedOffset[] | StratalogError): void => {
        if (!(response instanceof StratalogError)) this.#checkAcknowledged(groupId, commits, response)
        reply(response)
      }
      const response = this.#coordinator.handle(
        (shard) => shard.commitOffsets(groupId, caller, commits, this.#coordinator.nowMs),
        checked,
      )
      if (response instanceof StratalogError) return
      for (const { topicId: id, partition, error } of response) {
        if (error === null) this.#checkNobodyElse(sender, id, partition)
      }
    })
  }

  fetch(
    sender: SimMember,
    partitions: Assignment,
    answer: (response: readonly CommittedOffset[] | StratalogError) => void,
  ): void {
    const { groupId, memberId, memberEpoch } = sender
    this.#send(answer, (reply) =>
      this.#coordinator.handle((shard) => shard.fetchOffsets(groupId, { memberId, memberEpoch }, partitions), reply),
    )
  }

  processed(id: string, partition: number, offset: number): void {
    const key = `${id}/${partition}`
    const end = this.#processedEnd.get(key) ?? 0
    assert.ok(offset <= end, `offset ${offset} of ${key} is processed, and ${end} was not`)
    this.#processedEnd.set(key, Math.max(end, offset + 1))
  }

  /** A request and its answer on the network: each may be late or lost, a request doubled too. */
  #send<Response>(answer: (response: Response) => void, deliver: (reply: (response: Response) => void) => void): void {
    const copies = this.#isFaulty && this.random.chance(0.15) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const delayMs = copy === 0 ? this.#delayMs() : this.random.below(6000)
      if (this.#isFaulty && this.random.chance(0.05)) continue
      const { reign } = this.#coordinator
      this.timeline.after(delayMs, () => {
        if (this.#coordinator.reign !== reign && this.random.chance(0.5)) return
        deliver((response) => {
          if (this.#isFaulty && this.random.chance(0.05)) return
          this.timeline.after(this.#delayMs(), () => answer(response))
        })
        this.#checkOwners()
      })
    }
  }

  #delayMs(): number {
    return this.#isFaulty && this.random.chance(0.05) ? this.random.below(9000) : 1 + this.random.below(10)
  }

  #fault(): void {
    const { random } = this
    const living = this.#members.filter(({ isDead }) => !isDead)
    const member = living.length === 0 ? null : random.pick(living)
    const dice = random.below(100)
    if (dice < 14) this.#addMember()
    else if (dice < 20) member?.die()
    else if (dice < 28) member?.leave(LEAVE_EPOCH)
    else if (dice < 40) this.#restart(member)
    else if (dice < 52) member?.pause(random.below(9000))
    else if (dice < 60) member?.resubscribe(this.#subscription())
    else if (dice < 72) this.#failOver()
    else if (dice < 78) this.#growTopic()
    else if (dice < 81) this.#createTopic()
    else if (dice < 84) this.#deleteTopic()
  }

  /** The next leader may know of topics that the last one did not, or not know yet of some that it did. */
  #failOver(): void {
    const former = this.#topics
    const isAhead = this.random.chance(0.4)
    this.#isLeaderDeaf = isAhead
    if (this.random.chance(0.4)) this.#growTopic()
    if (this.random.chance(0.2)) this.#deleteTopic()
    this.#isLeaderDeaf = false
    this.#coordinator.failOver(isAhead ? this.#topics : former)
    this.timeline.after(this.random.below(2000), () => this.#coordinator.setTopics(this.#topics))
  }

  /** A static member is replaced by its next process; a dynamic one leaves, and another comes. */
  #restart(member: SimMember | null): void {
    if (member === null) return
    if (this.random.chance(0.3)) member.die()
    else member.leave(member.instanceId === '' ? LEAVE_EPOCH : LEAVE_FOR_A_WHILE_EPOCH)
    this.timeline.after(this.random.below(3000), () => this.#addMember(member.groupId, member.instanceId))
  }

  #addMember(groupId: string = this.random.pick(GROUP_IDS), instanceId: string | null = null): void {
    if (this.#members.filter(({ isDead }) => !isDead).length >= 12) return
    const number = ++this.#memberCount
    const instance = instanceId ?? (this.random.chance(0.3) ? `i-${number}` : '')
    this.#members.push(new SimMember(this, groupId, `m-${number}`, instance, this.#subscription()))
  }

  #subscription(): Subscription {
    const { random } = this
    const names = random.chance(0.5) ? [] : [...this.#topics.byName.keys()].filter(() => random.chance(0.7))
    return {
      topics: names,
      topicPattern: names.length === 0 || random.chance(0.2) ? 't-.*' : '',
      rack: random.pick(['', 'r1', 'r2']),
      clientId: `c-${random.below(3)}`,
      rebalanceTimeoutMs: 0,
      sessionTimeoutMs: 0,
      assignor: random.pick(['', '', 'uniform', 'range']),
    }
  }

  #createTopic(): void {
    if (this.#topics.byName.size >= 6) return
    const number = ++this.#topicCount
    // A name may come back, with another id.
    const taken = [...this.#topics.byName.keys()]
    const name = this.random.pick(['t-1', 't-2', 't-3', 't-4', 't-5', 't-6', 'other'].filter((n) => !taken.includes(n)))
    const partitionCount = 1 + this.random.below(6)
    this.#setTopics([...this.#topics.byId.values(), this.#facts(name, topicId(number), partitionCount)])
  }

  #growTopic(): void {
    const all = [...this.#topics.byId.values()]
    if (all.length === 0) return
    const grown = this.random.pick(all)
    const partitionCount = Math.min(10, grown.partitionCount + 1 + this.random.below(3))
    this.#setTopics(all.map((each) => (each === grown ? this.#facts(grown.name, grown.topicId, partitionCount) : each)))
  }

  #deleteTopic(): void {
    const all = [...this.#topics.byId.values()]
    if (all.length < 2) return
    const gone = this.random.pick(all)
    for (const key of [...this.#committed.keys()]) if (key.includes(gone.topicId)) this.#committed.delete(key)
    this.#setTopics(all.filter((each) => each !== gone))
  }

  #facts(name: string, id: string, partitionCount: number): TopicFacts {
    const racks = this.random.chance(0.5)
      ? null
      : Array.from({ length: partitionCount }, () => [this.random.pick(['r1', 'r2', 'r3'])])
    return { name, topicId: id, partitionCount, racks }
  }

  #setTopics(topics: readonly TopicFacts[]): void {
    this.#topics = topicsOf(this.#topics.version + 1, topics)
    if (!this.#isLeaderDeaf) this.#coordinator.setTopics(this.#topics)
  }

  #onCommitted(record: GroupRecord): void {
    if (record.type !== 'offset') return
    const key = `${record.groupId}/${record.topicId}/${record.partition}`
    if (record.value === null) {
      this.#committed.delete(key)
      return
    }
    const before = this.#committed.get(key) ?? 0
    assert.ok(
      record.value.offset >= before,
      `the committed offset of ${key} goes from ${before} to ${record.value.offset}`,
    )
    this.#committed.set(key, record.value.offset)
  }

  #checkAcknowledged(groupId: string, commits: readonly OffsetCommit[], answers: readonly CommittedOffset[]): void {
    for (const [i, { error, offset }] of answers.entries()) {
      const { topicId: id, partition, offset: asked } = commits[i]!
      if (error !== null || !this.#topics.byId.has(id)) continue
      assert.ok(offset >= asked, 'what is acknowledged is not committed')
      assert.ok((this.#committed.get(`${groupId}/${id}/${partition}`) ?? -1) >= offset, 'what is acknowledged is lost')
    }
  }

  /** Whether the coordinator would still take the member at its word. */
  #isFenced({ groupId, memberId, memberEpoch }: SimMember): boolean {
    const member = this.#coordinator.describe(groupId)?.members.find((each) => each.memberId === memberId)
    return member === undefined || member.away || memberEpoch > member.memberEpoch
  }

  #checkOwners(): void {
    const owners = new Map<string, SimMember>()
    for (const member of this.#members) {
      if (member.isDead) continue
      const { owned } = member
      if (owned.size === 0 || this.#isFenced(member)) continue
      for (const [id, partitions] of owned) {
        for (const partition of partitions) {
          const key = `${member.groupId}/${id}/${partition}`
          const other = owners.get(key)
          assert.ok(other === undefined, `${key} is with ${member.memberId} and with ${other?.memberId}`)
          owners.set(key, member)
        }
      }
    }
  }

  #checkNobodyElse(sender: SimMember, id: string, partition: number): void {
    for (const other of this.#members) {
      if (other === sender || other.isDead || other.groupId !== sender.groupId || this.#isFenced(other)) continue
      assert.ok(!other.holds(id, partition), `${sender.memberId} commits for what ${other.memberId} holds`)
    }
  }

  #heal(): void {
    this.#isFaulty = false
    this.#coordinator.failOver(this.#topics)
    for (const member of this.#members) member.resume()
    for (const groupId of GROUP_IDS) if (this.random.chance(0.5)) this.#addMember(groupId)
  }

  #checkHealed(): void {
    for (const groupId of GROUP_IDS) {
      const members = this.#members.filter((each) => !each.isDead && each.groupId === groupId)
      if (members.length === 0) continue
      const group = this.#coordinator.describe(groupId)
      assert.equal(group?.state, 'stable', `group ${groupId} is stuck`)
      assert.deepEqual(group?.members.map((each) => each.memberId).sort(), members.map((each) => each.memberId).sort())
      for (const member of members) this.#checkMember(member)
      for (const { name, topicId: id, partitionCount } of this.#topics.byId.values()) {
        if (!members.some(({ subscription }) => isSubscribed(subscription, name))) continue
        for (let partition = 0; partition < partitionCount; partition++) {
          const holders = members.filter((member) => hasPartition(member.owned, id, partition))
          assert.equal(holders.length, 1, `${name}-${partition} of group ${groupId} has ${holders.length} owners`)
          assert.ok(isSubscribed(holders[0]!.subscription, name), 'it is with somebody who did not ask for it')
        }
      }
    }
  }

  /** What the coordinator believes of a member is what the member says. */
  #checkMember(member: SimMember): void {
    const known = this.#coordinator.describe(member.groupId)!.members.find((each) => each.memberId === member.memberId)!
    assert.deepEqual(known.assigned, member.owned, `${member.memberId} does not have what it was told`)
    assert.deepEqual([...known.subscription.topics], [...member.subscription.topics].sort())
    assert.equal(known.subscription.topicPattern, member.subscription.topicPattern)
    assert.equal(known.subscription.clientId, member.subscription.clientId)
    for (const id of member.owned.keys())
      assert.ok(this.#topics.byId.has(id), `${member.memberId} holds a topic that is gone`)
  }

  #every(ms: number, run: () => void): void {
    this.timeline.after(ms, () => {
      run()
      this.#every(ms, run)
    })
  }

  #until(ms: number): void {
    while (this.timeline.now < ms) {
      this.timeline.step()
      if (this.timeline.eventCount % 32 === 0) this.#checkOwners()
    }
  }
}

function isSubscribed({ topics, topicPattern }: Subscription, name: string): boolean {
  return topics.includes(name) || (topicPattern !== '' && name.startsWith('t-'))
}
