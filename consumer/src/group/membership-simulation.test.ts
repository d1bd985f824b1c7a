/**
 * Several membership cores against a small model of a coordinator, with seeded losses of requests and answers, slow
 * applications, members that leave, die and are removed. The model knows the rules of groups.proto and nothing of ours.
 *
 * After every event: no partition is with two members unless the coordinator has removed one of them; what a member has
 * told to be given up was finished, committed and released. Once faults stop, everything is owned as the model wants it.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { StratalogError } from '@stratalog/client'
import type { Heartbeat, HeartbeatAnswer, MemberEffect, MemberPartition } from './member-effects.ts'
import { Membership } from './membership.ts'

const SEEDS = 300
const STEPS = 600
const PARTITION_COUNT = 7
const INTERVAL_MS = 100
const SESSION_MS = 1_000
const TOPIC_ID = Buffer.alloc(16, 3)
const ALL: readonly number[] = Array.from({ length: PARTITION_COUNT }, (_, index) => index)

/** mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const place = (partition: number): MemberPartition => ({ topic: 't', topicId: TOPIC_ID, partition })

interface ModelMember {
  epoch: number
  assigned: Set<number>
  /** To be given up, and not told to be yet. */
  revoking: Set<number>
  heardMs: number
}

/** The coordinator, as the protocol describes it. */
class ModelCoordinator {
  readonly members = new Map<string, ModelMember>()
  #epoch = 0

  beat(id: string, heartbeat: Heartbeat, nowMs: number): HeartbeatAnswer | StratalogError {
    const { memberEpoch, owned } = heartbeat
    const known = this.members.get(id)
    if (memberEpoch < 0) {
      this.members.delete(id)
      return { memberEpoch, heartbeatIntervalMs: 0, assignment: null }
    }
    if (memberEpoch === 0) {
      assert.deepEqual(owned, [], 'joins with nothing')
      this.members.set(id, { epoch: ++this.#epoch, assigned: new Set(), revoking: new Set(), heardMs: nowMs })
    } else if (known === undefined) return new StratalogError('UNKNOWN_MEMBER_ID')
    else if (memberEpoch > known.epoch) return new StratalogError('FENCED_MEMBER_EPOCH')
    const member = this.members.get(id)!
    member.heardMs = nowMs
    if (owned !== null && memberEpoch === member.epoch) {
      const told = new Set(owned.map(({ partition }) => partition))
      for (const partition of member.revoking) if (!told.has(partition)) member.revoking.delete(partition)
    }
    this.#move(member, this.#wantedBy(id))
    const isNews = memberEpoch !== member.epoch
    return {
      memberEpoch: member.epoch,
      heartbeatIntervalMs: INTERVAL_MS,
      assignment: isNews ? [...member.assigned].map(place) : null,
    }
  }

  expire(nowMs: number): void {
    for (const [id, { heardMs }] of this.members) if (nowMs - heardMs > SESSION_MS) this.members.delete(id)
  }

  isSettled(): boolean {
    return [...this.members].every(([id, { assigned, revoking }]) => {
      return revoking.size === 0 && [...this.#wantedBy(id)].toSorted().join() === [...assigned].toSorted().join()
    })
  }

  #wantedBy(id: string): Set<number> {
    const ids = [...this.members.keys()].toSorted()
    return new Set(ALL.filter((partition) => ids[partition % ids.length] === id))
  }

  #move(member: ModelMember, wanted: ReadonlySet<number>): void {
    const gone = [...member.assigned].filter((partition) => !wanted.has(partition))
    const isTaken = (partition: number): boolean =>
      [...this.members.values()].some(({ assigned, revoking }) => assigned.has(partition) || revoking.has(partition))
    const fresh = [...wanted].filter((partition) => !isTaken(partition))
    for (const partition of gone) {
      member.assigned.delete(partition)
      member.revoking.add(partition)
    }
    for (const partition of fresh) member.assigned.add(partition)
    if (gone.length + fresh.length > 0) member.epoch = ++this.#epoch
  }
}

/** A member with an application that takes its time. */
class SimMember {
  readonly id: string
  readonly core: Membership
  /** What the application is reading or giving up. */
  readonly reading = new Set<number>()
  readonly #progress = new Map<number, 'revoke' | 'commit' | 'release'>()
  readonly outbox: Heartbeat[] = []
  isOver = false
  /** Since it stood still; until it has heard of the coordinator. */
  isHeld = false

  constructor(id: string, random: () => number) {
    this.id = id
    this.core = new Membership({ isStatic: false, sessionTimeoutMs: SESSION_MS, rebalanceTimeoutMs: 5_000, random })
  }

  apply(effects: readonly MemberEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send') this.outbox.push(effect.heartbeat)
      else if (effect.kind === 'left') this.isOver = true
      else if (effect.kind === 'fail') assert.fail(effect.error)
      else if (effect.kind === 'hold') this.isHeld = true
      else if (effect.kind === 'proceed') this.isHeld = false
      else if (effect.kind !== 'joined') for (const { partition } of effect.partitions) this.#on(effect.kind, partition)
    }
  }

  /** The application gets on with one thing. */
  work(nowMs: number, random: () => number): void {
    const chosen = [...this.#progress][Math.floor(random() * this.#progress.size)]
    if (chosen === undefined) return
    const [partition, step] = chosen
    this.#progress.delete(partition)
    if (step === 'revoke') this.apply(this.core.finished([place(partition)], nowMs))
    else if (step === 'commit') this.apply(this.core.committed([place(partition)], nowMs))
    else {
      this.reading.delete(partition)
      this.apply(this.core.givenUp([place(partition)], nowMs))
    }
  }

  #on(kind: 'assign' | 'revoke' | 'commit' | 'release' | 'lose', partition: number): void {
    if (kind === 'assign') {
      assert.ok(!this.reading.has(partition), `${this.id} is assigned ${partition} twice`)
      this.reading.add(partition)
    } else if (kind === 'lose') {
      this.reading.delete(partition)
      this.#progress.delete(partition)
    } else {
      assert.ok(this.reading.has(partition), `${kind} of a partition that ${this.id} does not have`)
      this.#progress.set(partition, kind)
    }
  }
}

interface Message {
  readonly atMs: number
  readonly deliver: () => void
}

class Simulation {
  readonly #random: () => number
  readonly #coordinator = new ModelCoordinator()
  readonly #members: SimMember[] = []
  #messages: Message[] = []
  #nowMs = 0
  #nextId = 1
  #isFaulty = true

  constructor(seed: number) {
    this.#random = randomOf(seed)
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) {
      if (this.#random() < 0.02 && this.#members.length < 4) this.#join()
      if (this.#random() < 0.01) this.#disturb()
      this.#step()
    }
    this.#isFaulty = false
    if (this.#members.length === 0) this.#join()
    for (let step = 0; step < 5_000 && !this.#isQuiet(); step++) this.#step()
    assert.ok(this.#isQuiet(), 'the group did not settle')
    assert.ok(!this.#members.some(({ isHeld }) => isHeld), 'a member is held for ever')
    assert.deepEqual(this.#members.flatMap(({ reading }) => [...reading]).toSorted(), ALL)
    for (const member of this.#members) member.apply(member.core.close(this.#nowMs, 1_000))
    for (let step = 0; step < 1_000 && this.#members.length > 0; step++) this.#step()
    assert.equal(this.#members.length, 0, 'not all have left')
    assert.equal(this.#coordinator.members.size, 0)
  }

  #isQuiet(): boolean {
    return (
      this.#coordinator.isSettled() &&
      // One that died is in the group until its session ends.
      this.#coordinator.members.size === this.#members.length &&
      this.#members.every(({ id, reading, isHeld }) => {
        const known = this.#coordinator.members.get(id)
        return (
          known !== undefined && !isHeld && [...known.assigned].toSorted().join() === [...reading].toSorted().join()
        )
      })
    )
  }

  #join(): void {
    const member = new SimMember(`m${this.#nextId++}`, this.#random)
    this.#members.push(member)
    member.apply(member.core.start(this.#nowMs))
  }

  /** A member leaves, dies, stands still, or is removed. */
  #disturb(): void {
    const index = Math.floor(this.#random() * this.#members.length)
    const member = this.#members[index]
    if (member === undefined) return
    const kind = this.#random()
    if (kind < 0.3) member.apply(member.core.close(this.#nowMs, 500))
    else if (kind < 0.5) this.#members.splice(index, 1)
    else if (kind < 0.7) this.#coordinator.members.delete(member.id)
    else {
      this.#nowMs += SESSION_MS * 2 * this.#random()
      member.apply(member.core.stoodStill(this.#nowMs))
    }
  }

  #step(): void {
    this.#nowMs += 1 + Math.floor(this.#random() * 20)
    const due = this.#messages.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#messages = this.#messages.filter(({ atMs }) => atMs > this.#nowMs)
    for (const { deliver } of due) {
      deliver()
      this.#check()
    }
    this.#coordinator.expire(this.#nowMs)
    for (const member of this.#members) {
      if (member.core.nextDeadlineMs <= this.#nowMs) member.apply(member.core.tick(this.#nowMs))
      if (this.#random() < 0.5) member.work(this.#nowMs, this.#random)
      for (const heartbeat of member.outbox.splice(0)) this.#send(member, heartbeat)
      this.#check()
    }
    for (let index = this.#members.length - 1; index >= 0; index--) {
      if (this.#members[index]?.isOver) this.#members.splice(index, 1)
    }
  }

  #send(member: SimMember, heartbeat: Heartbeat): void {
    const isLost = (): boolean => this.#isFaulty && this.#random() < 0.1
    const fail = (): void => {
      const error = new StratalogError('NETWORK_EXCEPTION')
      member.apply(member.core.failed(heartbeat.id, error, this.#nowMs))
    }
    if (isLost()) {
      this.#later(fail)
      return
    }
    this.#later(() => {
      const answer = this.#coordinator.beat(member.id, heartbeat, this.#nowMs)
      if (isLost()) this.#later(fail)
      else if (answer instanceof StratalogError) {
        this.#later(() => member.apply(member.core.failed(heartbeat.id, answer, this.#nowMs)))
      } else this.#later(() => member.apply(member.core.answered(heartbeat.id, answer, this.#nowMs)))
    })
  }

  #later(deliver: () => void): void {
    this.#messages.push({ atMs: this.#nowMs + 1 + Math.floor(this.#random() * 40), deliver })
  }

  #check(): void {
    const owners = new Map<number, string>()
    for (const { id, reading } of this.#members) {
      const known = this.#coordinator.members.get(id)
      for (const partition of reading) {
        // One that was removed reads on until it hears of it; its commits are refused.
        if (known === undefined || !(known.assigned.has(partition) || known.revoking.has(partition))) continue
        assert.equal(owners.get(partition), undefined, `${partition} is with ${owners.get(partition)} and ${id}`)
        owners.set(partition, id)
      }
    }
  }
}

it('settles from any faults, and never tells that it has given up what it is still at', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      new Simulation(seed).run()
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
})
