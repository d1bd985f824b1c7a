/** A shard with a clock and members that say what they are told to, for tests. */
import assert from 'node:assert/strict'
import { type ErrorName, StratalogError } from '@stratalog/proto'
import { type Assignment, assignmentOf } from '../assignment.ts'
import type {
  Caller,
  CommittedOffset,
  GroupChange,
  GroupConfig,
  GroupDescription,
  HeartbeatRequest,
  HeartbeatResponse,
  OffsetCommit,
  Outcome,
  Result,
  Subscription,
} from '../group-api.ts'
import type { GroupRecord } from '../group-records.ts'
import { GroupShard } from '../group-shard.ts'
import { type TopicFacts, type Topics, topicsDelta, topicsOf } from '../topics.ts'

/** Settings of the tests. */
export const CONFIG: GroupConfig = {
  heartbeatIntervalMs: 3000,
  sessionTimeoutMs: 45_000,
  sessionTimeoutMinMs: 1000,
  sessionTimeoutMaxMs: 1_800_000,
  rebalanceTimeoutMs: 60_000,
  groupSizeMax: 1000,
  assignor: 'uniform',
  offsetsRetentionMs: 604_800_000,
}

/** A topic id made of a small number. */
export function topicId(n: number): string {
  return n.toString(16).padStart(32, '0')
}

/** A topic. @param racks of each partition's copies. */
export function topic(
  name: string,
  id: number,
  partitionCount: number,
  racks: readonly (readonly string[])[] | null = null,
): TopicFacts {
  return { name, topicId: topicId(id), partitionCount, racks }
}

/** Partitions of the topic of that number. */
export function parts(id: number, ...partitions: number[]): Assignment {
  return assignmentOf([[topicId(id), partitions]])
}

/** A subscription to these topics. */
export function subscribe(topics: readonly string[], more: Partial<Subscription> = {}): Subscription {
  return {
    topics,
    topicPattern: '',
    rack: '',
    clientId: 'test',
    rebalanceTimeoutMs: 0,
    sessionTimeoutMs: 0,
    assignor: '',
    ...more,
  }
}

/** Fails unless the event was taken. */
export function ok<Response>(result: Result<Response>): Outcome<Response> {
  if (result instanceof StratalogError) assert.fail(`refused: ${result.message}`)
  return result
}

/** Fails unless the event was refused with this error. */
export function refused(result: unknown, code: ErrorName, message?: RegExp): StratalogError {
  assert.ok(result instanceof StratalogError, 'it was not refused')
  assert.equal(result.code, code)
  if (message !== undefined) assert.match(result.message, message)
  return result
}

/** One group and its shard, at a time that only the test moves. */
export class ShardFixture {
  readonly groupId = 'g'
  readonly config: GroupConfig
  shard: GroupShard
  topics: Topics
  nowMs = 1_700_000_000_000
  /** All records so far, as the log would have them. */
  readonly log: GroupRecord[] = []

  constructor(topics: readonly TopicFacts[], config: Partial<GroupConfig> = {}) {
    this.config = { ...CONFIG, ...config }
    this.topics = topicsOf(1, topics)
    this.shard = new GroupShard(this.config)
    this.shard.takeLead(this.topics, this.nowMs)
  }

  /** A heartbeat of a member; by default one that joins. */
  beat(memberId: string, more: Partial<HeartbeatRequest> = {}): Result<HeartbeatResponse> {
    const request: HeartbeatRequest = {
      groupId: this.groupId,
      memberId,
      memberEpoch: 0,
      instanceId: '',
      subscription: null,
      owned: null,
      stalls: [],
      address: '127.0.0.1',
      ...more,
    }
    return this.#note(this.shard.heartbeat(request, this.nowMs))
  }

  /** Joins, and fails unless that is taken. */
  join(
    memberId: string,
    topics: readonly string[],
    more: Partial<Subscription> = {},
    instanceId = '',
  ): HeartbeatResponse {
    const owned = assignmentOf([])
    return ok(this.beat(memberId, { subscription: subscribe(topics, more), instanceId, owned })).response
  }

  /** A heartbeat with the epoch given. */
  stay(memberId: string, memberEpoch: number, owned: Assignment | null = null): HeartbeatResponse {
    return ok(this.beat(memberId, { memberEpoch, owned })).response
  }

  leave(memberId: string, memberEpoch = -1): Outcome<HeartbeatResponse> {
    return ok(this.beat(memberId, { memberEpoch }))
  }

  commit(caller: Caller | null, ...commits: OffsetCommit[]): Result<readonly CommittedOffset[]> {
    return this.#note(this.shard.commitOffsets(this.groupId, caller, commits, this.nowMs))
  }

  /** Lets time pass and does what is due. */
  pass(ms: number): GroupChange[] {
    this.nowMs += ms
    return this.#noteAll(this.shard.tick(this.nowMs))
  }

  setTopics(...topics: TopicFacts[]): GroupChange[] {
    const after = topicsOf(this.topics.version + 1, topics)
    const delta = topicsDelta(this.topics, after)
    this.topics = after
    return this.#noteAll(this.shard.topicsChanged(delta, this.nowMs))
  }

  /** The coordinator is lost and another one, with the same log, takes over. */
  failOver(records: readonly GroupRecord[] = this.log): GroupChange[] {
    this.shard = new GroupShard(this.config)
    for (const record of records) this.shard.fold(record)
    return this.#noteAll(this.shard.takeLead(this.topics, this.nowMs))
  }

  /** Every member heartbeats, as a good client does, until nobody is told anything new. */
  settle(members: Map<string, HeartbeatResponse>): void {
    const owned = new Map([...members].map(([id, { assignment }]) => [id, assignment!]))
    for (let round = 0; round < 20; round++) {
      let hasNews = false
      for (const [id, { memberEpoch }] of members) {
        const response = this.stay(id, memberEpoch, owned.get(id)!)
        if (response.assignment === null) continue
        hasNews = true
        owned.set(id, response.assignment)
        members.set(id, response)
      }
      if (!hasNews) break
    }
    for (const [id, response] of members) members.set(id, { ...response, assignment: owned.get(id)! })
    assert.equal(this.state, 'stable')
  }

  describe(): GroupDescription {
    const description = this.shard.describe(this.groupId, this.nowMs)
    if (description instanceof StratalogError) assert.fail(description.message)
    return description
  }

  get state(): string {
    return this.shard.list().find((group) => group.groupId === this.groupId)?.state ?? 'gone'
  }

  #noteAll(changes: GroupChange[]): GroupChange[] {
    for (const { records } of changes) this.log.push(...records)
    this.shard.checkInvariants()
    return changes
  }

  #note<Response>(result: Result<Response>): Result<Response> {
    if (!(result instanceof StratalogError)) this.log.push(...result.records)
    this.shard.checkInvariants()
    return result
  }
}

/** What is to be committed for a partition. */
export function at(id: number, partition: number, offset: number, more: Partial<OffsetCommit> = {}): OffsetCommit {
  return { topicId: topicId(id), partition, offset, leaderEpoch: 1, metadata: '', ...more }
}
