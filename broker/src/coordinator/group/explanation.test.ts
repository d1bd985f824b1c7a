/** Why a group does not move: the sentences, from the states that call for them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainStandstill, type PartitionTrouble } from './explanation.ts'
import { ok, parts, ShardFixture, topic, topicId } from './test/shard-fixture.ts'

function reasons(fixture: ShardFixture, troubles: readonly PartitionTrouble[] = []): string[] {
  const name = (id: string): string => fixture.topics.byId.get(id)?.name ?? id
  return explainStandstill(fixture.describe(), troubles, name, fixture.config.heartbeatIntervalMs)
}

test('a group that moves has no reasons; one without members has one', () => {
  const fixture = new ShardFixture([topic('orders', 1, 2)])
  fixture.join('a', ['orders'])
  assert.deepEqual(reasons(fixture), [])
  fixture.leave('a')
  assert.deepEqual(reasons(fixture), ['The group has no members.'])
})

test('who gives up what, for how long, and who waits for it', () => {
  const fixture = new ShardFixture([topic('orders', 1, 8)])
  const a = fixture.join('a', ['orders'])
  fixture.join('b', ['orders'], { clientId: '' })
  fixture.stay('a', a.memberEpoch)
  fixture.nowMs += 2500
  assert.deepEqual(reasons(fixture), [
    'Rebalancing: Member a (test) has been giving up orders-4, orders-5, orders-6 and 1 more for 2.5 s; Member b waits for it. It is removed in 57.5 s if it does not.',
  ])
})

test('a stalled handler, a silent member, one that is away', () => {
  const fixture = new ShardFixture([topic('orders', 1, 2)])
  const a = fixture.join('a', ['orders'], {}, 'inst')
  const stalls = [{ topicId: topicId(1), partition: 1, offset: 77, forMs: 95_000 }]
  ok(fixture.beat('a', { memberEpoch: a.memberEpoch, stalls }))
  assert.deepEqual(reasons(fixture), ['Member inst (test) has been at offset 77 of orders-1 for 1 min 35 s.'])
  ok(fixture.beat('a', { memberEpoch: a.memberEpoch }))
  fixture.nowMs += 20_000
  assert.deepEqual(reasons(fixture), [
    'Member inst (test) has been silent for 20 s and holds 2 partitions; it is removed in 25 s.',
  ])
  fixture.leave('a', -2)
  fixture.nowMs += 500
  assert.deepEqual(reasons(fixture), [
    'Member inst (test) has left for a while; 2 partitions are kept for it for 44.5 s more.',
  ])
})

test('troubles of partitions come first', () => {
  const fixture = new ShardFixture([topic('orders', 1, 3)])
  fixture.join('a', ['orders'])
  const place = { topicId: topicId(1) }
  assert.deepEqual(
    reasons(fixture, [
      { kind: 'no-leader', ...place, partition: 0 },
      { kind: 'offset-out-of-range', ...place, partition: 1, offset: 5, logStartOffset: 10, visibleEnd: 20 },
      { kind: 'throttled', ...place, partition: 2, forMs: 40 },
    ]),
    [
      'Partition orders-0 has no leader.',
      'Partition orders-1 is committed at offset 5, which is out of range: the log has 10 to 20.',
      'Partition orders-2 is throttled for 40 ms more.',
    ],
  )
})

test('a group whose topics do not exist', () => {
  const fixture = new ShardFixture([])
  fixture.join('a', ['orders'])
  assert.deepEqual(reasons(fixture), ['No member subscribes to a topic that exists.'])
})

test('what is given up is not waited for when nobody is to have it', () => {
  const fixture = new ShardFixture([topic('orders', 1, 2)])
  const a = fixture.join('a', ['orders'])
  fixture.setTopics()
  fixture.stay('a', a.memberEpoch, parts(1, 0, 1))
  assert.match(reasons(fixture)[0]!, /giving up .*-0, .*-1 for 0 ms\. It is removed/)
})
