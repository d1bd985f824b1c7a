/** Members joining, staying, moving partitions and leaving: one test a rule. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_ASSIGNMENT, partitionCount } from './assignment.ts'
import type { HeartbeatResponse } from './group-api.ts'
import { ok, parts, refused, ShardFixture, subscribe, topic } from './test/shard-fixture.ts'

const ORDERS = topic('orders', 1, 4)

test('the first member gets everything with the answer to its joining', () => {
  const fixture = new ShardFixture([ORDERS])
  const { memberEpoch, assignment, heartbeatIntervalMs } = fixture.join('a', ['orders'])
  assert.deepEqual(assignment, parts(1, 0, 1, 2, 3))
  assert.ok(memberEpoch > 0)
  assert.equal(heartbeatIntervalMs, 3000)
  assert.equal(fixture.state, 'stable')
})

test('a heartbeat without news has no records and no assignment', () => {
  const fixture = new ShardFixture([ORDERS])
  const { memberEpoch } = fixture.join('a', ['orders'])
  const outcome = ok(fixture.beat('a', { memberEpoch, owned: parts(1, 0, 1, 2, 3) }))
  assert.deepEqual(outcome.records, [])
  assert.deepEqual(outcome.response, { memberEpoch, heartbeatIntervalMs: 3000, assignment: null, holdMs: 3000 })
})

test('a partition moves when its owner has said that it gave it up, and only then', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'])
  const b = fixture.join('b', ['orders'])
  assert.deepEqual(b.assignment, EMPTY_ASSIGNMENT, 'nothing is free yet')
  assert.equal(b.heartbeatIntervalMs, 300, 'who waits asks more often')

  const told = fixture.stay('a', a.memberEpoch, parts(1, 0, 1, 2, 3))
  assert.deepEqual(told.assignment, parts(1, 0, 1))
  assert.equal(fixture.stay('b', b.memberEpoch, EMPTY_ASSIGNMENT).assignment, null)

  fixture.stay('a', told.memberEpoch, parts(1, 0, 1, 2, 3))
  assert.equal(fixture.stay('b', b.memberEpoch).assignment, null, 'knowing it is not giving it up')

  const outcome = ok(fixture.beat('a', { memberEpoch: told.memberEpoch, owned: parts(1, 0, 1, 3) }))
  assert.deepEqual(outcome.wakes, ['b'], 'whoever waits is named')
  const first = fixture.stay('b', b.memberEpoch)
  assert.deepEqual(first.assignment, parts(1, 2), 'what is free goes over at once')
  fixture.stay('a', told.memberEpoch, parts(1, 0, 1))
  assert.deepEqual(fixture.stay('b', first.memberEpoch, parts(1, 2)).assignment, parts(1, 2, 3))
  assert.equal(fixture.state, 'stable')
})

test('giving up counts only together with the epoch that asked for it', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'])
  fixture.join('b', ['orders'])
  fixture.stay('a', a.memberEpoch, parts(1, 0, 1, 2, 3))
  const late = fixture.stay('a', a.memberEpoch, EMPTY_ASSIGNMENT)
  assert.deepEqual(late.assignment, parts(1, 0, 1), 'told again')
  assert.deepEqual(fixture.describe().members[0]!.revoking, parts(1, 2, 3))
})

test('a late copy of a joining gives up nothing', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'])
  const b = fixture.join('b', ['orders'])
  fixture.stay('a', a.memberEpoch, parts(1, 0, 1, 2, 3))
  const { records } = ok(fixture.beat('a', { subscription: subscribe(['orders']), owned: EMPTY_ASSIGNMENT }))
  assert.deepEqual(records, [])
  assert.equal(fixture.stay('b', b.memberEpoch).assignment, null)
})

test('an answer that was lost is given again', () => {
  const fixture = new ShardFixture([ORDERS])
  const lost = fixture.join('a', ['orders'])
  assert.deepEqual(fixture.join('a', ['orders']), lost, 'the answer to joining')
  fixture.join('b', ['orders'])
  const told = fixture.stay('a', lost.memberEpoch, parts(1, 0, 1, 2, 3))
  assert.deepEqual(fixture.stay('a', lost.memberEpoch, parts(1, 0, 1, 2, 3)), told, 'the answer that takes away')
  assert.deepEqual(fixture.stay('a', lost.memberEpoch), told)
})

test('an answer that was lost is given again when the subscription changed with it', () => {
  const fixture = new ShardFixture([ORDERS, topic('clicks', 2, 2)])
  const a = fixture.join('a', ['orders'])
  const request = { memberEpoch: a.memberEpoch, subscription: subscribe(['clicks']), owned: parts(1, 0, 1, 2, 3) }
  const told = ok(fixture.beat('a', request)).response
  assert.deepEqual(ok(fixture.beat('a', request)).response, told)
})

test('members that a rebalance does not touch keep their epoch and write nothing', () => {
  const fixture = new ShardFixture([ORDERS, topic('clicks', 2, 2)])
  const a = fixture.join('a', ['orders'])
  fixture.join('b', ['clicks'])
  fixture.join('c', ['clicks'])
  const outcome = ok(fixture.beat('a', { memberEpoch: a.memberEpoch }))
  assert.equal(outcome.response.memberEpoch, a.memberEpoch)
  assert.deepEqual(outcome.records, [])
})

test('a member that leaves frees its partitions; leaving twice is leaving once', () => {
  const fixture = new ShardFixture([ORDERS])
  const members = new Map([['a', fixture.join('a', ['orders'])]])
  members.set('b', fixture.join('b', ['orders']))
  fixture.settle(members)
  assert.deepEqual(fixture.leave('a').wakes, ['b'])
  assert.deepEqual(fixture.stay('b', members.get('b')!.memberEpoch).assignment, parts(1, 0, 1, 2, 3))
  assert.deepEqual(fixture.leave('a').records, [])
  assert.equal(fixture.leave('a').response.memberEpoch, -1)
})

test('unknown members and wrong epochs are refused', () => {
  const fixture = new ShardFixture([ORDERS])
  refused(fixture.beat('a', { memberEpoch: 3 }), 'UNKNOWN_MEMBER_ID')
  const a = fixture.join('a', ['orders'])
  refused(fixture.beat('b', { memberEpoch: 3 }), 'UNKNOWN_MEMBER_ID')
  refused(fixture.beat('a', { memberEpoch: a.memberEpoch + 1 }), 'FENCED_MEMBER_EPOCH', /presents epoch/)
  refused(fixture.beat('a', { memberEpoch: -3 }), 'INVALID_REQUEST', /member_epoch is -3/)
  refused(fixture.beat('a', { memberEpoch: 1.5 }), 'INVALID_REQUEST')
})

test('an epoch two changes old is refused', () => {
  const fixture = new ShardFixture([ORDERS])
  const members = new Map([['a', fixture.join('a', ['orders'])]])
  const { memberEpoch } = members.get('a')!
  members.set('b', fixture.join('b', ['orders']))
  fixture.settle(members)
  fixture.leave('b')
  fixture.stay('a', members.get('a')!.memberEpoch)
  refused(fixture.beat('a', { memberEpoch }), 'FENCED_MEMBER_EPOCH')
})

test('a silent member is removed at its session timeout, and not before', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'], { sessionTimeoutMs: 10_000 })
  assert.equal(fixture.shard.nextDeadlineMs(), fixture.nowMs + 10_000)
  assert.deepEqual(fixture.pass(9_999), [])
  fixture.stay('a', a.memberEpoch)
  assert.deepEqual(fixture.pass(9_999), [])
  const [change] = fixture.pass(1)
  assert.match(change!.events.join(), /a of group g was removed: it was silent for 10000 ms/)
  refused(fixture.beat('a', { memberEpoch: a.memberEpoch }), 'UNKNOWN_MEMBER_ID')
  assert.equal(fixture.state, 'empty')
})

test('a member that never acknowledges a revocation is removed at its rebalance timeout', () => {
  const fixture = new ShardFixture([ORDERS])
  let a = fixture.join('a', ['orders'], { rebalanceTimeoutMs: 20_000 })
  const b = fixture.join('b', ['orders'])
  a = fixture.stay('a', a.memberEpoch)
  const beatBoth = (): void => {
    fixture.stay('a', a.memberEpoch, parts(1, 0, 1, 2, 3))
    fixture.stay('b', b.memberEpoch)
  }
  for (let second = 0; second < 19; second++) {
    assert.deepEqual(fixture.pass(1000), [])
    beatBoth()
  }
  const [change] = fixture.pass(1000)
  assert.match(change!.events.join(), /a of group g was removed: it did not give up its partitions within 20000 ms/)
  assert.deepEqual(change!.wakes, ['a', 'b'], 'the one that is removed as well: it is told so')
  assert.deepEqual(fixture.stay('b', b.memberEpoch).assignment, parts(1, 0, 1, 2, 3))
  refused(fixture.beat('a', { memberEpoch: a.memberEpoch }), 'UNKNOWN_MEMBER_ID')
})

test('a static member keeps its partitions while it is away, and its successor gets them', () => {
  const fixture = new ShardFixture([ORDERS])
  const members = new Map([['a1', fixture.join('a1', ['orders'], {}, 'inst-a')]])
  members.set('b1', fixture.join('b1', ['orders'], {}, 'inst-b'))
  fixture.settle(members)
  const before = members.get('a1')!.assignment
  const { memberEpoch } = members.get('a1')!

  fixture.leave('a1', -2)
  assert.deepEqual(fixture.leave('a1', -2).records, [], 'twice is once')
  assert.equal(fixture.stay('b1', members.get('b1')!.memberEpoch).assignment, null, 'nothing moves')
  refused(fixture.beat('a1', { memberEpoch }), 'FENCED_MEMBER_EPOCH')

  const back = fixture.join('a2', ['orders'], {}, 'inst-a')
  assert.deepEqual(back.assignment, before)
  assert.equal(fixture.stay('b1', members.get('b1')!.memberEpoch).assignment, null)
  refused(fixture.beat('a1', { memberEpoch }), 'UNKNOWN_MEMBER_ID')
  assert.equal(fixture.state, 'stable')
})

test('the same process may come back, even twice', () => {
  const fixture = new ShardFixture([ORDERS])
  fixture.join('a', ['orders'], {}, 'inst-a')
  fixture.leave('a', -2)
  const back = fixture.join('a', ['orders'], {}, 'inst-a')
  assert.deepEqual(back.assignment, parts(1, 0, 1, 2, 3))
  assert.deepEqual(fixture.join('a', ['orders'], {}, 'inst-a'), back)
})

test('a static member that does not come back within its session timeout is removed', () => {
  const fixture = new ShardFixture([ORDERS])
  fixture.join('a', ['orders'], { sessionTimeoutMs: 10_000 }, 'inst-a')
  fixture.leave('a', -2)
  assert.deepEqual(fixture.pass(9_999), [])
  assert.equal(fixture.pass(1).length, 1)
  assert.equal(fixture.state, 'empty')
})

test('an instance id is free once its member is away or has missed its heartbeats', () => {
  const fixture = new ShardFixture([ORDERS])
  fixture.join('a', ['orders'], {}, 'inst')
  const request = { subscription: subscribe(['orders']), instanceId: 'inst' }
  refused(fixture.beat('b', request), 'UNRELEASED_INSTANCE_ID', /inst is in use by member a/)
  fixture.pass(8_999)
  refused(fixture.beat('b', request), 'UNRELEASED_INSTANCE_ID')
  fixture.pass(1)
  assert.deepEqual(ok(fixture.beat('b', request)).response.assignment, parts(1, 0, 1, 2, 3))
})

test('only a static member may leave for a while', () => {
  const fixture = new ShardFixture([ORDERS])
  fixture.join('a', ['orders'])
  refused(fixture.beat('a', { memberEpoch: -2 }), 'INVALID_REQUEST', /no instance id/)
})

test('a late copy of an old subscription does not turn back a new one', () => {
  const fixture = new ShardFixture([ORDERS, topic('clicks', 2, 2)])
  const a = fixture.join('a', ['orders'])
  const old = { memberEpoch: a.memberEpoch, subscription: subscribe(['orders']) }
  const told = ok(fixture.beat('a', { memberEpoch: a.memberEpoch, subscription: subscribe(['clicks']) })).response
  const late = ok(fixture.beat('a', old))
  assert.deepEqual(late.records, [])
  assert.deepEqual(late.response, told)
})

test('a change of the client id alone changes the epoch and moves nothing', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'])
  const subscription = subscribe(['orders'], { clientId: 'renamed' })
  const { records } = ok(fixture.beat('a', { memberEpoch: a.memberEpoch, subscription }))
  assert.deepEqual(
    records.map(({ type }) => type),
    ['member', 'current'],
  )
})

test('a group takes so many members and no more', () => {
  const fixture = new ShardFixture([ORDERS], { groupSizeMax: 2 })
  fixture.join('a', ['orders'])
  fixture.join('b', ['orders'])
  refused(fixture.beat('c', { subscription: subscribe(['orders']) }), 'GROUP_MAX_SIZE_REACHED', /has 2 members/)
})

test('members without a partition wait and get one when there are more', () => {
  const fixture = new ShardFixture([topic('orders', 1, 1)])
  const a = fixture.join('a', ['orders'])
  const b = fixture.join('b', ['orders'])
  assert.equal(fixture.state, 'stable')
  const [change] = fixture.setTopics(topic('orders', 1, 2))
  assert.deepEqual(change!.wakes, ['b'])
  assert.deepEqual(fixture.stay('b', b.memberEpoch).assignment, parts(1, 1))
  assert.equal(fixture.stay('a', a.memberEpoch).assignment, null)
})

test('fifty members that come one after another end with equal shares', () => {
  const fixture = new ShardFixture([topic('orders', 1, 3000)])
  const members = new Map<string, HeartbeatResponse>()
  for (let i = 0; i < 50; i++) members.set(`m-${i}`, fixture.join(`m-${i}`, ['orders']))
  fixture.settle(members)
  for (const { assignment } of members.values()) assert.equal(partitionCount(assignment!), 60)
})

test('a member with a short session is told to speak three times in it', () => {
  const fixture = new ShardFixture([ORDERS])
  const joined = fixture.join('a', ['orders'], { sessionTimeoutMs: 1200 })
  assert.equal(joined.heartbeatIntervalMs, 400)
})
