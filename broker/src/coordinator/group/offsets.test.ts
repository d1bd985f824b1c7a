/** Committed offsets: one test a rule. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import { assignmentOf } from './assignment.ts'
import type { CommittedOffset, Result } from './group-api.ts'
import { at, ok, parts, refused, ShardFixture, subscribe, topic, topicId } from './test/shard-fixture.ts'

const ORDERS = topic('orders', 1, 4)
const CLICKS = topic('clicks', 2, 2)

function offsetOf(fixture: ShardFixture, id: number, partition: number): number {
  return ok(fixture.shard.fetchOffsets('g', null, parts(id, partition))).response[0]!.offset
}

/** The error of the only partition. */
function partitionError(result: Result<readonly CommittedOffset[]>): string | undefined {
  return ok(result).response[0]!.error?.code
}

test('a member commits for what it owns, with metadata and leader epoch', () => {
  const fixture = new ShardFixture([ORDERS])
  const { memberEpoch } = fixture.join('a', ['orders'])
  const caller = { memberId: 'a', memberEpoch }
  const { records, response } = ok(fixture.commit(caller, at(1, 2, 10, { leaderEpoch: 7, metadata: 'note' })))
  assert.equal(records.length, 1)
  assert.deepEqual(response, [
    {
      topicId: topicId(1),
      partition: 2,
      offset: 10,
      leaderEpoch: 7,
      metadata: 'note',
      committedAtMs: fixture.nowMs,
      error: null,
    },
  ])
  assert.deepEqual(ok(fixture.shard.fetchOffsets('g', caller, null)).response, response)
})

test('commits are fenced by member and epoch', () => {
  const fixture = new ShardFixture([ORDERS])
  const first = fixture.join('a', ['orders'])
  refused(fixture.commit({ memberId: 'x', memberEpoch: 1 }, at(1, 0, 1)), 'UNKNOWN_MEMBER_ID')
  fixture.join('b', ['orders'])
  const second = fixture.stay('a', first.memberEpoch, parts(1, 0, 1, 2, 3))
  refused(fixture.commit({ memberId: 'a', memberEpoch: first.memberEpoch }, at(1, 0, 1)), 'STALE_MEMBER_EPOCH')
  refused(fixture.commit({ memberId: 'a', memberEpoch: second.memberEpoch + 1 }, at(1, 0, 1)), 'FENCED_MEMBER_EPOCH')
  refused(fixture.commit({ memberId: 'a', memberEpoch: 0 }, at(1, 0, 1)), 'FENCED_MEMBER_EPOCH')
  refused(fixture.shard.fetchOffsets('g', { memberId: 'x', memberEpoch: 1 }, null), 'UNKNOWN_MEMBER_ID')
  refused(
    fixture.shard.fetchOffsets('g', { memberId: 'a', memberEpoch: first.memberEpoch }, null),
    'STALE_MEMBER_EPOCH',
  )
})

test('a member that was removed cannot commit, nor one that is away', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'], {}, 'inst')
  fixture.leave('a', -2)
  refused(fixture.commit({ memberId: 'a', memberEpoch: a.memberEpoch }, at(1, 0, 1)), 'FENCED_MEMBER_EPOCH')
  fixture.pass(45_000)
  refused(fixture.commit({ memberId: 'a', memberEpoch: a.memberEpoch }, at(1, 0, 1)), 'UNKNOWN_MEMBER_ID')
})

test('a partition that is being given up can be committed until it is, and not afterwards', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'])
  fixture.join('b', ['orders'])
  const { memberEpoch } = fixture.stay('a', a.memberEpoch, parts(1, 0, 1, 2, 3))
  const caller = { memberId: 'a', memberEpoch }
  assert.equal(partitionError(fixture.commit(caller, at(1, 3, 5))), undefined)
  fixture.stay('a', memberEpoch, parts(1, 0, 1, 2))
  assert.equal(partitionError(fixture.commit(caller, at(1, 3, 6))), 'PARTITION_NOT_OWNED')
  assert.equal(partitionError(fixture.commit(caller, at(1, 2, 6))), undefined)
  assert.equal(offsetOf(fixture, 1, 3), 5)
})

test('one bad partition does not stop the others', () => {
  const fixture = new ShardFixture([ORDERS, CLICKS])
  const { memberEpoch } = fixture.join('a', ['orders'])
  const caller = { memberId: 'a', memberEpoch }
  const { response, records } = ok(
    fixture.commit(
      caller,
      at(2, 0, 1),
      at(9, 0, 1),
      at(1, 4, 1),
      at(1, -1, 1),
      at(1, 0, -1),
      at(1, 0, 2 ** 53),
      at(1, 0, 1, { leaderEpoch: -2 }),
      at(1, 0, 1, { metadata: 'é'.repeat(2049) }),
      at(1, 0, 1, { metadata: 'é'.repeat(2048) }),
    ),
  )
  assert.deepEqual(
    response.map(({ error }) => error?.code ?? 'ok'),
    [
      'PARTITION_NOT_OWNED',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'INVALID_REQUEST',
      'INVALID_REQUEST',
      'INVALID_REQUEST',
      'OFFSET_METADATA_TOO_LARGE',
      'ok',
    ],
  )
  assert.equal(records.length, 1)
})

test('a committed offset does not go back by a commit; what stands is the answer', () => {
  const fixture = new ShardFixture([ORDERS])
  const { memberEpoch } = fixture.join('a', ['orders'])
  const caller = { memberId: 'a', memberEpoch }
  fixture.commit(caller, at(1, 0, 10, { leaderEpoch: 5 }))
  const { records, response } = ok(fixture.commit(caller, at(1, 0, 9, { leaderEpoch: 5 })))
  assert.deepEqual(records, [])
  assert.equal(response[0]!.offset, 10)
  assert.equal(response[0]!.error, null)
  assert.deepEqual(ok(fixture.commit(caller, at(1, 0, 10, { leaderEpoch: 5 }))).records, [], 'nor is one written twice')
})

test('but it does where the log was cut and written anew by a later leader', () => {
  const fixture = new ShardFixture([ORDERS])
  const { memberEpoch } = fixture.join('a', ['orders'])
  const caller = { memberId: 'a', memberEpoch }
  fixture.commit(caller, at(1, 0, 10, { leaderEpoch: 5 }))
  fixture.commit(caller, at(1, 0, 3, { leaderEpoch: 6 }))
  assert.equal(offsetOf(fixture, 1, 0), 3)
})

test('from outside a group is written to only while it has no members', () => {
  const fixture = new ShardFixture([ORDERS])
  ok(fixture.commit(null, at(1, 0, 3)))
  assert.equal(fixture.state, 'empty')
  fixture.join('a', ['orders'])
  refused(fixture.commit(null, at(1, 0, 4)), 'GROUP_NOT_EMPTY')
  refused(fixture.shard.resetOffsets('g', [at(1, 0, 0)], fixture.nowMs), 'GROUP_NOT_EMPTY')
  refused(fixture.shard.deleteGroup('g', fixture.nowMs), 'GROUP_NOT_EMPTY')
  assert.equal(fixture.shard.checkResettable('g')?.code, 'GROUP_NOT_EMPTY')
  fixture.leave('a')
  assert.equal(fixture.shard.checkResettable('g'), null)
  assert.equal(offsetOf(fixture, 1, 0), 3)
})

test('a reset may go anywhere, and may begin a group', () => {
  const fixture = new ShardFixture([ORDERS])
  ok(fixture.shard.resetOffsets('g', [at(1, 0, 100)], fixture.nowMs))
  ok(fixture.shard.resetOffsets('g', [at(1, 0, 5), at(1, 9, 5)], fixture.nowMs))
  assert.equal(offsetOf(fixture, 1, 0), 5)
  assert.equal(fixture.shard.groupCount, 1)
})

test('what was never committed is -1, in a group that is not there too', () => {
  const fixture = new ShardFixture([ORDERS])
  assert.equal(offsetOf(fixture, 1, 0), -1)
  assert.deepEqual(ok(fixture.shard.fetchOffsets('g', null, null)).response, [])
  refused(fixture.shard.fetchOffsets('', null, null), 'INVALID_GROUP_ID')
  assert.equal(fixture.shard.groupCount, 0)
})

test('offsets of a topic that is subscribed to are not deleted; others are', () => {
  const fixture = new ShardFixture([ORDERS, CLICKS])
  refused(fixture.shard.deleteOffsets('g', parts(1, 0), fixture.nowMs), 'GROUP_ID_NOT_FOUND')
  ok(fixture.commit(null, at(1, 0, 3), at(2, 0, 4)))
  fixture.join('a', ['orders'])
  const set = assignmentOf([
    [topicId(1), [0]],
    [topicId(2), [0, 1]],
  ])
  const { response, records } = ok(fixture.shard.deleteOffsets('g', set, fixture.nowMs))
  assert.deepEqual(
    response.map(({ error, offset }) => error?.code ?? offset),
    ['GROUP_SUBSCRIBED_TO_TOPIC', -1, -1],
  )
  assert.equal(records.length, 1)
  assert.equal(offsetOf(fixture, 2, 0), -1)
  assert.equal(offsetOf(fixture, 1, 0), 3)
})

test('a group is deleted with its offsets', () => {
  const fixture = new ShardFixture([ORDERS])
  refused(fixture.shard.deleteGroup('g', fixture.nowMs), 'GROUP_ID_NOT_FOUND')
  ok(fixture.commit(null, at(1, 0, 3), at(1, 1, 4)))
  fixture.join('a', ['orders'])
  fixture.leave('a')
  const { records } = ok(fixture.shard.deleteGroup('g', fixture.nowMs))
  assert.equal(records.filter(({ value }) => value === null).length, 3)
  assert.equal(fixture.shard.groupCount, 0)
  assert.equal(fixture.shard.stateBytes, 0)
  assert.equal(offsetOf(fixture, 1, 0), -1)
})

test('offsets expire when the group has been empty for the retention, and the group with them', () => {
  const fixture = new ShardFixture([ORDERS], { offsetsRetentionMs: 100_000 })
  const { memberEpoch } = fixture.join('a', ['orders'])
  ok(fixture.commit({ memberId: 'a', memberEpoch }, at(1, 0, 3)))
  fixture.pass(44_000)
  fixture.stay('a', memberEpoch)
  fixture.pass(40_000)
  fixture.leave('a')
  fixture.pass(99_999)
  assert.equal(offsetOf(fixture, 1, 0), 3)
  fixture.pass(1)
  assert.equal(offsetOf(fixture, 1, 0), -1)
  assert.equal(fixture.shard.groupCount, 0)
})

test('the clock of expiry survives a failover; a member stops it', () => {
  const fixture = new ShardFixture([ORDERS], { offsetsRetentionMs: 100_000 })
  const { memberEpoch } = fixture.join('a', ['orders'])
  ok(fixture.commit({ memberId: 'a', memberEpoch }, at(1, 0, 3)))
  fixture.leave('a')
  fixture.pass(60_000)
  fixture.failOver()
  fixture.pass(39_999)
  assert.equal(offsetOf(fixture, 1, 0), 3)
  const b = fixture.join('b', ['orders'])
  fixture.pass(30_000)
  fixture.stay('b', b.memberEpoch)
  fixture.pass(30_000)
  assert.equal(offsetOf(fixture, 1, 0), 3)
})

test('offsets committed from outside expire one by one; a repetition keeps them', () => {
  const fixture = new ShardFixture([ORDERS], { offsetsRetentionMs: 100_000 })
  ok(fixture.commit(null, at(1, 0, 3), at(1, 1, 3)))
  fixture.pass(50_000)
  ok(fixture.commit(null, at(1, 1, 3)))
  fixture.pass(50_000)
  assert.equal(offsetOf(fixture, 1, 0), -1)
  assert.equal(offsetOf(fixture, 1, 1), 3)
  fixture.pass(50_000)
  assert.equal(fixture.shard.groupCount, 0)
  assert.equal(fixture.shard.nextDeadlineMs(), null)
})

test('offsets of a topic that is deleted are dropped, in all groups', () => {
  const fixture = new ShardFixture([ORDERS, CLICKS])
  ok(fixture.commit(null, at(1, 0, 3), at(2, 0, 4)))
  const [change] = fixture.setTopics(CLICKS)
  assert.equal(change!.records.length, 1)
  assert.equal(offsetOf(fixture, 1, 0), -1)
  assert.equal(offsetOf(fixture, 2, 0), 4)
})

test('offsets of a topic that a new coordinator does not know are kept for ten minutes', () => {
  const fixture = new ShardFixture([ORDERS, CLICKS])
  ok(fixture.commit(null, at(1, 0, 3), at(2, 0, 4)))
  const full = fixture.topics
  fixture.topics = { ...full, byId: new Map([...full.byId].filter(([id]) => id === topicId(2))) }
  fixture.failOver()
  fixture.pass(599_999)
  assert.equal(offsetOf(fixture, 1, 0), 3)
  fixture.pass(1)
  assert.equal(offsetOf(fixture, 1, 0), -1)
  assert.equal(offsetOf(fixture, 2, 0), 4)
})

test('ids at and over their limits', () => {
  const fixture = new ShardFixture([ORDERS])
  const request = { subscription: subscribe(['orders']) }
  const longest = 'x'.repeat(255)
  assert.ok(!(fixture.beat(longest, { ...request, instanceId: longest, groupId: longest }) instanceof StratalogError))
  refused(
    fixture.beat('a', { ...request, groupId: `${longest}x` }),
    'INVALID_GROUP_ID',
    /256 characters; it must be 1 to 255/,
  )
  refused(fixture.beat('a', { ...request, groupId: '' }), 'INVALID_GROUP_ID')
  refused(fixture.beat('a', { ...request, groupId: 'a\nb' }), 'INVALID_GROUP_ID', /control character/)
  refused(fixture.beat(`${longest}x`, request), 'INVALID_REQUEST', /member_id/)
  refused(fixture.beat('', request), 'INVALID_REQUEST', /member_id/)
  refused(fixture.beat('a', { ...request, instanceId: `${longest}x` }), 'INVALID_REQUEST', /instance_id/)
})
