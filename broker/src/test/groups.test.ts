/** Consumer groups as clients meet them: every call over real gRPC to one broker, across restarts. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AdminService, GroupsService, MetadataService, ProduceService, stratalog } from '@stratalog/proto'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../testing/index.ts'
import { WireClient, waitFor } from '../testing/wire-client.ts'

type Beat = stratalog.v1.GroupHeartbeatRequest.$Properties
type BeatAnswer = stratalog.v1.GroupHeartbeatResponse

const { GroupState } = stratalog.v1
const GROUP = 'billing'

async function start(
  t: TestContext,
  options: TestBrokerOptions = {},
): Promise<{ broker: TestBroker; client: WireClient }> {
  const broker = await startTestBroker(options)
  const client = new WireClient(broker.bootstrap)
  t.after(async () => {
    client[Symbol.dispose]()
    await broker[Symbol.asyncDispose]()
  })
  return { broker, client }
}

/** Waits until the group is coordinated. */
async function findCoordinator(client: WireClient, groupId = GROUP): Promise<void> {
  const { coordinator } = await client.call(GroupsService.findCoordinator, { groupId })
  assert.equal(coordinator?.leaderId, 1)
  await waitFor(
    () =>
      client.call(GroupsService.fetchOffsets, { groupId }).then(
        () => true,
        () => false,
      ),
    'the groups are loaded',
  )
}

function beat(client: WireClient, request: Beat): Promise<BeatAnswer> {
  return client.call(GroupsService.heartbeat, { groupId: GROUP, memberId: 'm1', ...request })
}

/** @returns what is committed, or the name of what is wrong, in the order of the offsets. */
async function commit(
  client: WireClient,
  memberEpoch: number,
  offsets: stratalog.v1.CommittedOffset.$Properties[],
): Promise<(number | string)[]> {
  const answer = await client.call(GroupsService.commitOffsets, {
    groupId: GROUP,
    memberId: 'm1',
    memberEpoch,
    offsets,
  })
  return answer.offsets.map(({ offset, error }) => error?.reason ?? offset!)
}

function partitionsOf({ assignment }: Pick<BeatAnswer, 'assignment'>): string[] {
  return (assignment?.partitions ?? []).flatMap(({ topic, partitions }) =>
    partitions!.map((each) => `${topic}-${each}`),
  )
}

test('a member joins, is given the partitions, commits, and the offsets are there after a restart', async (t) => {
  const { broker, client } = await start(t)
  await client.call(AdminService.createTopic, { name: 'orders', partitionCount: 3 })
  await findCoordinator(client)
  const joined = await beat(client, { memberEpoch: 0, subscription: { topics: ['orders'] }, owned: {} })
  assert.deepEqual(partitionsOf(joined), ['orders-0', 'orders-1', 'orders-2'])
  assert.ok(joined.memberEpoch > 0)
  assert.equal(joined.heartbeatIntervalMs, 3000)
  const { memberEpoch } = joined
  const committed = await client.call(GroupsService.commitOffsets, {
    groupId: GROUP,
    memberId: 'm1',
    memberEpoch,
    offsets: [
      { topic: 'orders', partition: 1, offset: 5, leaderEpoch: 1, metadata: 'half way' },
      { topic: 'nothing', partition: 0, offset: 5 },
      { topic: 'orders', partition: 7, offset: 5 },
    ],
  })
  assert.deepEqual(
    committed.offsets.map(({ offset, error }) => error?.reason ?? offset),
    [5, 'UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_OR_PARTITION'],
  )
  const check = async (): Promise<void> => {
    const { offsets } = await client.call(GroupsService.fetchOffsets, { groupId: GROUP })
    assert.equal(offsets.length, 1)
    const { topic, partition, offset, metadata, leaderEpoch } = offsets[0]!
    assert.deepEqual(
      { topic, partition, offset, metadata, leaderEpoch },
      {
        topic: 'orders',
        partition: 1,
        offset: 5,
        metadata: 'half way',
        leaderEpoch: 1,
      },
    )
  }
  await check()
  await broker.restart()
  await findCoordinator(client)
  await check()
  const again = await beat(client, { memberEpoch, owned: joined.assignment! })
  assert.equal(again.memberEpoch, memberEpoch)
})

test('a group is described: members, owners, lag in records and time, and why it does not move', async (t) => {
  const { client } = await start(t)
  await client.call(AdminService.createTopic, { name: 'orders', partitionCount: 2 })
  const records = Array.from({ length: 4 }, (_, i) => ({
    value: Buffer.from(`${i}`),
    timestampMs: Date.now() - 60_000,
  }))
  await client.call(ProduceService.produceRecords, { topic: 'orders', partition: 0, records })
  await findCoordinator(client)
  const { memberEpoch } = await beat(client, {
    memberEpoch: 0,
    subscription: { topics: ['orders'], clientId: 'biller' },
    owned: {},
    stalls: [],
  })
  await commit(client, memberEpoch, [
    { topic: 'orders', partition: 0, offset: 1 },
    { topic: 'orders', partition: 1, offset: 9 },
  ])
  const { state, members, partitions, reasons, coordinator } = await client.call(GroupsService.describeGroup, {
    groupId: GROUP,
  })
  assert.equal(state, GroupState.GROUP_STATE_STABLE)
  assert.equal(coordinator?.leaderId, 1)
  assert.deepEqual(
    members.map(({ memberId, clientId, address }) => [memberId, clientId, address!.startsWith('127.0.0.1')]),
    [['m1', 'biller', true]],
  )
  assert.deepEqual(
    partitions.map(({ topic, partition, ownerMemberId, committedOffset, visibleEnd, lagRecords }) => {
      return [topic, partition, ownerMemberId, committedOffset, visibleEnd, lagRecords]
    }),
    [
      ['orders', 0, 'm1', 1, 4, 3],
      ['orders', 1, 'm1', 9, 0, 0],
    ],
  )
  assert.ok(partitions[0]!.lagMs! >= 60_000 && partitions[0]!.lagMs! < 120_000, `lag is ${partitions[0]!.lagMs} ms`)
  assert.deepEqual(reasons, ['Partition orders-1 is committed at offset 9, which is out of range: the log has 0 to 0.'])
  await beat(client, { memberEpoch: -1 })
  const left = await client.call(GroupsService.describeGroup, { groupId: GROUP })
  assert.deepEqual(left.reasons, ['The group has no members.'])
  const { groups, errors } = await client.call(GroupsService.listGroups, { states: [GroupState.GROUP_STATE_EMPTY] })
  assert.deepEqual(
    groups.map(({ groupId, memberCount, coordinatorId }) => [groupId, memberCount, coordinatorId]),
    [[GROUP, 0, 1]],
  )
  assert.deepEqual(errors, [])
  const { groups: stable } = await client.call(GroupsService.listGroups, { states: [GroupState.GROUP_STATE_STABLE] })
  assert.deepEqual(stable, [])
})

test('offsets are reset by every rule, first dry, and only of a group without members', async (t) => {
  const { client } = await start(t)
  await client.call(AdminService.createTopic, { name: 'orders', partitionCount: 1 })
  const records = Array.from({ length: 10 }, (_, i) => ({ value: Buffer.from(`${i}`), timestampMs: 1000 + i }))
  await client.call(ProduceService.produceRecords, { topic: 'orders', partition: 0, records })
  await findCoordinator(client)
  await findCoordinator(client, 'other')
  const partitions = [{ topic: 'orders', partitions: [0] }]
  const reset = async (
    to: stratalog.v1.ResetOffsetsRequest.$Properties,
    groupId = GROUP,
  ): Promise<(number | string | undefined)[]> => {
    const { resets } = await client.call(GroupsService.resetOffsets, { groupId, ...to })
    return resets.flatMap(({ fromOffset, toOffset, error }): (number | string | undefined)[] =>
      error ? [error.reason!] : [fromOffset!, toOffset!],
    )
  }
  assert.deepEqual(await reset({ partitions, latest: true, dryRun: true }), [-1, 10])
  assert.deepEqual((await client.call(GroupsService.fetchOffsets, { groupId: GROUP })).offsets, [])
  assert.deepEqual(await reset({ partitions, latest: true }), [-1, 10])
  assert.deepEqual(await reset({ offset: 4 }), [10, 4])
  assert.deepEqual(await reset({ offset: 11 }), ['OFFSET_OUT_OF_RANGE'])
  assert.deepEqual(await reset({ timestampMs: 1007 }), [4, 7])
  assert.deepEqual(await reset({ timestampMs: 5000 }), [7, 10])
  assert.deepEqual(await reset({ shift: -3 }), [10, 7])
  assert.deepEqual(await reset({ shift: 300 }), [7, 10])
  assert.deepEqual(await reset({ earliest: true }), [10, 0])
  assert.deepEqual(await reset({ offset: 6 }), [0, 6])
  assert.deepEqual(await reset({ group: GROUP }, 'other'), [-1, 6])
  assert.deepEqual(await reset({ partitions: [{ topic: 'nothing', partitions: [0] }], earliest: true }), [
    'UNKNOWN_TOPIC_OR_PARTITION',
  ])
  const failure = (request: stratalog.v1.ResetOffsetsRequest.$Properties) =>
    client.failure(GroupsService.resetOffsets, { groupId: GROUP, ...request })
  assert.equal((await failure({})).code, 'INVALID_REQUEST')
  assert.match((await failure({ offset: -1 })).message, /offset is -1; it must be 0 to/)
  assert.equal((await failure({ group: 'nobody' })).code, 'GROUP_ID_NOT_FOUND')
  await beat(client, { memberEpoch: 0, subscription: { topics: ['orders'] }, owned: {} })
  assert.equal((await failure({ earliest: true, dryRun: true })).code, 'GROUP_NOT_EMPTY')
})

test('what cannot be is refused with its name, and nothing breaks', async (t) => {
  const { client } = await start(t)
  await client.call(AdminService.createTopic, { name: 'orders', partitionCount: 2 })
  const beforeAnyGroup = await client.failure(GroupsService.heartbeat, { groupId: GROUP, memberId: 'm1' })
  assert.equal(beforeAnyGroup.code, 'NOT_COORDINATOR')
  await findCoordinator(client)
  for (const groupId of ['', 'x'.repeat(256), 'a\u0000b']) {
    assert.equal((await client.failure(GroupsService.findCoordinator, { groupId })).code, 'INVALID_GROUP_ID')
    assert.equal((await client.failure(GroupsService.fetchOffsets, { groupId })).code, 'INVALID_GROUP_ID')
    assert.equal((await client.failure(GroupsService.describeGroup, { groupId })).code, 'INVALID_GROUP_ID')
  }
  const refused = (request: Beat) =>
    client.failure(GroupsService.heartbeat, { groupId: GROUP, memberId: 'm1', ...request })
  const subscribing = (subscription: stratalog.v1.GroupSubscription.$Properties) =>
    refused({ memberEpoch: 0, subscription, owned: {} })
  const tooMany = await subscribing({ topics: Array.from({ length: 10_001 }, (_, i) => `t-${i}`) })
  assert.match(tooMany.message, /topics has 10001 names; it may have 10000/)
  assert.equal((await subscribing({ topicPattern: '(' })).code, 'INVALID_REGULAR_EXPRESSION')
  assert.equal((await subscribing({ topicPattern: 'x'.repeat(1001) })).code, 'INVALID_REGULAR_EXPRESSION')
  assert.equal((await subscribing({ topics: ['orders'], assignor: 'best' })).code, 'UNSUPPORTED_ASSIGNOR')
  assert.equal((await subscribing({ topics: ['orders'], clientId: 'x'.repeat(256) })).code, 'INVALID_REQUEST')
  assert.equal((await refused({ memberId: '' })).code, 'INVALID_REQUEST')
  assert.equal((await refused({ memberEpoch: 3 })).code, 'UNKNOWN_MEMBER_ID')
  assert.equal((await refused({ memberEpoch: -3 })).code, 'INVALID_REQUEST')
  assert.equal(
    (
      await refused({
        memberEpoch: 0,
        subscription: { topics: ['orders'] },
        owned: { partitions: [{ partitions: [0] }] },
      })
    ).code,
    'INVALID_REQUEST',
  )
  const { memberEpoch } = await beat(client, { memberEpoch: 0, subscription: { topics: ['orders'] }, owned: {} })
  const offsets = [{ topic: 'orders', partition: 0, offset: 1 }]
  const commitFailure = async (request: stratalog.v1.CommitOffsetsRequest.$Properties): Promise<string> =>
    (await client.failure(GroupsService.commitOffsets, { groupId: GROUP, offsets, ...request })).code
  assert.equal(await commitFailure({ memberId: 'm2', memberEpoch }), 'UNKNOWN_MEMBER_ID')
  assert.equal(await commitFailure({ memberId: 'm1', memberEpoch: memberEpoch + 1 }), 'FENCED_MEMBER_EPOCH')
  assert.equal(await commitFailure({ memberEpoch: -1 }), 'GROUP_NOT_EMPTY')
  assert.equal((await client.failure(GroupsService.deleteGroup, { groupId: GROUP })).code, 'GROUP_NOT_EMPTY')
  assert.equal((await client.failure(GroupsService.deleteGroup, { groupId: 'nobody' })).code, 'GROUP_ID_NOT_FOUND')
  assert.equal((await client.failure(GroupsService.describeGroup, { groupId: 'nobody' })).code, 'GROUP_ID_NOT_FOUND')
  assert.equal((await client.failure(GroupsService.deleteOffsets, { groupId: GROUP })).code, 'INVALID_REQUEST')
  const big = await commit(client, memberEpoch, [
    { topic: 'orders', partition: 0, offset: 1, metadata: 'x'.repeat(4097) },
    { topic: 'orders', partition: 1, offset: -1 },
    { topic: 'orders', partition: 1, offset: 3 },
  ])
  assert.deepEqual(big, ['OFFSET_METADATA_TOO_LARGE', 'INVALID_REQUEST', 3])
  const deleted = await client.call(GroupsService.deleteOffsets, {
    groupId: GROUP,
    partitions: [{ topic: 'orders', partitions: [1] }],
  })
  assert.equal(deleted.offsets[0]?.error?.reason, 'GROUP_SUBSCRIBED_TO_TOPIC')
})

test('clients cannot write, make, change, grow or delete the topic of the groups', async (t) => {
  const { client } = await start(t, { settings: { 'offsets.topic.partitions': 3 } })
  await findCoordinator(client)
  const name = '__consumer_offsets'
  const { topics } = await client.call(MetadataService.describeTopics, { topics: [name] })
  assert.equal(topics[0]?.partitions?.length, 3)
  assert.equal(topics[0]?.internal, true)
  const { acks } = await client.call(ProduceService.produceRecords, {
    topic: name,
    partition: 0,
    records: [{ value: Buffer.from('x') }],
  })
  assert.equal(acks[0]?.error?.reason, 'INVALID_TOPIC')
  const codes = await Promise.all([
    client.failure(AdminService.createTopic, { name, partitionCount: 1 }),
    client.failure(AdminService.deleteTopic, { name }),
    client.failure(AdminService.alterTopicConfig, { name, set: { 'retention.ms': '1' } }),
    client.failure(AdminService.addPartitions, { name, partitionCount: 5 }),
  ])
  assert.deepEqual(
    codes.map(({ code }) => code),
    ['INVALID_TOPIC', 'INVALID_TOPIC', 'INVALID_TOPIC', 'INVALID_TOPIC'],
  )
})

test('a member that is silent for its session is removed, and its partitions go to another', async (t) => {
  const { client } = await start(t)
  await client.call(AdminService.createTopic, { name: 'orders', partitionCount: 2 })
  await findCoordinator(client)
  const subscription = { topics: ['orders'], sessionTimeoutMs: 1000 }
  const silent = await beat(client, { memberId: 'silent', memberEpoch: 0, subscription, owned: {} })
  assert.equal(partitionsOf(silent).length, 2)
  let epoch = 0
  let owned: stratalog.v1.GroupAssignment.$Properties = {}
  await waitFor(async () => {
    const answer = await beat(client, { memberId: 'lively', memberEpoch: epoch, subscription, owned })
    epoch = answer.memberEpoch
    owned = answer.assignment ?? owned
    return partitionsOf({ assignment: owned }).length === 2
  }, 'the lively member has all partitions')
  const late = await client.failure(GroupsService.heartbeat, {
    groupId: GROUP,
    memberId: 'silent',
    memberEpoch: silent.memberEpoch,
  })
  assert.equal(late.code, 'UNKNOWN_MEMBER_ID')
})

test('a heartbeat waits for news for as long as its sender says, and brings it at once', async (t) => {
  const { broker, client } = await start(t, { settings: { 'group.heartbeat.interval.ms': 60_000 } })
  const other = new WireClient(broker.bootstrap)
  t.after(() => other[Symbol.dispose]())
  await client.call(AdminService.createTopic, { name: 'orders', partitionCount: 2 })
  await findCoordinator(client)
  const subscription = { topics: ['orders'] }
  const joined = await beat(client, { memberEpoch: 0, subscription, owned: {} })
  const { memberEpoch } = joined
  const startedMs = performance.now()
  const quiet = await beat(client, { memberEpoch, owned: joined.assignment! })
  assert.ok(performance.now() - startedMs < 5_000, 'nobody waits who did not ask for it')
  assert.equal(quiet.assignment, null)
  const short = await beat(client, { memberEpoch, maxWaitMs: 200 })
  assert.ok(performance.now() - startedMs >= 200)
  assert.equal(short.assignment, null)

  const waiting = beat(client, { memberEpoch, owned: joined.assignment!, maxWaitMs: 60_000 })
  const second = await beat(other, { memberId: 'm2', memberEpoch: 0, subscription, owned: {} })
  assert.deepEqual(partitionsOf(second), [])
  const told = await waiting
  assert.deepEqual(partitionsOf(told), ['orders-0'])
  const free = beat(other, { memberId: 'm2', memberEpoch: second.memberEpoch, owned: {}, maxWaitMs: 60_000 })
  await beat(client, { memberEpoch: told.memberEpoch, owned: told.assignment! })
  assert.deepEqual(partitionsOf(await free), ['orders-1'])
})

test('a member whose connection is gone while its heartbeat waits is not told anything, and its session ends', async (t) => {
  const settings = { 'group.heartbeat.interval.ms': 60_000, 'group.min.session.timeout.ms': 100 }
  const { broker, client } = await start(t, { settings })
  const doomed = new WireClient(broker.bootstrap)
  await client.call(AdminService.createTopic, { name: 'orders', partitionCount: 2 })
  await findCoordinator(client)
  const subscription = { topics: ['orders'], sessionTimeoutMs: 1_500 }
  const { memberEpoch } = await beat(doomed, { memberEpoch: 0, subscription, owned: {} })
  const waiting = beat(doomed, { memberEpoch, maxWaitMs: 60_000 }).catch(() => null)
  const members = async (): Promise<[string, number][]> => {
    const { members: all } = await client.call(GroupsService.describeGroup, { groupId: GROUP })
    return all.map((member) => [member.memberId!, member.memberEpoch!])
  }
  await waitFor(async () => (await members()).length === 1, 'the member is there')
  doomed[Symbol.dispose]()
  await waiting
  await waitFor(() => broker.broker.connectionCount === 1, 'its connection is gone')
  const joined = await beat(client, { memberId: 'm2', memberEpoch: 0, subscription: { topics: ['orders'] }, owned: {} })
  assert.deepEqual(await members(), [
    ['m1', memberEpoch],
    ['m2', joined.memberEpoch],
  ])
  await waitFor(async () => (await members()).length === 1, 'its session ends')
})

test('a broker that stops does not wait for heartbeats that wait', async (t) => {
  const { broker, client } = await start(t, { settings: { 'group.heartbeat.interval.ms': 60_000 } })
  await client.call(AdminService.createTopic, { name: 'orders', partitionCount: 2 })
  await findCoordinator(client)
  const { memberEpoch } = await beat(client, { memberEpoch: 0, subscription: { topics: ['orders'] }, owned: {} })
  const waiting = client.failure(GroupsService.heartbeat, {
    groupId: GROUP,
    memberId: 'm1',
    memberEpoch,
    maxWaitMs: 60_000,
  })
  // Behind it on the same connection: by its answer the other one waits.
  await client.call(GroupsService.describeGroup, { groupId: GROUP })
  const startedMs = performance.now()
  await broker.stop()
  assert.ok(performance.now() - startedMs < 5_000)
  assert.equal((await waiting).code, 'SHUTTING_DOWN')
})
