/** A new coordinator: what it takes over, what it must not lose, and batches that were cut off. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GroupRecord } from './group-records.ts'
import { GroupShard } from './group-shard.ts'
import { at, ok, parts, refused, ShardFixture, topic } from './test/shard-fixture.ts'

const ORDERS = topic('orders', 1, 4)

test('members go on with their epochs; nothing is written', () => {
  const fixture = new ShardFixture([ORDERS])
  const members = new Map([['a', fixture.join('a', ['orders'])]])
  members.set('b', fixture.join('b', ['orders']))
  fixture.settle(members)
  assert.deepEqual(fixture.failOver(), [])
  for (const [id, { memberEpoch }] of members) assert.equal(fixture.stay(id, memberEpoch).memberEpoch, memberEpoch)
})

test('members get their whole session timeout anew', () => {
  const fixture = new ShardFixture([ORDERS])
  fixture.join('a', ['orders'])
  fixture.nowMs += 44_000
  fixture.failOver()
  assert.deepEqual(fixture.pass(44_999), [])
  assert.equal(fixture.pass(1).length, 1)
})

test('a revocation that was told goes on; its time begins anew', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'])
  const b = fixture.join('b', ['orders'])
  const told = fixture.stay('a', a.memberEpoch, parts(1, 0, 1, 2, 3))
  fixture.failOver()
  assert.deepEqual(fixture.stay('a', a.memberEpoch, parts(1, 0, 1, 2, 3)), told, 'the answer may have been lost')
  fixture.stay('a', told.memberEpoch, parts(1, 0, 1))
  assert.deepEqual(fixture.stay('b', b.memberEpoch).assignment, parts(1, 2, 3))
})

test('topics that came while nobody led are found', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'])
  fixture.topics = new ShardFixture([topic('orders', 1, 5)]).topics
  assert.equal(fixture.failOver().length, 1)
  assert.deepEqual(fixture.stay('a', a.memberEpoch, parts(1, 0, 1, 2, 3)).assignment, parts(1, 0, 1, 2, 3, 4))
})

test('an older view of the topics takes nothing away; the newer one is followed when it comes', () => {
  const fixture = new ShardFixture([ORDERS])
  fixture.setTopics(ORDERS, topic('clicks', 2, 1))
  const a = fixture.join('a', ['orders', 'clicks'])
  const newer = fixture.topics
  fixture.topics = { ...new ShardFixture([ORDERS]).topics, version: newer.version - 1 }
  assert.deepEqual(fixture.failOver(), [])
  assert.equal(fixture.stay('a', a.memberEpoch).assignment, null)
  const b = fixture.join('b', ['orders', 'clicks'])
  assert.equal(b.assignment!.size, 0, 'who joins meanwhile waits')
  const [change] = fixture.setTopics(...newer.byId.values())
  assert.deepEqual(change!.wakes, ['a'])
})

test('a joining whose batch was cut off did not happen', () => {
  const fixture = new ShardFixture([ORDERS])
  fixture.join('a', ['orders'])
  const kept = fixture.log.length
  fixture.join('b', ['orders'])
  for (let end = kept; end < fixture.log.length; end++) {
    const cut = new ShardFixture([ORDERS])
    cut.failOver(fixture.log.slice(0, end))
    assert.deepEqual(
      cut.describe().members.map(({ memberId }) => memberId),
      ['a'],
    )
    assert.deepEqual(cut.describe().members[0]!.target, parts(1, 0, 1, 2, 3))
  }
})

test('folding the log, its checkpoint, or either twice gives the same', () => {
  const fixture = new ShardFixture([ORDERS])
  fixture.join('a', ['orders'])
  fixture.join('b', ['orders'])
  fixture.leave('a')
  ok(
    fixture.commit(
      { memberId: 'b', memberEpoch: fixture.stay('b', fixture.join('b', ['orders']).memberEpoch).memberEpoch },
      at(1, 0, 3),
    ),
  )
  const live = [...fixture.shard.checkpoint()]
  const folded = (records: readonly GroupRecord[]): GroupRecord[] => {
    const shard = new GroupShard(fixture.config)
    for (const record of records) shard.fold(record)
    shard.checkInvariants()
    return [...shard.checkpoint()]
  }
  for (const records of [fixture.log, live, [...fixture.log, ...fixture.log], [...live, ...live]]) {
    assert.deepEqual(folded(records), live)
  }
})

test('a member that was removed stays removed', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'])
  fixture.pass(45_000)
  fixture.failOver()
  refused(fixture.beat('a', { memberEpoch: a.memberEpoch }), 'UNKNOWN_MEMBER_ID')
})

test('a follower is not asked, a leader does not fold', () => {
  const fixture = new ShardFixture([ORDERS])
  const follower = new GroupShard(fixture.config)
  assert.throws(() => follower.tick(0), /only a leader is asked/)
  const record: GroupRecord = { type: 'group', groupId: 'g', value: null }
  assert.throws(() => fixture.shard.fold(record), /a leader folds its records/)
})
