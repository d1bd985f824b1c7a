import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStratalogError } from '@stratalog/proto'
import { BrokerCore } from '../testing/broker-core.ts'
import { ControllerCluster } from '../testing/controller-cluster.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock, settled } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'

const command = (name: string, partitionCount = 1, replicationFactor = 1, configs: Record<string, string> = {}) => ({
  name,
  partitionCount,
  replicationFactor,
  configs: new Map(Object.entries(configs)),
})

async function assertRefused(refused: Promise<unknown>, code: string, text: RegExp): Promise<void> {
  await assert.rejects(refused, (error) => {
    assert.ok(isStratalogError(error), String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, text)
    return true
  })
}

test('commands are refused with the error that names what is wrong, on the leader and elsewhere', async () => {
  const cluster = await ControllerCluster.founded([1, 2])
  await cluster.controller(1).createTopic(command('orders', 3))
  for (const controller of [cluster.controller(1), cluster.controller(2)]) {
    const refusals: [Promise<unknown>, string, RegExp][] = [
      [controller.createTopic(command('orders')), 'TOPIC_ALREADY_EXISTS', /orders/],
      [controller.createTopic(command('a b')), 'INVALID_TOPIC', /contains " "/],
      [controller.createTopic(command('..')), 'INVALID_TOPIC', /folder/],
      [controller.createTopic(command('x'.repeat(250))), 'INVALID_TOPIC', /250 characters/],
      [controller.createTopic(command('__mine')), 'INVALID_TOPIC', /internal/],
      [controller.createTopic(command('t', 0)), 'INVALID_PARTITIONS', /1 to 10000/],
      [controller.createTopic(command('t', 10_001)), 'INVALID_PARTITIONS', /1 to 10000/],
      [controller.createTopic(command('t', 1, 3)), 'INVALID_REPLICATION_FACTOR', /1 to 2/],
      [
        controller.createTopic(command('t', 1, 1, { 'retention.m': '1' })),
        'INVALID_CONFIG',
        /did you mean retention.ms/,
      ],
      [controller.createTopic(command('t', 1, 1, { 'retention.ms': '-2' })), 'INVALID_CONFIG', /-2.*from -1/],
      [
        controller.createTopic(command('t', 1, 1, { 'flush.policy': 'maybe' })),
        'INVALID_CONFIG',
        /fsync or replicated/,
      ],
      [controller.deleteTopic('nope'), 'UNKNOWN_TOPIC_OR_PARTITION', /nope/],
      [controller.addPartitions('orders', 3), 'INVALID_PARTITIONS', /has 3/],
      [controller.alterTopicConfig({ name: 'orders', set: new Map(), unset: ['x.y'] }), 'INVALID_CONFIG', /x\.y/],
    ]
    for (const [refused, code, text] of refusals) await assertRefused(refused, code, text)
  }
  assert.deepEqual([...cluster.controller(1).image.topicsByName.keys()], ['orders'])
})

test('validate only answers as if, and changes nothing', async () => {
  const cluster = await ControllerCluster.founded([1, 2])
  for (const brokerId of [1, 2]) {
    const topic = await cluster.controller(brokerId).createTopic(command('orders', 3), true)
    assert.equal(topic.partitions.length, 3)
    assert.equal(cluster.controller(brokerId).image.topicsByName.size, 0)
  }
})

test('what was answered is there after a power loss; what could not be stored never shows', async () => {
  const cluster = await ControllerCluster.founded([1])
  const first = cluster.node(1)
  await first.controller.createTopic(command('orders', 2, 1, { 'retention.ms': '5' }))
  await first.controller.alterTopicConfig({
    name: 'orders',
    set: new Map([['segment.bytes', '2000000']]),
    unset: ['retention.ms'],
  })
  const topic = await first.controller.addPartitions('orders', 4)
  await first.group.close()
  const survivor = first.disk.crash()
  const second = await cluster.start(1, survivor)
  assert.deepEqual(second.controller.image, first.controller.image)
  assert.deepEqual(second.controller.image.topicsByName.get('orders'), topic)
  survivor.failWrites()
  await assertRefused(cluster.within(second.controller.createTopic(command('late'))), 'STORAGE_ERROR', /cannot follow/)
  assert.equal(second.controller.image.topicsByName.has('late'), false)
  assert.match(String(second.failures), /could not be stored/)
})

test('commands that arrive together are carried out one after another', async () => {
  const cluster = await ControllerCluster.founded([1])
  const results = await Promise.allSettled([1, 2, 3].map(() => cluster.controller(1).createTopic(command('orders'))))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  )
})

test('many commands share few batches, and each has its answer', async () => {
  const cluster = await ControllerCluster.founded([1])
  const before = cluster.log.batches.length
  const names = Array.from({ length: 200 }, (_, i) => `topic-${i}`)
  const topics = await Promise.all(names.map((name) => cluster.controller(1).createTopic(command(name))))
  assert.deepEqual(
    topics.map(({ name }) => name),
    names,
  )
  assert.ok(cluster.log.batches.length - before < 10, `${cluster.log.batches.length - before} batches`)
})

test('the queue of commands is bounded, and an overload passes', async () => {
  const cluster = await ControllerCluster.founded([1], { pendingCountMax: 2 })
  cluster.log.holdsCommits = true
  const results = ['a', 'b', 'c'].map((name) => cluster.controller(1).createTopic(command(name)))
  await settled()
  assert.deepEqual([...cluster.controller(1).image.topicsByName.keys()], [])
  cluster.log.holdsCommits = false
  cluster.log.commit()
  await cluster.within(Promise.all(results))
  assert.deepEqual([...cluster.controller(1).image.topicsByName.keys()].sort(), ['a', 'b', 'c'])
})

test('producer ids are never given out twice, whatever broker gives them and crashes', async () => {
  const cluster = await ControllerCluster.founded([1, 2])
  const seen = new Set<number>()
  for (let round = 0; round < 3; round++) {
    for (const brokerId of [1, 2]) {
      const before = cluster.log.batches.length
      const { controller, group, disk } = cluster.node(brokerId)
      const identities = await Promise.all(Array.from({ length: 1500 }, () => controller.allocateProducerId()))
      assert.ok(cluster.log.batches.length - before <= 2, 'one write per thousand')
      for (const { producerId, producerEpoch } of identities) {
        assert.equal(seen.has(producerId), false)
        assert.equal(producerEpoch, 0)
        seen.add(producerId)
      }
      await group.close()
      await cluster.start(brokerId, disk.crash())
      cluster.log.elect(1)
    }
  }
})

test('epochs are raised until they are used up, also by a broker that has not heard of the id yet', async () => {
  const cluster = await ControllerCluster.founded([1, 2])
  const [leader, other] = [cluster.controller(1), cluster.controller(2)]
  cluster.node(2).log.setBehind(true)
  const { producerId } = await leader.allocateProducerId()
  const raised = other.nextProducerEpoch(producerId, 0)
  await settled()
  cluster.node(2).log.setBehind(false)
  assert.deepEqual(await raised, { producerId, producerEpoch: 1 })
  const fresh = await leader.nextProducerEpoch(producerId, 32_767)
  assert.deepEqual([fresh.producerId === producerId, fresh.producerEpoch], [false, 0])
  await assertRefused(leader.nextProducerEpoch(10 ** 9, 0), 'UNKNOWN_PRODUCER_ID', /never given out/)
  await assertRefused(leader.nextProducerEpoch(producerId, -1), 'INVALID_REQUEST', /0 to 32767/)
})

test('listeners hear of each change once it is durable, and nothing after they stop', async () => {
  const cluster = await ControllerCluster.founded([1])
  const controller = cluster.controller(1)
  const heard: string[] = []
  const stop = controller.onChange(({ records }) => heard.push(...records.map(({ type }) => type)))
  await controller.createTopic(command('orders'))
  stop()
  await controller.deleteTopic('orders')
  assert.deepEqual(heard, ['topic-created', 'command-executed'])
  controller.close()
  await assertRefused(controller.createTopic(command('x')), 'SHUTTING_DOWN', /stopping/)
})

test('on a real partition: commands are committed in its log and there again after a power loss', async () => {
  const fileSystem = new FakeFileSystem()
  const store = new MemoryStore()
  const core = await BrokerCore.start({ fileSystem, store, clock: new ManualClock() })
  await core.createTopic('orders', 3)
  await core.controller.addPartitions('orders', 4)
  await core.controller.deleteTopic('orders')
  await core.createTopic('orders', 2)
  const { image } = core.controller
  const again = await BrokerCore.start({
    fileSystem: fileSystem.crash({ keep: 'none' }),
    store: store.crash(),
    clock: new ManualClock(),
  })
  assert.deepEqual(again.controller.image.topicsByName, image.topicsByName)
  assert.notEqual(again.controller.image.brokers.get(1)?.run, image.brokers.get(1)?.run)
  assert.equal(again.partition('orders', 1).state().kind, 'serving')
  await again.stop()
})
