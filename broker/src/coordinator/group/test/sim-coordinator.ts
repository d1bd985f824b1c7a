/**
 * A coordinator under simulation: a leading shard, a log that commits late, and failovers that cut it at any record.
 *
 * Every record goes through its bytes. After every event the leader's state must be what a follower that folds the same records
 * has (`mirror`), and after every failover what a fold of the whole log and of its checkpoint gives.
 */
import assert from 'node:assert/strict'
import { StratalogError } from '@stratalog/proto'
import type { Random, Timeline } from 'raft-ts/testing'
import { hasPartition } from '../assignment.ts'
import type { GroupChange, GroupConfig, GroupDescription, Outcome, Result } from '../group-api.ts'
import type { GroupRecord } from '../group-records.ts'
import { GroupShard } from '../group-shard.ts'
import { decodeRecord, encodeRecord } from '../record-codec.ts'
import { NO_TOPICS, type Topics, topicsDelta } from '../topics.ts'

/** What is sent when all records before `end` are committed. */
interface Parked {
  readonly end: number
  readonly release: () => void
}

/** See the file's header. Owner: the simulation. */
export class SimCoordinator {
  readonly config: GroupConfig
  readonly #timeline: Timeline
  readonly #random: Random
  /** Told of each record once it is committed. */
  readonly #onCommitted: (record: GroupRecord) => void
  shard: GroupShard
  /** Counts coordinators: what is for an earlier one is lost. */
  reign = 0
  #mirror: GroupShard
  #log: GroupRecord[] = []
  #committedEnd = 0
  #parked: Parked[] = []
  #topics: Topics = NO_TOPICS
  /** Members that were told to come for news, or may have missed it in a failover. */
  readonly #woken = new Set<string>()

  constructor(config: GroupConfig, timeline: Timeline, random: Random, onCommitted: (record: GroupRecord) => void) {
    this.config = config
    this.#timeline = timeline
    this.#random = random
    this.#onCommitted = onCommitted
    this.shard = new GroupShard(config)
    this.#mirror = new GroupShard(config)
    this.#note(this.shard.takeLead(this.#topics, this.nowMs))
  }

  get nowMs(): number {
    return 1_700_000_000_000 + this.#timeline.now
  }

  /** One event of the leader; `answer` runs once its records, and all before them, are committed. */
  handle<Response>(
    event: (shard: GroupShard) => Result<Response>,
    answer: (response: Response | StratalogError) => void,
  ): Response | StratalogError {
    const result = event(this.shard)
    const refused = result instanceof StratalogError
    if (!refused && result.records.length > 0) {
      this.#append(result)
      this.check()
    }
    const response = refused ? result : result.response
    this.#park(() => answer(response))
    return response
  }

  setTopics(topics: Topics): void {
    const delta = topicsDelta(this.#topics, topics)
    this.#topics = topics
    this.#note(this.shard.topicsChanged(delta, this.nowMs))
  }

  tick(): void {
    this.#note(this.shard.tick(this.nowMs))
  }

  /** The lead is lost; of what was not committed, the next leader has a part that ends at any record. */
  failOver(topicsOfNext: Topics): void {
    const kept = this.#random.between(this.#committedEnd, this.#log.length)
    this.#log = this.#log.slice(0, kept)
    this.reign++
    this.#parked = []
    this.#commitUpTo(kept)
    const checkpointed = rebuilt(this.config, [...rebuilt(this.config, this.#log).checkpoint()])
    this.shard = rebuilt(this.config, this.#log)
    assertSame(this.shard, checkpointed, 'a fold of the checkpoint')
    this.#mirror = rebuilt(this.config, this.#log)
    this.#topics = topicsOfNext
    this.#woken.clear()
    for (const { groupId } of this.shard.list()) {
      for (const { memberId } of this.describe(groupId)?.members ?? []) this.#woken.add(memberId)
    }
    this.#note(this.shard.takeLead(topicsOfNext, this.nowMs))
  }

  describe(groupId: string): GroupDescription | null {
    const description = this.shard.describe(groupId, this.nowMs)
    return description instanceof StratalogError ? null : description
  }

  /** Throws when something is not as it must be. */
  check(): void {
    this.shard.checkInvariants()
    assertSame(this.shard, this.#mirror, 'what a follower folded')
    for (const { groupId } of this.shard.list()) {
      const group = this.describe(groupId)!
      for (const member of group.members) {
        if (!hasNews(group, member)) this.#woken.delete(member.memberId)
        else assert.ok(this.#woken.has(member.memberId), `member ${member.memberId} has news and was not woken`)
      }
    }
  }

  #note(changes: readonly GroupChange[]): void {
    for (const change of changes) this.#append(change)
    if (changes.length > 0) this.check()
  }

  #append({ records, wakes }: Pick<Outcome<unknown>, 'records' | 'wakes'>): void {
    for (const record of records) {
      const { key, value } = encodeRecord(record)
      const decoded = decodeRecord(key, value)
      assert.ok('groupId' in decoded)
      this.#log.push(decoded)
      this.#mirror.fold(decoded)
    }
    for (const memberId of wakes) this.#woken.add(memberId)
    if (records.length === 0) return
    const { reign } = this
    const end = this.#log.length
    this.#timeline.after(this.#random.chance(0.05) ? this.#random.below(3000) : this.#random.below(20), () => {
      if (this.reign === reign) this.#commitUpTo(end)
    })
  }

  #park(release: () => void): void {
    if (this.#committedEnd === this.#log.length) release()
    else this.#parked.push({ end: this.#log.length, release })
  }

  #commitUpTo(end: number): void {
    for (; this.#committedEnd < end; this.#committedEnd++) this.#onCommitted(this.#log[this.#committedEnd]!)
    const due = this.#parked.filter((parked) => parked.end <= this.#committedEnd)
    this.#parked = this.#parked.filter((parked) => parked.end > this.#committedEnd)
    for (const { release } of due) release()
  }
}

/** A follower that has folded these records. */
function rebuilt(config: GroupConfig, records: readonly GroupRecord[]): GroupShard {
  const shard = new GroupShard(config)
  for (const record of records) shard.fold(record)
  return shard
}

function assertSame(left: GroupShard, right: GroupShard, what: string): void {
  assert.deepEqual(bytesOf(left), bytesOf(right), `the leader's state is not ${what}`)
  assert.equal(left.stateBytes, right.stateBytes, `the leader's size is not that of ${what}`)
}

function bytesOf(shard: GroupShard): string[] {
  return [...shard.checkpoint()]
    .map((record) => {
      const { key, value } = encodeRecord(sorted(record))
      return `${record.type} ${key.toString('hex')} ${value?.toString('hex')}`
    })
    .sort()
}

/** Maps in one order, so that equal sets have equal bytes. */
function sorted(record: GroupRecord): GroupRecord {
  const inOrder = <Value>(map: ReadonlyMap<string, Value>) => new Map([...map].sort())
  if (record.type === 'target' && record.value !== null) {
    return { ...record, value: { partitions: inOrder(record.value.partitions) } }
  }
  if (record.type !== 'current' || record.value === null) return record
  const { assigned, revoking } = record.value
  return { ...record, value: { ...record.value, assigned: inOrder(assigned), revoking: inOrder(revoking) } }
}

/** Whether the next heartbeat of the member would bring something, told by the description alone. */
function hasNews(group: GroupDescription, member: GroupDescription['members'][number]): boolean {
  if (member.away) return false
  const isOwned = (topicId: string, partition: number): boolean =>
    group.members.some(
      (m) => hasPartition(m.assigned, topicId, partition) || hasPartition(m.revoking, topicId, partition),
    )
  for (const [topicId, partitions] of member.assigned) {
    if (member.revoking.size > 0) break
    if (partitions.some((partition) => !hasPartition(member.target, topicId, partition))) return true
  }
  for (const [topicId, partitions] of member.target) {
    if (partitions.some((partition) => !isOwned(topicId, partition))) return true
  }
  return false
}
