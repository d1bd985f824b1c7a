/**
 * A member's process under simulation: a client that does what good clients do, on a network that does not.
 *
 * It presents the epoch it received last; an answer with another epoch is followed by a heartbeat in full. Partitions that it is
 * not to have any more it gives up when the record in hand is done. It commits as it goes. Told that it is fenced it gives up
 * everything and joins anew. It may be paused at any moment, with requests under way that arrive late.
 */
import { StratalogError } from '@stratalog/proto'
import type { Random, Timeline } from 'raft-ts/testing'
import { type Assignment, assignmentOf, EMPTY_ASSIGNMENT, hasPartition } from '../assignment.ts'
import type { CommittedOffset, HeartbeatRequest, HeartbeatResponse, OffsetCommit, Subscription } from '../group-api.ts'

/** What a member asks of the world. */
export interface SimWorld {
  readonly timeline: Timeline
  readonly random: Random
  /** Sends; `answer` may run never, late, or for each copy of the request. */
  heartbeat(request: HeartbeatRequest, answer: (response: HeartbeatResponse | StratalogError) => void): void
  commit(
    sender: SimMember,
    memberEpoch: number,
    commits: readonly OffsetCommit[],
    answer: (response: readonly CommittedOffset[] | StratalogError) => void,
  ): void
  fetch(
    sender: SimMember,
    partitions: Assignment,
    answer: (response: readonly CommittedOffset[] | StratalogError) => void,
  ): void
  /** The member has processed the record at `offset`. */
  processed(topicId: string, partition: number, offset: number): void
}

/** One partition in a member's hands. */
interface Held {
  readonly topicId: string
  readonly partition: number
  /** Next record; null until the committed offset is known. */
  position: number | null
  isLeaving: boolean
}

/** See the file's header. Owner: the simulation. */
export class SimMember {
  readonly groupId: string
  readonly memberId: string
  readonly instanceId: string
  readonly #world: SimWorld
  #subscription: Subscription
  readonly #held = new Map<string, Held>()
  memberEpoch = 0
  /** Ends of its life: it sends no more and takes no more. */
  isDead = false
  isLeaving = false
  #pausedUntilMs = 0
  #needsFull = true
  /** The request that is waited for; answers to others are too late. */
  #requestNumber = 0
  #isWaiting = false
  #intervalMs = 100

  constructor(world: SimWorld, groupId: string, memberId: string, instanceId: string, subscription: Subscription) {
    this.#world = world
    this.groupId = groupId
    this.memberId = memberId
    this.instanceId = instanceId
    this.#subscription = subscription
    this.#beat()
    this.#work()
  }

  /** What it may be reading. */
  get owned(): Assignment {
    return assignmentOf([...this.#held.values()].map(({ topicId, partition }) => [topicId, [partition]] as const))
  }

  holds(topicId: string, partition: number): boolean {
    return this.#held.has(keyOf(topicId, partition))
  }

  get subscription(): Subscription {
    return this.#subscription
  }

  resubscribe(subscription: Subscription): void {
    this.#subscription = subscription
    this.#needsFull = true
  }

  /** Stops where it is, as a process that gets no time does. */
  pause(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#world.timeline.now + ms)
  }

  resume(): void {
    this.#pausedUntilMs = 0
  }

  die(): void {
    this.isDead = true
    this.#held.clear()
  }

  /** Ends well: gives up, commits, leaves. @param epoch -1, or -2 for a static member that will be back. */
  leave(epoch: number): void {
    this.#commit()
    this.die()
    this.isLeaving = true
    this.#world.heartbeat({ ...this.#request(true), memberEpoch: epoch }, () => {})
  }

  #request(isFull: boolean): HeartbeatRequest {
    return {
      groupId: this.groupId,
      memberId: this.memberId,
      memberEpoch: this.memberEpoch,
      instanceId: this.instanceId,
      subscription: isFull ? this.#subscription : null,
      owned: isFull || this.#world.random.chance(0.5) ? this.owned : null,
      stalls: [],
      address: '10.0.0.1',
    }
  }

  /** Runs `step` when the process gets time next; never when it is dead. */
  #run(delayMs: number, step: () => void): void {
    const { timeline } = this.#world
    timeline.after(delayMs, () => {
      if (this.isDead) return
      if (this.#pausedUntilMs > timeline.now) this.#run(this.#pausedUntilMs - timeline.now, step)
      else step()
    })
  }

  #beat(): void {
    const number = ++this.#requestNumber
    const isFull = this.#needsFull || this.memberEpoch === 0
    this.#isWaiting = true
    this.#world.heartbeat(this.#request(isFull), (response) =>
      this.#run(0, () => {
        if (number !== this.#requestNumber || !this.#isWaiting) return
        this.#isWaiting = false
        this.#answered(response)
        this.#run(this.#needsFull ? 1 : this.#intervalMs, () => this.#beatIfDue(number))
      }),
    )
    this.#run(2000, () => {
      if (number === this.#requestNumber && this.#isWaiting) this.#beat()
    })
  }

  #beatIfDue(number: number): void {
    if (number === this.#requestNumber && !this.#isWaiting) this.#beat()
  }

  #answered(response: HeartbeatResponse | StratalogError): void {
    if (response instanceof StratalogError) {
      if (response.code === 'UNKNOWN_MEMBER_ID' || response.code === 'FENCED_MEMBER_EPOCH') {
        this.#held.clear()
        this.memberEpoch = 0
      }
      this.#needsFull = true
      this.#intervalMs = 500
      return
    }
    this.#needsFull = response.memberEpoch !== this.memberEpoch
    this.memberEpoch = response.memberEpoch
    this.#intervalMs = response.heartbeatIntervalMs
    if (response.assignment !== null) this.#assigned(response.assignment)
  }

  #assigned(assignment: Assignment): void {
    for (const held of this.#held.values()) {
      if (hasPartition(assignment, held.topicId, held.partition) || held.isLeaving) continue
      held.isLeaving = true
      const slow = this.#world.random.chance(0.2)
      this.#run(this.#world.random.below(slow ? 8000 : 200), () => this.#giveUp(held))
    }
    // Some begin at once, some after their hooks: until then they do not say that they have it.
    const { memberEpoch } = this
    this.#run(this.#world.random.chance(0.8) ? 0 : this.#world.random.below(1500), () => {
      if (this.memberEpoch === memberEpoch) this.#take(assignment)
    })
  }

  #take(assignment: Assignment): void {
    for (const [topicId, partitions] of assignment) {
      for (const partition of partitions) {
        if (this.#held.has(keyOf(topicId, partition))) continue
        this.#held.set(keyOf(topicId, partition), { topicId, partition, position: null, isLeaving: false })
      }
    }
    this.#fetch()
  }

  #giveUp(held: Held): void {
    if (this.#held.get(keyOf(held.topicId, held.partition)) !== held) return
    this.#commit()
    this.#held.delete(keyOf(held.topicId, held.partition))
    this.#needsFull = true
    if (!this.#isWaiting) this.#beat()
  }

  #fetch(): void {
    const open = [...this.#held.values()].filter(({ position }) => position === null)
    if (open.length === 0 || this.memberEpoch === 0) return
    const wanted = assignmentOf(open.map(({ topicId, partition }) => [topicId, [partition]] as const))
    this.#world.fetch(this, wanted, (response) =>
      this.#run(0, () => {
        if (response instanceof StratalogError) return
        for (const { topicId, partition, offset } of response) {
          const held = this.#held.get(keyOf(topicId, partition))
          if (held !== undefined && open.includes(held)) held.position ??= Math.max(offset, 0)
        }
      }),
    )
  }

  /** Processes what it holds, and commits now and then. */
  #work(): void {
    const { random } = this.#world
    for (const held of this.#held.values()) {
      if (held.position === null || held.isLeaving || random.chance(0.3)) continue
      this.#world.processed(held.topicId, held.partition, held.position)
      held.position++
    }
    if (random.chance(0.3)) this.#commit()
    this.#fetch()
    this.#run(50 + random.below(200), () => this.#work())
  }

  #commit(): void {
    const commits = [...this.#held.values()]
      .filter(({ position }) => position !== null)
      .map(({ topicId, partition, position }) => ({
        topicId,
        partition,
        offset: position!,
        leaderEpoch: 1,
        metadata: '',
      }))
    if (commits.length > 0 && this.memberEpoch > 0) this.#world.commit(this, this.memberEpoch, commits, () => {})
  }
}

/** No partitions: what a member that joins says that it has. */
export const NOTHING: Assignment = EMPTY_ASSIGNMENT

function keyOf(topicId: string, partition: number): string {
  return `${topicId}/${partition}`
}
