/**
 * An assignment in the making: all partitions in one row of numbers, who owns each, and how many each member has.
 *
 * Invariant: `loads[i]` is the number of partitions that member i owns; only subscribers own a partition.
 */
import { type Assignment, assignmentOf } from '../assignment.ts'
import type { AssignorMember, SubscribedTopic } from './assignor.ts'

/** No owner yet. */
export const NOBODY = -1

/** Owner: the assignor that made it. */
export class PartitionPlan {
  readonly members: readonly AssignorMember[]
  readonly topics: readonly SubscribedTopic[]
  /** Position of each topic's first partition in the row, and the row's end. */
  readonly bases: Int32Array
  /** Position of the owner in `members`, or {@link NOBODY}. */
  readonly owners: Int32Array
  readonly loads: Int32Array
  readonly #topicAt: Int32Array

  constructor(members: readonly AssignorMember[], topics: readonly SubscribedTopic[]) {
    this.members = members
    this.topics = topics
    this.bases = new Int32Array(topics.length + 1)
    for (const [t, { topic }] of topics.entries()) this.bases[t + 1] = this.bases[t]! + topic.partitionCount
    this.owners = new Int32Array(this.size).fill(NOBODY)
    this.#topicAt = new Int32Array(this.size)
    for (const t of topics.keys()) this.#topicAt.fill(t, this.bases[t]!, this.bases[t + 1]!)
    this.loads = new Int32Array(members.length)
  }

  /** Partitions in all. */
  get size(): number {
    return this.bases[this.topics.length]!
  }

  /** Gives the partition to the member, from whoever has it. */
  give(position: number, member: number): void {
    this.take(position)
    this.owners[position] = member
    this.loads[member]!++
  }

  /** Takes the partition from whoever has it. */
  take(position: number): void {
    const owner = this.owners[position]!
    if (owner === NOBODY) return
    this.owners[position] = NOBODY
    this.loads[owner]!--
  }

  /** Each member keeps what it had, as far as that still is there and it still subscribes to it. */
  keepPrevious(): void {
    const indexOf = new Map(this.topics.map(({ topic }, t) => [topic.topicId, t]))
    const subscribed = new Map<readonly unknown[], ReadonlySet<string>>()
    for (const [i, { previous, topics }] of this.members.entries()) {
      let ids = subscribed.get(topics)
      if (ids === undefined) {
        ids = new Set(topics.map((topic) => topic.topicId))
        subscribed.set(topics, ids)
      }
      for (const [topicId, partitions] of previous) {
        const t = indexOf.get(topicId)
        if (t === undefined || !ids.has(topicId)) continue
        for (const partition of partitions) this.#keep(t, partition, i)
      }
    }
  }

  /** Racks that hold a copy of the partition; none when unknown. */
  racksAt(position: number): readonly string[] {
    const t = this.#topicAt[position]!
    return this.topics[t]!.topic.racks?.[position - this.bases[t]!] ?? []
  }

  /** Whether a copy of the partition is in the member's rack. */
  isLocal(position: number, member: number): boolean {
    const { rack } = this.members[member]!
    return rack !== null && this.racksAt(position).includes(rack)
  }

  /** What each member owns. */
  toAssignments(): readonly Assignment[] {
    const entries = this.members.map((): [string, number[]][] => [])
    for (const [t, { topic }] of this.topics.entries()) {
      const base = this.bases[t]!
      for (let partition = 0; partition < topic.partitionCount; partition++) {
        const mine = entries[this.owners[base + partition]!]!
        const last = mine.at(-1)
        if (last?.[0] === topic.topicId) last[1].push(partition)
        else mine.push([topic.topicId, [partition]])
      }
    }
    return entries.map((each) => assignmentOf(each))
  }

  #keep(t: number, partition: number, member: number): void {
    if (partition >= this.topics[t]!.topic.partitionCount) return
    const position = this.bases[t]! + partition
    if (this.owners[position] === NOBODY) this.give(position, member)
  }
}
