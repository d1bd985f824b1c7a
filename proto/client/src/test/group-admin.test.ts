import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestBroker } from '@stratalog/broker/testing'
import { createClient } from '../index.ts'

test('groups and their offsets, as plain values, from a real broker', async () => {
  await using broker = await startTestBroker({ settings: { 'offsets.topic.partitions': 2 } })
  await using client = createClient({ bootstrap: broker.bootstrap })
  const { admin } = client
  await admin.createTopic({ name: 'orders', partitionCount: 2 })
  const records = Array.from({ length: 10 }, (_, index) => ({ value: String(index), timestamp: 1_000 * (index + 1) }))
  await admin.produceRecords({ topic: 'orders', partition: 0, records })

  const [first, unknown] = await admin.commitOffsets('billing', [
    { topic: 'orders', partition: 0, offset: 4, leaderEpoch: 1, metadata: 'by hand' },
    { topic: 'nope', partition: 0, offset: 4 },
  ])
  assert.equal(first?.error, null)
  assert.equal(unknown?.error?.code, 'UNKNOWN_TOPIC_OR_PARTITION')
  const [offset] = await admin.fetchOffsets('billing')
  assert.equal(offset?.offset, 4)
  assert.equal(offset?.metadata, 'by hand')
  assert.equal(offset?.leaderEpoch, 1)
  assert.ok((offset?.committedAtMs ?? 0) > 0)
  const places = await admin.fetchOffsets('billing', [{ topic: 'orders', partitions: [1] }])
  assert.deepEqual(
    places.map(({ partition, offset, error }) => [partition, offset, error]),
    [[1, null, null]],
  )

  const { groups, errors } = await admin.listGroups()
  assert.deepEqual(errors, [])
  assert.deepEqual(
    groups.map(({ groupId, state, memberCount }) => [groupId, state, memberCount]),
    [['billing', 'empty', 0]],
  )
  assert.deepEqual((await admin.listGroups({ states: ['stable'] })).groups, [])
  const described = await admin.describeGroup('billing')
  assert.equal(described.state, 'empty')
  assert.equal(described.coordinator?.port, Number(broker.bootstrap.split(':')[1]))
  const [partition] = described.partitions
  assert.equal(partition?.ownerMemberId, null)
  assert.equal(partition?.committedOffset, 4)
  assert.equal(partition?.lagRecords, 6)
  await assert.rejects(admin.describeGroup('nobody'), { code: 'GROUP_ID_NOT_FOUND' })

  const partitions = [{ topic: 'orders', partitions: [0] }]
  const where = async (): Promise<number | null | undefined> =>
    (await admin.fetchOffsets('billing', partitions))[0]?.offset
  const [planned] = await admin.resetOffsets('billing', { to: 'earliest', dryRun: true })
  assert.deepEqual([planned?.fromOffset, planned?.toOffset, planned?.error], [4, 0, null])
  assert.equal(await where(), 4)
  for (const [to, expected] of [
    ['earliest', 0],
    ['latest', 10],
    [{ offset: 3 }, 3],
    [{ timestamp: 7_500 }, 7],
    [{ shift: -2 }, 5],
  ] as const) {
    await admin.resetOffsets('billing', { to })
    assert.equal(await where(), expected)
  }
  await admin.resetOffsets('shipping', { to: { group: 'billing' }, partitions })
  assert.equal((await admin.fetchOffsets('shipping'))[0]?.offset, 5)
  await assert.rejects(admin.resetOffsets('', { to: 'latest' }), { code: 'INVALID_GROUP_ID' })

  await admin.deleteOffsets('billing', partitions)
  assert.equal(await where(), null)
  await admin.deleteGroup('shipping')
  await assert.rejects(admin.deleteGroup('shipping'), { code: 'GROUP_ID_NOT_FOUND' })
})
