import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isStratalogError } from '@stratalog/client'
import { BrokerProcess } from '../../cluster/broker-process.ts'
import { TestCluster } from './test-cluster.ts'

const TOPIC = 'orders'

/** A broker that joins a running cluster by the address of one of its members. */
function joiner(cluster: TestCluster, brokerId: number): Promise<BrokerProcess> {
  return BrokerProcess.start({
    brokerId,
    dataDir: cluster.dataDir(brokerId),
    logPath: join(cluster.path, `broker-${brokerId}.log`),
    host: '127.0.0.1',
    port: 0,
    settings: { join: cluster.brokers.peerAddresses.join(',') },
  })
}

async function replicasOf(cluster: TestCluster, partition: number): Promise<number[]> {
  const partitions = await cluster.client.admin.describePartitions({ topics: [TOPIC] })
  return partitions[partition]!.replicas.map(({ brokerId }) => brokerId)
}

test('a broker joins by address, takes a partition over and another one leaves for good, under load', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  await cluster.send(TOPIC, 1000)
  const fourth = await joiner(cluster, 4)
  try {
    const { admin } = cluster.client
    const longestMs = await cluster.whileSending(TOPIC, async () => {
      await admin.movePartition({ topic: TOPIC, partition: 0, replicas: [4, 2, 3] })
      await cluster.healthy()
      assert.deepEqual((await replicasOf(cluster, 0)).sort(), [2, 3, 4])
      assert.equal(existsSync(join(cluster.dataDir(1), 'topics', `${TOPIC}-0`)), false, 'what moved away is removed')
      await admin.decommissionBroker(2)
      await cluster.until(
        async () => (await admin.describeCluster()).brokers.every(({ brokerId }) => brokerId !== 2),
        () => 'broker 2 is still there',
      )
    })
    assert.ok(longestMs < 10_000, `a write took ${longestMs} ms`)
    for (const partition of [0, 1, 2]) assert.ok(!(await replicasOf(cluster, partition)).includes(2))
    await cluster.checkAll(TOPIC)
  } finally {
    await fourth.stop()
  }
})

test('a broker that is drained leads nothing until that is undone; two of three cannot be', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC, 6)
  const { admin } = cluster.client
  const leaders = async (): Promise<(number | null)[]> => {
    const [topic] = await admin.describeTopics([TOPIC])
    return topic!.partitions.map(({ leaderId }) => leaderId)
  }
  assert.deepEqual(new Set(await leaders()), new Set([1, 2, 3]))
  const longestMs = await cluster.whileSending(TOPIC, async () => {
    await admin.drainBroker(1)
    await cluster.until(
      async () => !(await leaders()).includes(1),
      () => 'broker 1 still leads',
    )
    await assert.rejects(admin.drainBroker(2), (error) => isStratalogError(error, 'QUORUM_WOULD_BE_LOST'))
    await admin.drainBroker(1, { undo: true })
    await cluster.until(
      async () => (await leaders()).filter((leader) => leader === 1).length === 2,
      () => 'broker 1 does not lead what it should',
    )
  })
  assert.ok(longestMs < 2000, `a write took ${longestMs} ms`)
  await cluster.checkAll(TOPIC)
})

test('brokers are restarted one after another without a failed write', async () => {
  await using cluster = await TestCluster.start()
  await cluster.createTopic(TOPIC)
  const longestMs = await cluster.whileSending(TOPIC, async () => {
    for (const { brokerId } of [...cluster.brokers.brokers]) {
      await cluster.brokers.brokers[brokerId - 1]!.stop()
      await cluster.brokers.restart(brokerId)
      await cluster.healthy()
    }
  })
  assert.ok(longestMs < 5000, `a write took ${longestMs} ms`)
  await cluster.checkAll(TOPIC)
})

test('every broker answers for the cluster and carries out its commands', async () => {
  await using cluster = await TestCluster.start()
  const { createClient } = await import('@stratalog/client')
  for (const { brokerId, address } of cluster.brokers.brokers) {
    await using client = createClient({ bootstrap: address })
    await client.admin.createTopic({ name: `from-${brokerId}`, partitionCount: 2, replicationFactor: 3 })
  }
  for (const { address } of cluster.brokers.brokers) {
    await using client = createClient({ bootstrap: address })
    await cluster.until(
      async () => (await client.admin.listTopics()).length === 3,
      () => `${address} does not know of all topics`,
    )
    // A topic just made is led before all of its copies are there.
    await cluster.healthy(client)
    const topics = await client.admin.listTopics()
    assert.deepEqual(topics.map(({ name }) => name).sort(), ['from-1', 'from-2', 'from-3'])
    for (const { partitions } of topics) for (const { leaderId } of partitions) assert.ok(leaderId)
    assert.equal((await client.admin.describeCluster()).brokers.length, 3)
  }
})
