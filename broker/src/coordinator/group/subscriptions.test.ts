/** Subscriptions: what may be asked for, patterns, and following the topics. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_ASSIGNMENT, partitionCount } from './assignment.ts'
import type { Subscription } from './group-api.ts'
import { ok, parts, refused, ShardFixture, subscribe, topic, topicId } from './test/shard-fixture.ts'

const ORDERS = topic('orders', 1, 2)

test('a pattern follows topics as they come, grow and go, and whole names only', () => {
  const fixture = new ShardFixture([ORDERS, topic('old-orders', 2, 1), topic('__offsets', 3, 1)])
  const a = fixture.join('a', [], { topicPattern: 'orders|new-.*|__.*' })
  assert.deepEqual(a.assignment, parts(1, 0, 1))
  fixture.setTopics(ORDERS, topic('new-1', 4, 1))
  const b = fixture.stay('a', a.memberEpoch, parts(1, 0, 1))
  assert.deepEqual([...b.assignment!.keys()], [topicId(1), topicId(4)])
  fixture.setTopics(topic('orders', 1, 3), topic('new-1', 4, 1))
  const c = fixture.stay('a', b.memberEpoch, b.assignment)
  assert.deepEqual(c.assignment!.get(topicId(1)), [0, 1, 2])
  fixture.setTopics(topic('new-1', 4, 1))
  const d = fixture.stay('a', c.memberEpoch, c.assignment)
  assert.deepEqual(d.assignment, parts(4, 0))
})

test('a topic that is made again under its name is another', () => {
  const fixture = new ShardFixture([ORDERS])
  const a = fixture.join('a', ['orders'])
  fixture.setTopics(topic('orders', 7, 1))
  const told = fixture.stay('a', a.memberEpoch, parts(1, 0, 1))
  assert.deepEqual(told.assignment, parts(7, 0))
})

test('names may come before their topics', () => {
  const fixture = new ShardFixture([])
  const a = fixture.join('a', ['orders'])
  assert.deepEqual(a.assignment, EMPTY_ASSIGNMENT)
  const [change] = fixture.setTopics(ORDERS)
  assert.deepEqual(change!.wakes, ['a'])
  assert.deepEqual(fixture.stay('a', a.memberEpoch).assignment, parts(1, 0, 1))
})

test('only groups that subscribe are touched by a change of topics', () => {
  const fixture = new ShardFixture([ORDERS])
  fixture.join('a', ['orders'])
  assert.deepEqual(fixture.setTopics(ORDERS, topic('clicks', 2, 1)), [])
})

test('a new subscription moves partitions at once', () => {
  const fixture = new ShardFixture([ORDERS, topic('clicks', 2, 1)])
  const a = fixture.join('a', ['orders'])
  const subscription = subscribe(['clicks'])
  const { response } = ok(fixture.beat('a', { memberEpoch: a.memberEpoch, subscription, owned: parts(1, 0, 1) }))
  assert.deepEqual(response.assignment, parts(2, 0))
  fixture.stay('a', response.memberEpoch, parts(2, 0))
  assert.equal(fixture.state, 'stable')
})

for (const [pattern, why] of [
  ['(', /missing closing/],
  ['a\\1', /invalid escape/],
  ['(?=x)', /Perl syntax/],
  ['((a{1,1000}){1,1000}){1,1000}', /too large/],
  ['x'.repeat(1001), /1001 characters; it may have 1000/],
] as const) {
  test(`the pattern ${pattern.slice(0, 30)} is refused`, () => {
    const fixture = new ShardFixture([ORDERS])
    const subscription = subscribe([], { topicPattern: pattern })
    refused(fixture.beat('a', { subscription }), 'INVALID_REGULAR_EXPRESSION', why)
    assert.equal(fixture.shard.groupCount, 0)
    const a = fixture.join('a', ['orders'])
    refused(fixture.beat('a', { memberEpoch: a.memberEpoch, subscription }), 'INVALID_REGULAR_EXPRESSION')
    assert.equal(fixture.describe().members[0]!.subscription.topicPattern, '')
  })
}

test('a pattern that backtracks for ever elsewhere is matched in linear time', () => {
  const names = Array.from({ length: 200 }, (_, i) => topic(`${'a'.repeat(200)}${i}`, i + 1, 1))
  const fixture = new ShardFixture(names)
  const { assignment } = fixture.join('a', [], { topicPattern: '(a+)+(a|aa)+b' })
  assert.deepEqual(assignment, EMPTY_ASSIGNMENT)
})

test('ten thousand topics can be subscribed to, one more cannot', () => {
  const names = Array.from({ length: 10_001 }, (_, i) => `topic-${String(i).padStart(5, '0')}`)
  const fixture = new ShardFixture(names.slice(0, 10_000).map((name, i) => topic(name, i + 1, 1)))
  refused(
    fixture.beat('a', { subscription: subscribe(names) }),
    'INVALID_REQUEST',
    /topics has 10001 names; it may have 10000/,
  )
  const a = fixture.join('a', names.slice(0, 10_000))
  assert.equal(partitionCount(a.assignment!), 10_000)
  const b = fixture.join('b', names.slice(0, 10_000))
  const told = fixture.stay('a', a.memberEpoch, a.assignment)
  assert.equal(partitionCount(told.assignment!), 5000)
  fixture.stay('a', told.memberEpoch, told.assignment)
  assert.equal(partitionCount(fixture.stay('b', b.memberEpoch).assignment!), 5000)
})

test('what a subscription may hold', () => {
  const fixture = new ShardFixture([ORDERS])
  const tooMuch: [Partial<Subscription>, RegExp][] = [
    [{ clientId: 'x'.repeat(256) }, /client_id has 256/],
    [{ rack: 'x'.repeat(256) }, /rack has 256/],
    [{ clientId: 'a\u0007' }, /control character/],
    [{ sessionTimeoutMs: 999 }, /session_timeout_ms has 999 ms; it must be 1000 to 1800000/],
    [{ sessionTimeoutMs: 1_800_001 }, /session_timeout_ms/],
    [{ rebalanceTimeoutMs: -1 }, /rebalance_timeout_ms/],
    [{ rebalanceTimeoutMs: 86_400_001 }, /rebalance_timeout_ms/],
    [{ topics: Array.from({ length: 3000 }, (_, i) => `${'x'.repeat(200)}${i}`) }, /characters in all/],
  ]
  for (const [more, message] of tooMuch) {
    refused(fixture.beat('a', { subscription: subscribe(['orders'], more) }), 'INVALID_REQUEST', message)
  }
  refused(fixture.beat('a', { subscription: subscribe(['x'.repeat(250)]) }), 'INVALID_TOPIC')
  refused(fixture.beat('a', { subscription: subscribe(['orders'], { assignor: 'best' }) }), 'UNSUPPORTED_ASSIGNOR')
  refused(fixture.beat('a'), 'INVALID_REQUEST', /must say what it subscribes to/)
  assert.equal(fixture.shard.groupCount, 0)
})

test('the assignor that most ask for is used from then on', () => {
  const fixture = new ShardFixture([ORDERS])
  fixture.join('a', ['orders'], { assignor: 'range' })
  assert.equal(fixture.describe().assignor, 'range')
  fixture.join('b', ['orders'])
  fixture.join('c', ['orders'])
  assert.equal(fixture.describe().assignor, 'uniform')
})
