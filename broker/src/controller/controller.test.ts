import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStratalogError } from '@stratalog/proto'
import { MemoryStore } from '../testing/memory-store.ts'
import { Controller, type ControllerOptions } from './controller.ts'
import { MetadataStore } from './metadata-store.ts'

let serial = 0

async function open(disk: MemoryStore, options: Partial<ControllerOptions> = {}): Promise<Controller> {
  const randomBytes = (count: number): Buffer => {
    const bytes = Buffer.alloc(count)
    bytes.writeUInt32BE(++serial, 0)
    return bytes
  }
  const controller = await Controller.open({ store: new MetadataStore(disk), randomBytes, ...options })
  await controller.registerBroker({ brokerId: 1, host: 'h', port: 9400, rack: '' })
  return controller
}

const command = (name: string, partitionCount = 1, replicationFactor = 1, configs: Record<string, string> = {}) => ({
  name,
  partitionCount,
  replicationFactor,
  configs: new Map(Object.entries(configs)),
})

test('commands are refused with the error that names what is wrong', async () => {
  const controller = await open(new MemoryStore())
  await controller.createTopic(command('orders', 3))
  const refusals: [Promise<unknown>, string, RegExp][] = [
    [controller.createTopic(command('orders')), 'TOPIC_ALREADY_EXISTS', /orders/],
    [controller.createTopic(command('a b')), 'INVALID_TOPIC', /contains " "/],
    [controller.createTopic(command('..')), 'INVALID_TOPIC', /folder/],
    [controller.createTopic(command('x'.repeat(250))), 'INVALID_TOPIC', /250 characters/],
    [controller.createTopic(command('__mine')), 'INVALID_TOPIC', /internal/],
    [controller.createTopic(command('t', 0)), 'INVALID_PARTITIONS', /1 to 10000/],
    [controller.createTopic(command('t', 10_001)), 'INVALID_PARTITIONS', /1 to 10000/],
    [controller.createTopic(command('t', 1, 2)), 'INVALID_REPLICATION_FACTOR', /1 to 1/],
    [controller.createTopic(command('t', 1, 1, { 'retention.m': '1' })), 'INVALID_CONFIG', /did you mean retention.ms/],
    [controller.createTopic(command('t', 1, 1, { 'retention.ms': '-2' })), 'INVALID_CONFIG', /-2.*from -1/],
    [controller.createTopic(command('t', 1, 1, { 'flush.policy': 'maybe' })), 'INVALID_CONFIG', /fsync or replicated/],
    [controller.deleteTopic('nope'), 'UNKNOWN_TOPIC_OR_PARTITION', /nope/],
    [controller.addPartitions('orders', 3), 'INVALID_PARTITIONS', /has 3/],
    [controller.alterTopicConfig({ name: 'orders', set: new Map(), unset: ['x.y'] }), 'INVALID_CONFIG', /x\.y/],
  ]
  for (const [refused, code, text] of refusals) {
    await assert.rejects(refused, (error) => {
      assert.ok(isStratalogError(error))
      assert.equal(error.code, code)
      assert.match(error.message, text)
      return true
    })
  }
  assert.deepEqual([...controller.image.topicsByName.keys()], ['orders'])
})

test('validate only answers as if, and changes nothing', async () => {
  const controller = await open(new MemoryStore())
  const topic = await controller.createTopic(command('orders', 3), true)
  assert.equal(topic.partitions.length, 3)
  assert.equal(controller.image.topicsByName.size, 0)
})

test('what was answered is there after a power loss; what could not be stored never shows', async () => {
  const disk = new MemoryStore()
  let controller = await open(disk)
  await controller.createTopic(command('orders', 2, 1, { 'retention.ms': '5' }))
  await controller.alterTopicConfig({
    name: 'orders',
    set: new Map([['segment.bytes', '2000000']]),
    unset: ['retention.ms'],
  })
  const topic = await controller.addPartitions('orders', 4)
  const survivor = disk.crash()
  controller = await open(survivor)
  assert.deepEqual(controller.image.topicsByName.get('orders'), topic)
  survivor.failWrites()
  await assert.rejects(controller.createTopic(command('late')), (error) => isStratalogError(error, 'STORAGE_ERROR'))
  assert.equal(controller.image.topicsByName.has('late'), false)
})

test('commands that arrive together are carried out one after another', async () => {
  const controller = await open(new MemoryStore())
  const results = await Promise.allSettled([1, 2, 3].map(() => controller.createTopic(command('orders'))))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  )
})

test('the queue of commands is bounded', async () => {
  const controller = await open(new MemoryStore(), { pendingCountMax: 2 })
  const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => controller.createTopic(command(name))))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected'],
  )
})

test('producer ids are never given out twice, whatever crashes; one synced write per thousand', async () => {
  let disk = new MemoryStore()
  const seen = new Set<number>()
  for (let round = 0; round < 4; round++) {
    const controller = await open(disk)
    const before = disk.syncCount
    const identities = await Promise.all(Array.from({ length: 1500 }, () => controller.allocateProducerId()))
    assert.ok(disk.syncCount - before <= 2)
    for (const { producerId, producerEpoch } of identities) {
      assert.equal(seen.has(producerId), false)
      assert.equal(producerEpoch, 0)
      seen.add(producerId)
    }
    disk = disk.crash()
  }
})

test('epochs are raised until they are used up', async () => {
  const controller = await open(new MemoryStore())
  const { producerId } = await controller.allocateProducerId()
  assert.deepEqual(await controller.nextProducerEpoch(producerId, 0), { producerId, producerEpoch: 1 })
  const fresh = await controller.nextProducerEpoch(producerId, 32_767)
  assert.deepEqual([fresh.producerId === producerId, fresh.producerEpoch], [false, 0])
  await assert.rejects(controller.nextProducerEpoch(10 ** 9, 0), (error) =>
    isStratalogError(error, 'UNKNOWN_PRODUCER_ID'),
  )
  await assert.rejects(controller.nextProducerEpoch(producerId, -1), (error) =>
    isStratalogError(error, 'INVALID_REQUEST'),
  )
})

test('listeners hear of each change once it is durable, and nothing after they stop', async () => {
  const controller = await open(new MemoryStore())
  const heard: string[] = []
  const stop = controller.onChange(({ records }) => heard.push(...records.map(({ type }) => type)))
  await controller.createTopic(command('orders'))
  stop()
  await controller.deleteTopic('orders')
  assert.deepEqual(heard, ['topic-created'])
  await controller.close()
  await assert.rejects(controller.createTopic(command('x')), (error) => isStratalogError(error, 'SHUTTING_DOWN'))
})
