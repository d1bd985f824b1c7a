/** Consumer groups as clients meet them: every call over real gRPC to one broker, across restarts. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AdminService, GroupsService, type stratalog } from '@stratalog/proto'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../testing/index.ts'
import { WireClient, waitFor } from '../testing/wire-client.ts'

type Beat = stratalog.v1.GroupHeartbeatRequest.$Properties
type BeatAnswer = stratalog.v1.GroupHeartbeatResponse

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
