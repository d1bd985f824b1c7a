import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestBroker } from '@stratalog/broker/testing'
import { createClient } from '../index.ts'

test('topics, configuration, offsets and the cluster, as plain values, from a real broker', async () => {
  await using broker = await startTestBroker()
  await using client = createClient({ bootstrap: broker.bootstrap })
  const { admin } = client
  const created = await admin.createTopic({ name: 'orders', partitionCount: 2, configs: { 'retention.ms': '3600000' } })
  assert.equal(created.partitions.length, 2)
  assert.equal(created.topicId.length, 16)
  await assert.rejects(admin.createTopic({ name: 'orders' }), { code: 'TOPIC_ALREADY_EXISTS' })
  await assert.rejects(admin.createTopic({ name: 'bad name' }), { code: 'INVALID_TOPIC' })
  assert.deepEqual(
    (await admin.listTopics()).map(({ name }) => name),
    ['orders'],
  )
  const [described] = await admin.describeTopics(['orders'])
  assert.equal(described?.configs['retention.ms'], '3600000')
  await assert.rejects(admin.describeTopics(['orders', 'nope']), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  await admin.alterTopicConfig('orders', { set: { 'max.message.bytes': '4096' }, unset: ['retention.ms'] })
  const entries = new Map((await admin.describeTopicConfig('orders')).map((entry) => [entry.key, entry]))
  assert.equal(entries.get('max.message.bytes')?.value, '4096')
  assert.equal(entries.get('max.message.bytes')?.source, 'topic')
  assert.notEqual(entries.get('retention.ms')?.source, 'topic')
  assert.equal((await admin.addPartitions('orders', 3)).partitions.length, 3)

  const records = [
    { key: 'a', value: 'one', timestamp: 1_000 },
    { value: 'two', timestamp: 2_000 },
  ]
  const acks = await admin.produceRecords({ topic: 'orders', partition: 0, records })
  assert.deepEqual(
    acks.map(({ offset, error }) => [offset, error]),
    [
      [0, null],
      [1, null],
    ],
  )
  const [earliest, latest, later, none, missing] = await admin.listOffsets([
    { topic: 'orders', partition: 0, position: 'earliest' },
    { topic: 'orders', partition: 0, position: 'latest' },
    { topic: 'orders', partition: 0, position: { timestamp: 1_500 } },
    { topic: 'orders', partition: 0, position: { timestamp: 9_999 } },
    { topic: 'orders', partition: 7, position: 'latest' },
  ])
  assert.equal(earliest?.offset, 0)
  assert.equal(latest?.offset, 2)
  assert.equal(later?.offset, 1)
  assert.equal(none?.offset, null)
  assert.equal(missing?.error?.code, 'UNKNOWN_TOPIC_OR_PARTITION')

  const cluster = await admin.describeCluster()
  assert.equal(cluster.brokers.length, 1)
  assert.equal(cluster.brokers[0]?.state, 'running')
  assert.deepEqual(cluster.problems, [])
  await admin.deleteTopic('orders')
  assert.deepEqual(await admin.listTopics(), [])
})
