/** Groups on three broker processes: coordinators that are killed, all brokers restarted, one that was away for long. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupsClient } from '@stratalog/broker/testing'
import { GroupsService, type stratalog } from '@stratalog/proto'
import { TestCluster } from './test-cluster.ts'

const TOPIC = 'orders'
const PARTITION_COUNT = 3
/** An election and what follows it, on a machine that is busy. */
const FAILOVER_MS = 10_000

type Beat = stratalog.v1.GroupHeartbeatResponse

function clientOf(cluster: TestCluster): GroupsClient {
  return new GroupsClient(cluster.brokers.brokers.map(({ address }) => address))
}

function join(groups: GroupsClient, groupId: string, memberId = 'm1'): Promise<Beat> {
  return groups.heartbeat({ groupId, memberId, memberEpoch: 0, subscription: { topics: [TOPIC] }, owned: {} })
}

async function commit(groups: GroupsClient, groupId: string, offset: number, memberEpoch: number): Promise<void> {
  const offsets = Array.from({ length: PARTITION_COUNT }, (_, partition) => ({ topic: TOPIC, partition, offset }))
  const answer = await groups.call(GroupsService.commitOffsets, { groupId, memberId: 'm1', memberEpoch, offsets })
  assert.deepEqual(
    answer.offsets.map(({ error }) => error?.reason),
    offsets.map(() => undefined),
  )
}

async function committed(groups: GroupsClient, groupId: string): Promise<number[]> {
  const { offsets } = await groups.call(GroupsService.fetchOffsets, { groupId })
  return offsets.map(({ offset }) => offset!)
}

test('each coordinator in turn is killed: the next one has members and offsets, and goes on', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  using groups = clientOf(cluster)
  const joined = await join(groups, 'billing')
  const { memberEpoch } = joined
  for (const offset of [10, 20, 30]) {
    await commit(groups, 'billing', offset, memberEpoch)
    const { brokerId } = await groups.coordinatorOf('billing')
    await cluster.brokers.brokers[brokerId - 1]!.kill()
    const killedMs = performance.now()
    assert.deepEqual(await committed(groups, 'billing'), [offset, offset, offset])
    const tookMs = performance.now() - killedMs
    assert.ok(tookMs < FAILOVER_MS, `the next coordinator answered after ${tookMs} ms`)
    const beat = await groups.heartbeat({ groupId: 'billing', memberId: 'm1', memberEpoch, owned: joined.assignment! })
    assert.equal(beat.memberEpoch, memberEpoch)
    await commit(groups, 'billing', offset + 5, memberEpoch)
    await cluster.brokers.restart(brokerId)
    await cluster.healthy()
  }
})

test('a heartbeat that waits when its coordinator is stopped or killed waits at the next one, and gets its news there', async () => {
  await using cluster = await TestCluster.start(3, { 'group.heartbeat.interval.ms': '60000' })
  await cluster.createTopic(TOPIC)
  using groups = clientOf(cluster)
  using others = clientOf(cluster)
  for (const end of ['stop', 'kill'] as const) {
    const groupId = `billing-${end}`
    const joined = await join(groups, groupId)
    const { memberEpoch } = joined
    let told: Beat | null = null
    const waiting = groups.heartbeat({
      groupId,
      memberId: 'm1',
      memberEpoch,
      owned: joined.assignment!,
      maxWaitMs: 60_000,
    })
    const noted = waiting.then((answer) => {
      told = answer
    })
    const { brokerId } = await others.coordinatorOf(groupId)
    await others.call(GroupsService.fetchOffsets, { groupId })
    const endedMs = performance.now()
    await cluster.brokers.brokers[brokerId - 1]![end]()
    await committed(others, groupId)
    assert.equal(told, null, 'it waits, wherever')
    await join(others, groupId, 'm2')
    await noted
    const tookMs = performance.now() - endedMs
    assert.ok(tookMs < FAILOVER_MS, `told after ${tookMs} ms`)
    const kept = told!.assignment!.partitions!.flatMap(({ partitions }) => partitions!)
    assert.ok(kept.length < PARTITION_COUNT, 'it is to give up some')
    await cluster.brokers.restart(brokerId)
    await cluster.healthy()
  }
})

test('all brokers are killed and come back: groups, members and offsets are there', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  using groups = clientOf(cluster)
  const names = Array.from({ length: 20 }, (_, i) => `group-${i}`)
  const epochs = new Map<string, number>()
  for (const [i, name] of names.entries()) {
    const { memberEpoch } = await join(groups, name)
    epochs.set(name, memberEpoch)
    await commit(groups, name, 100 + i, memberEpoch)
  }
  await Promise.all([1, 2, 3].map((id) => cluster.brokers.brokers[id - 1]!.kill()))
  await Promise.all([1, 2, 3].map((id) => cluster.brokers.restart(id)))
  for (const [i, name] of names.entries()) {
    assert.deepEqual(await committed(groups, name), Array(PARTITION_COUNT).fill(100 + i))
    await commit(groups, name, 200 + i, epochs.get(name)!)
  }
  const { address } = cluster.brokers.brokers[0]!
  let listed: string[] = []
  await cluster.until(
    async () => {
      const { groups: list } = await groups.connection(address).call(GroupsService.listGroups, {})
      listed = list.map(({ groupId }) => groupId!)
      return listed.length === names.length
    },
    () => `listed are ${listed.join()}`,
  )
  assert.deepEqual(listed, names.toSorted())
})

test('any broker describes a group; one that does not coordinate it says who does', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  using groups = clientOf(cluster)
  await cluster.send(TOPIC, 30)
  const { memberEpoch } = await join(groups, 'billing')
  await commit(groups, 'billing', 4, memberEpoch)
  const { brokerId } = await groups.coordinatorOf('billing')
  for (const { address, brokerId: asked } of cluster.brokers.brokers) {
    const client = groups.connection(address)
    const described = await client.call(GroupsService.describeGroup, { groupId: 'billing' })
    assert.equal(described.coordinator?.leaderId, brokerId)
    assert.deepEqual(
      described.partitions.map(({ partition, ownerMemberId, lagRecords }) => [partition, ownerMemberId, lagRecords]),
      [
        [0, 'm1', 6],
        [1, 'm1', 6],
        [2, 'm1', 6],
      ],
    )
    assert.deepEqual(described.reasons, [])
    if (asked === brokerId) continue
    const error = await client.failure(GroupsService.fetchOffsets, { groupId: 'billing' })
    assert.equal(error.code, 'NOT_COORDINATOR')
    assert.equal(error.leader?.leaderId, brokerId)
    assert.equal(`${error.leader?.host}:${error.leader?.port}`, cluster.brokers.brokers[brokerId - 1]!.address)
  }
})

test('a topic is deleted: its offsets go, and its partitions leave the members', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  using groups = clientOf(cluster)
  const { memberEpoch, assignment } = await join(groups, 'billing')
  await commit(groups, 'billing', 10, memberEpoch)
  await cluster.client.admin.deleteTopic(TOPIC)
  await cluster.until(
    async () => (await committed(groups, 'billing')).length === 0,
    () => 'the offsets of a topic that is gone are still there',
  )
  const told = await groups.heartbeat({ groupId: 'billing', memberId: 'm1', memberEpoch, owned: assignment! })
  assert.deepEqual(told.assignment?.partitions ?? [], [])
})

test('checkpoints let the log be trimmed, and a broker that was away below its start has all of it', async () => {
  const settings = { 'offsets.topic.checkpoint.bytes': '65536', 'offsets.topic.partitions': '1' }
  await using cluster = await TestCluster.start(3, settings)
  await cluster.createTopic(TOPIC)
  using groups = clientOf(cluster)
  const { memberEpoch } = await join(groups, 'billing')
  await join(groups, 'forgotten')
  await groups.heartbeat({ groupId: 'forgotten', memberId: 'm1', memberEpoch: -1 })
  await commit(groups, 'billing', 1, memberEpoch)
  const { brokerId } = await groups.coordinatorOf('billing')
  const away = brokerId === 3 ? 2 : 3
  await cluster.brokers.brokers[away - 1]!.kill()
  await groups.call(GroupsService.deleteGroup, { groupId: 'forgotten' })
  const offsetsLog = async (): Promise<number> => {
    const partitions = await cluster.client.admin.describePartitions({ topics: ['__consumer_offsets'] })
    return partitions[0]!.logStartOffset!
  }
  let offset = 1
  await cluster.until(
    async () => {
      await Promise.all(Array.from({ length: 200 }, () => commit(groups, 'billing', ++offset, memberEpoch)))
      return (await offsetsLog()) > 0
    },
    () => 'the log of the groups is not trimmed',
  )
  await cluster.brokers.restart(away)
  await cluster.healthy()
  // What the broker that was away knows is seen when it alone is left to lead with the other follower.
  await cluster.brokers.brokers[brokerId - 1]!.kill()
  await cluster.client.admin.transferLeader('__consumer_offsets', 0, away).catch(() => undefined)
  assert.deepEqual(await committed(groups, 'billing'), [offset, offset, offset])
  const { groups: listed } = await groups
    .connection(cluster.brokers.brokers[away - 1]!.address)
    .call(GroupsService.listGroups, {})
  assert.deepEqual(
    listed.map(({ groupId }) => groupId),
    ['billing'],
  )
})

test('a topic of groups that was made by one broker alone gets its copies once others join', async () => {
  await using cluster = await TestCluster.start(3)
  await cluster.createTopic(TOPIC)
  using groups = clientOf(cluster)
  // Two are drained: the topic of the groups is made with one copy.
  const { admin } = cluster.client
  for (const id of [2, 3]) await admin.drainBroker(id, { force: true })
  const { memberEpoch } = await join(groups, 'billing')
  await commit(groups, 'billing', 10, memberEpoch)
  const copies = async (): Promise<number[]> => {
    const partitions = await admin.describePartitions({ topics: ['__consumer_offsets'] })
    return partitions.map(({ replicas }) => replicas.length)
  }
  assert.ok((await copies()).every((count) => count === 1))
  for (const id of [2, 3]) await admin.drainBroker(id, { undo: true })
  await cluster.until(
    async () => (await copies()).every((count) => count === 3),
    () => 'the topic of the groups has not got its copies',
  )
  await cluster.healthy()
  await cluster.brokers.brokers[0]!.kill()
  assert.deepEqual(await committed(groups, 'billing'), [10, 10, 10])
})
