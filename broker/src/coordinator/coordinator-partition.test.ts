import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { RecordBatchBuilder, readBatchHeader, recordCountOf } from '@stratalog/proto/records'
import { TEST_GROUPS } from '../testing/group-settings.ts'
import { ManualClock, settled } from '../testing/manual-clock.ts'
import { MemoryLogCluster, type MemoryReplicatedLog } from '../testing/memory-replicated-log.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { CoordinatorPartition } from './coordinator-partition.ts'
import type { CommittedOffset, HeartbeatRequest, HeartbeatResponse } from './group/group-api.ts'
import { type Topics, topicsDelta, topicsOf } from './group/topics.ts'
import { GroupStore } from './group-store.ts'

const TOPIC_ID = 'a'.repeat(32)
const OFFSETS_TOPIC_ID = 'b'.repeat(32)
const TOPICS: Topics = topicsOf(1, [{ name: 'orders', topicId: TOPIC_ID, partitionCount: 2, racks: null }])
const CHECKPOINT_BYTES = 4096

interface Replica {
  readonly log: MemoryReplicatedLog
  readonly store: MemoryStore
  readonly partition: CoordinatorPartition
  readonly warnings: string[]
}

async function openReplica(
  cluster: MemoryLogCluster,
  brokerId: number,
  clock: ManualClock,
  options: { store?: MemoryStore; log?: MemoryReplicatedLog; checkpointBytesMin?: number } = {},
): Promise<Replica> {
  const { log = cluster.replica(brokerId), store = new MemoryStore(), checkpointBytesMin = 1e9 } = options
  const warnings: string[] = []
  const tell = (_: object, message: string): number => warnings.push(message)
  const partition = await CoordinatorPartition.open({
    topic: '__consumer_offsets',
    partition: 0,
    log,
    store: new GroupStore(store, OFFSETS_TOPIC_ID, 0),
    config: TEST_GROUPS.config,
    checkpointBytesMin,
    clock,
    topics: () => TOPICS,
    onFatal: (error) => {
      throw error
    },
    logger: { info: () => undefined, warn: tell, error: tell },
  })
  await settled()
  return { log, store, partition, warnings }
}

function requestOf(memberId: string, more: Partial<HeartbeatRequest> = {}): HeartbeatRequest {
  const base = { groupId: 'g', memberId, memberEpoch: 0, instanceId: '', subscription: null, owned: null }
  return { ...base, stalls: [], address: '', ...more }
}

function join(partition: CoordinatorPartition, groupId = 'g', memberId = 'm'): Promise<HeartbeatResponse> {
  const subscription = {
    topics: ['orders'],
    topicPattern: '',
    rack: '',
    clientId: 'c',
    rebalanceTimeoutMs: 0,
    sessionTimeoutMs: 0,
    assignor: '',
  }
  const request = requestOf(memberId, { groupId, subscription, owned: new Map() })
  return partition.run(groupId, (shard, nowMs) => shard.heartbeat(request, nowMs))
}

/** A heartbeat that may be held back, and what has become of it. */
class Waiting {
  outcome: HeartbeatResponse | string | null = null
  #isGone = false
  #onGone: () => void = () => undefined

  constructor(partition: CoordinatorPartition, request: HeartbeatRequest, maxWaitMs = 60_000) {
    const onGone = (listener: () => void): void => {
      this.#onGone = listener
      if (this.#isGone) listener()
    }
    partition.heartbeat(request, { maxWaitMs, onGone }).then(
      (response) => {
        this.outcome = response
      },
      (error: unknown) => {
        this.outcome = isStratalogError(error) ? error.code : String(error)
      },
    )
  }

  /** Whoever sent it does not wait any more. */
  leave(): void {
    this.#isGone = true
    this.#onGone()
  }

  get response(): HeartbeatResponse | null {
    return typeof this.outcome === 'string' ? null : this.outcome
  }

  get partitions(): readonly number[] | null {
    return this.response?.assignment?.get(TOPIC_ID) ?? null
  }
}

/** From outside, so that no member is needed. */
function commit(partition: CoordinatorPartition, offset: number, groupId = 'h'): Promise<readonly CommittedOffset[]> {
  const offsets = [{ topicId: TOPIC_ID, partition: 0, offset, leaderEpoch: -1, metadata: '' }]
  return partition.run(groupId, (shard, nowMs) => shard.commitOffsets(groupId, null, offsets, nowMs))
}

async function fetched(partition: CoordinatorPartition, groupId = 'h'): Promise<number[]> {
  const offsets = await partition.run(groupId, (shard) => shard.fetchOffsets(groupId, null, null))
  return offsets.map(({ offset }) => offset)
}

async function codeOf(outcome: Promise<unknown>): Promise<string> {
  const error = await outcome.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  return isStratalogError(error) ? error.code : String(error)
}

async function rowsOf(store: MemoryStore): Promise<Map<string, string>> {
  const rows = new Map<string, string>()
  for await (const [key, value] of store.iterate({ from: '', to: '~' })) {
    if (key.includes('/g/')) rows.set(key, value.toString('hex'))
  }
  return rows
}

test('a follower answers nothing; the leader answers once records are committed, reads included', async () => {
  const cluster = new MemoryLogCluster()
  const clock = new ManualClock()
  const leader = await openReplica(cluster, 1, clock)
  const follower = await openReplica(cluster, 2, clock)
  assert.equal(await codeOf(fetched(leader.partition)), 'NOT_COORDINATOR')
  cluster.elect(1)
  await settled()
  cluster.holdsCommits = true
  const answered: string[] = []
  const note = (what: string) => () => answered.push(what)
  const committing = commit(leader.partition, 5).then(note('commit'))
  const reading = fetched(leader.partition).then(note('read'))
  const refused = codeOf(leader.partition.run('nobody', (shard, nowMs) => shard.deleteGroup('nobody', nowMs))).then(
    note('refusal'),
  )
  await settled()
  assert.deepEqual(answered, [])
  cluster.commit()
  await Promise.all([committing, reading, refused])
  assert.equal(answered.length, 3)
  assert.deepEqual(await fetched(leader.partition), [5])
  assert.equal(await codeOf(fetched(follower.partition)), 'NOT_COORDINATOR')
})

test('what was not committed is gone with its leader; what was is at the next one', async () => {
  const cluster = new MemoryLogCluster()
  const clock = new ManualClock()
  const first = await openReplica(cluster, 1, clock)
  const second = await openReplica(cluster, 2, clock)
  cluster.elect(1)
  await settled()
  const { memberEpoch, assignment } = await join(first.partition)
  assert.deepEqual([...assignment!], [[TOPIC_ID, [0, 1]]])
  await commit(first.partition, 5)
  cluster.holdsCommits = true
  const lost = codeOf(commit(first.partition, 6))
  const alsoRead = codeOf(fetched(first.partition))
  await settled()
  cluster.holdsCommits = false
  cluster.elect(2)
  assert.equal(await lost, 'NOT_COORDINATOR')
  assert.equal(await alsoRead, 'NOT_COORDINATOR')
  await settled()
  assert.equal(await codeOf(fetched(first.partition)), 'NOT_COORDINATOR')
  assert.deepEqual(await fetched(second.partition), [5])
  const description = await second.partition.run('g', (shard, nowMs) => {
    const response = shard.describe('g', nowMs)
    return response instanceof StratalogError ? response : { records: [], response, wakes: [], events: [] }
  })
  assert.deepEqual(
    description.members.map((member) => [member.memberId, member.memberEpoch]),
    [['m', memberEpoch]],
  )
  cluster.elect(1)
  await settled()
  assert.deepEqual(await fetched(first.partition), [5])
})

test('a batch that is refused takes the groups back to what is committed, and they are built anew', async () => {
  const cluster = new MemoryLogCluster()
  const clock = new ManualClock()
  const { partition, log, warnings } = await openReplica(cluster, 1, clock)
  cluster.elect(1)
  await settled()
  await commit(partition, 5)
  cluster.holdsCommits = true
  const underWay = codeOf(commit(partition, 6))
  await settled()
  log.refusal = new StratalogError('DISK_FULL')
  assert.equal(await codeOf(commit(partition, 7)), 'DISK_FULL')
  assert.equal(await underWay, 'DISK_FULL')
  assert.equal(await codeOf(fetched(partition)), 'NOT_COORDINATOR')
  assert.deepEqual(warnings, ['records of groups were not committed: the groups are built anew'])
  log.refusal = null
  await clock.advance(200)
  assert.equal(await codeOf(fetched(partition)), 'COORDINATOR_LOAD_IN_PROGRESS')
  cluster.holdsCommits = false
  cluster.commit()
  await settled()
  assert.deepEqual(await fetched(partition), [6], 'what was under way was committed after all')
})

test('a crash of the store at any point is folded again to the same rows', async () => {
  const cluster = new MemoryLogCluster()
  const clock = new ManualClock()
  const { partition, store } = await openReplica(cluster, 1, clock)
  cluster.elect(1)
  await settled()
  for (let i = 0; i < 5; i++) {
    await join(partition, `g-${i}`)
    await commit(partition, i)
    await settled()
  }
  await commit(partition, 1, 'gone')
  await partition.run('gone', (shard, nowMs) => shard.deleteGroup('gone', nowMs))
  await settled()
  const expected = await rowsOf(store)
  assert.ok(expected.size > 20)
  for (let kept = 0; kept <= 1; kept += 0.1) {
    const crashed = store.copy().crash(kept)
    const again = await openReplica(cluster, 2, clock, { store: crashed })
    assert.deepEqual(await rowsOf(crashed), expected, `with ${kept} of the batches`)
    await again.partition.close()
  }
})

test('a group that is deleted and made again in one batch has only what is new', async () => {
  const cluster = new MemoryLogCluster()
  const clock = new ManualClock()
  const { partition, store } = await openReplica(cluster, 1, clock)
  cluster.elect(1)
  await settled()
  await commit(partition, 5)
  await settled()
  cluster.holdsCommits = true
  const work = [
    partition.run('h', (shard, nowMs) => shard.deleteGroup('h', nowMs)),
    join(partition, 'h'),
    partition.run('h', (shard) => shard.fetchOffsets('h', null, null)),
  ]
  await settled()
  cluster.holdsCommits = false
  cluster.commit()
  await Promise.all(work)
  await settled()
  const rows = [...(await rowsOf(store)).keys()].map((key) => key.split('/g/')[1])
  const group = Buffer.from('h').toString('hex')
  const member = Buffer.from('m').toString('hex')
  assert.deepEqual(rows, [`${group}/0`, `${group}/1/${member}`, `${group}/2/${member}`, `${group}/3/${member}`])
})

test('a checkpoint lets the log be trimmed; a replica that begins at the new start has the same rows', async () => {
  const cluster = new MemoryLogCluster()
  const clock = new ManualClock()
  const leader = await openReplica(cluster, 1, clock, { checkpointBytesMin: CHECKPOINT_BYTES })
  const stale = await openReplica(cluster, 2, clock)
  cluster.elect(1)
  await settled()
  await join(leader.partition, 'kept')
  await commit(leader.partition, 1, 'dropped')
  await settled()
  stale.log.setBehind(true)
  await leader.partition.run('dropped', (shard, nowMs) => shard.deleteGroup('dropped', nowMs))
  for (let offset = 1; leader.log.logStartOffset === 0 && offset < 5000; offset++) {
    await commit(leader.partition, offset)
    if (offset % 20 === 0) await settled()
  }
  await settled()
  const { logStartOffset } = leader.log
  assert.ok(logStartOffset > 0, 'the log is trimmed')
  assert.ok(cluster.batches.some((batch) => readBatchHeader(batch, 0).baseOffset === logStartOffset))
  const expected = await rowsOf(leader.store)
  const fresh = await openReplica(cluster, 3, clock, {
    log: Object.assign(cluster.replica(3), { logStartOffset }),
  })
  assert.deepEqual(await rowsOf(fresh.store), expected)
  // The one that was away knows a group that is gone, and the log does not say so any more.
  assert.ok([...(await rowsOf(stale.store)).keys()].some((key) => key.includes(Buffer.from('dropped').toString('hex'))))
  stale.log.logStartOffset = logStartOffset
  stale.log.setBehind(false)
  await settled()
  assert.deepEqual(await rowsOf(stale.store), expected)
})

test('a checkpoint that its leader did not end counts for nothing', async () => {
  const cluster = new MemoryLogCluster()
  const clock = new ManualClock()
  const first = await openReplica(cluster, 1, clock, { checkpointBytesMin: CHECKPOINT_BYTES })
  const second = await openReplica(cluster, 2, clock)
  cluster.elect(1)
  await settled()
  const groupCount = 3000
  await Promise.all(Array.from({ length: groupCount }, (_, i) => commit(first.partition, 1, `group-${i}`)))
  const append = first.log.append.bind(first.log)
  let hasBegun = false
  // The first part of the checkpoint gets into the log; the next one waits for its commit, which never comes.
  first.log.append = (batch) => {
    if (recordCountOf(batch, 0) >= 2000) {
      hasBegun = true
      cluster.holdsCommits = true
    }
    return append(batch)
  }
  for (let offset = 2; !hasBegun; offset++) {
    const names = Array.from({ length: 1000 }, (_, i) => `group-${i}`)
    await Promise.race([
      Promise.all(names.map((name) => commit(first.partition, offset, name))),
      settled().then(() => settled()),
    ])
  }
  cluster.holdsCommits = false
  cluster.elect(2, 'kept')
  await settled()
  const position = await new GroupStore(second.store, OFFSETS_TOPIC_ID, 0).position()
  assert.ok(position?.begun, 'the beginning was folded')
  assert.equal(position.neededFrom, 0)
  assert.equal(second.log.logStartOffset, 0)
  assert.equal(second.partition.list()?.length, groupCount)
})

test('a log that holds what is no record of groups ends the partition, and says so', async () => {
  const cluster = new MemoryLogCluster()
  const clock = new ManualClock()
  const { partition, warnings } = await openReplica(cluster, 1, clock)
  cluster.elect(1)
  await settled()
  const builder = new RecordBatchBuilder()
  builder.append({ key: Buffer.from('what'), value: null })
  cluster.append(builder.buildSync())
  await settled()
  assert.equal(await codeOf(fetched(partition)), 'STORAGE_ERROR')
  assert.match(partition.problem!, /the groups of __consumer_offsets-0 cannot be kept/)
  assert.deepEqual(warnings, ['the groups of a partition cannot be kept any more'])
})

/** A leader with a member that has everything and waits for news. */
async function withWaiting(maxWaitMs?: number) {
  const cluster = new MemoryLogCluster()
  const clock = new ManualClock()
  const replica = await openReplica(cluster, 1, clock)
  const { partition } = replica
  cluster.elect(1)
  await settled()
  const { memberEpoch } = await join(partition)
  const request = requestOf('m', { memberEpoch, owned: new Map([[TOPIC_ID, [0, 1]]]) })
  const waiting = new Waiting(partition, request, maxWaitMs)
  await settled()
  return { cluster, clock, partition, replica, request, memberEpoch, waiting }
}

function silentMs(partition: CoordinatorPartition, memberId: string): Promise<number | undefined> {
  return partition.run('g', (shard, nowMs) => {
    const description = shard.describe('g', nowMs)
    if (description instanceof StratalogError) return description
    const response = description.members.find((member) => member.memberId === memberId)?.silentMs
    return { records: [], response, wakes: [], events: [] }
  })
}

test('a heartbeat without news waits for the interval, unless its sender wants no waiting, or less', async () => {
  const { clock, partition, request, memberEpoch, waiting } = await withWaiting()
  await clock.advance(2900)
  assert.equal(waiting.outcome, null)
  await clock.advance(300)
  assert.deepEqual(waiting.outcome, { memberEpoch, heartbeatIntervalMs: 3000, assignment: null, holdMs: 3000 })
  const hasty = new Waiting(partition, request, 0)
  const lessPatient = new Waiting(partition, request, 500)
  await settled()
  assert.notEqual(hasty.outcome, null)
  await clock.advance(800)
  assert.notEqual(lessPatient.outcome, null)
})

test('it is answered when there is news: something to give up, something that is free, other topics', async () => {
  const { partition, memberEpoch, waiting } = await withWaiting()
  const { memberEpoch: otherEpoch } = await join(partition, 'g', 'n')
  await settled()
  assert.deepEqual(waiting.partitions, [0])
  const told = waiting.response!.memberEpoch
  assert.ok(told > memberEpoch)
  const other = new Waiting(partition, requestOf('n', { memberEpoch: otherEpoch, owned: new Map() }))
  await settled()
  assert.equal(other.outcome, null)
  const next = new Waiting(partition, requestOf('m', { memberEpoch: told, owned: new Map([[TOPIC_ID, [0]]]) }))
  await settled()
  assert.deepEqual(other.partitions, [1])
  assert.equal(next.outcome, null)
  const grown = topicsOf(2, [{ name: 'orders', topicId: TOPIC_ID, partitionCount: 4, racks: null }])
  partition.topicsChanged(topicsDelta(TOPICS, grown))
  await settled()
  assert.equal(next.partitions?.length, 2)
})

test('news that is not committed yet is not told', async () => {
  const { cluster, partition, waiting } = await withWaiting()
  cluster.holdsCommits = true
  const joining = join(partition, 'g', 'n')
  await settled()
  assert.equal(waiting.outcome, null)
  cluster.holdsCommits = false
  cluster.commit()
  await joining
  await settled()
  assert.deepEqual(waiting.partitions, [0])
})

test('a later heartbeat of the member answers the one that waits, as does its leave', async () => {
  const { partition, request, memberEpoch, waiting } = await withWaiting()
  const next = new Waiting(partition, request)
  await settled()
  assert.equal(waiting.response?.memberEpoch, memberEpoch)
  assert.equal(next.outcome, null)
  const leave = new Waiting(partition, requestOf('m', { memberEpoch: -1 }))
  await settled()
  assert.equal(next.response?.memberEpoch, memberEpoch)
  assert.equal(leave.response?.memberEpoch, -1)
})

test('the wait counts for nothing: a member is heard of when its heartbeat comes, and when it is gone it is silent', async () => {
  const { clock, partition, waiting } = await withWaiting()
  await clock.advance(2000)
  assert.equal(await silentMs(partition, 'm'), 2000)
  waiting.leave()
  await settled()
  await join(partition, 'g', 'n')
  await settled()
  assert.equal(waiting.partitions, null, 'nobody is told')
  assert.equal(await silentMs(partition, 'm'), 2000)
  await clock.advance(42_900)
  assert.notEqual(await silentMs(partition, 'm'), undefined)
  await clock.advance(200)
  assert.equal(await silentMs(partition, 'm'), undefined, 'its session has ended')
})

test('a member is not blamed for the time in which its coordinator stood still', async () => {
  const { clock, partition, waiting, request } = await withWaiting()
  waiting.leave()
  await clock.advance(2000)
  clock.standStill(60_000)
  await clock.advance(100)
  assert.ok((await silentMs(partition, 'm'))! <= 2200, 'what it said meanwhile is still to be read')
  await clock.advance(42_000)
  const beating = new Waiting(partition, request, 0)
  await settled()
  assert.notEqual(beating.response, null)
  await clock.advance(45_200)
  assert.equal(await silentMs(partition, 'm'), undefined, 'its silence since then counts')
})

test('nor for being slow to give up in that time', async () => {
  const { clock, partition, waiting } = await withWaiting()
  await join(partition, 'g', 'n')
  await settled()
  const { memberEpoch } = waiting.response!
  const request = requestOf('m', { memberEpoch, owned: new Map([[TOPIC_ID, [0, 1]]]) })
  const isThere = async (): Promise<boolean> => (await silentMs(partition, 'm')) !== undefined
  clock.standStill(120_000)
  for (let waitedMs = 0; waitedMs < 59_000; waitedMs += 1000) {
    new Waiting(partition, request, 0)
    await clock.advance(1000)
    assert.ok(await isThere(), `after ${waitedMs} ms`)
  }
  for (let waitedMs = 0; (await isThere()) && waitedMs < 3000; waitedMs += 1000) {
    new Waiting(partition, request, 0)
    await clock.advance(1000)
  }
  assert.equal(await isThere(), false)
})

test('a heartbeat that is answered with news was heard when it came', async () => {
  const { clock, partition, waiting } = await withWaiting()
  await clock.advance(2000)
  await join(partition, 'g', 'n')
  await settled()
  assert.deepEqual(waiting.partitions, [0])
  assert.equal(await silentMs(partition, 'm'), 2000)
})

test('a member that waits is told when it is removed, when the lead is lost, and when the broker stops', async () => {
  const removed = await withWaiting()
  await join(removed.partition, 'g', 'n')
  await settled()
  const { memberEpoch } = removed.waiting.response!
  const request = requestOf('m', { memberEpoch, owned: new Map([[TOPIC_ID, [0, 1]]]) })
  let waiting = new Waiting(removed.partition, request)
  // It never gives up what it was told to.
  for (let waitedMs = 0; waiting.outcome !== 'UNKNOWN_MEMBER_ID'; waitedMs += 100) {
    assert.ok(waitedMs <= 60_200, `after ${waitedMs} ms: ${JSON.stringify(waiting.outcome)}`)
    if (waiting.outcome !== null) waiting = new Waiting(removed.partition, request)
    await removed.clock.advance(100)
  }

  const deposed = await withWaiting()
  const second = await openReplica(deposed.cluster, 2, deposed.clock)
  deposed.cluster.elect(2)
  await settled()
  assert.equal(deposed.waiting.outcome, 'NOT_COORDINATOR')
  const there = new Waiting(second.partition, deposed.request)
  await settled()
  assert.equal(there.outcome, null, 'it waits at the next coordinator')

  const stopping = await withWaiting()
  stopping.partition.endParking(new StratalogError('SHUTTING_DOWN'))
  await settled()
  assert.equal(stopping.waiting.outcome, 'SHUTTING_DOWN')
  const late = new Waiting(stopping.partition, stopping.request)
  const hasty = new Waiting(stopping.partition, stopping.request, 0)
  await settled()
  assert.equal(late.outcome, 'SHUTTING_DOWN')
  assert.equal(hasty.response?.memberEpoch, stopping.memberEpoch)
})
