import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import { BrokerCore, type BrokerCoreOptions } from '../testing/broker-core.ts'
import { clientBatch } from '../testing/client-batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock, settled } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'

interface World extends BrokerCoreOptions {
  readonly fileSystem: FakeFileSystem
  readonly store: MemoryStore
  readonly clock: ManualClock
}

function newWorld(): World {
  return { fileSystem: new FakeFileSystem(), store: new MemoryStore(), clock: new ManualClock() }
}

function afterPowerLoss({ fileSystem, store }: World): World {
  return { fileSystem: fileSystem.crash({ keep: 'none' }), store: store.crash(), clock: new ManualClock() }
}

/** Lets time pass until the command was answered, well or not: a controller whose disk is gone is asked for a while. */
async function ended({ clock }: World, command: Promise<unknown>): Promise<void> {
  let isEnded = false
  const end = (): void => {
    isEnded = true
  }
  command.then(end, end)
  for (await settled(); !isEnded; ) await clock.advance(1_000)
}

function codeAt(core: BrokerCore, topic: string, partition: number, topicId?: Uint8Array): string {
  const found = core.registry.get(topic, partition, topicId)
  return found instanceof StratalogError ? found.code : 'open'
}

test('look-ups say what is wrong', async () => {
  const core = await BrokerCore.start(newWorld())
  await core.createTopic('orders', 2)
  assert.equal(codeAt(core, 'orders', 1), 'open')
  assert.equal(codeAt(core, 'orders', 1, new Uint8Array(0)), 'open')
  assert.equal(codeAt(core, 'orders', 1, core.partition('orders').topicId), 'open')
  assert.equal(codeAt(core, 'orders', 1, new Uint8Array(16)), 'UNKNOWN_TOPIC_ID')
  assert.equal(codeAt(core, 'orders', 2), 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(codeAt(core, 'orders', -1), 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal(codeAt(core, 'nothing', 0), 'UNKNOWN_TOPIC_OR_PARTITION')
  await core.stop()
})

test('topics grow, and keep their records over a power loss', async () => {
  let world = newWorld()
  let core = await BrokerCore.start(world)
  await core.createTopic('orders', 1)
  await core.produce('orders', clientBatch('a'))
  await core.controller.addPartitions('orders', 3)
  assert.equal(codeAt(core, 'orders', 2), 'open')
  world = afterPowerLoss(world)
  core = await BrokerCore.start(world)
  assert.equal([...core.registry.all()].length, 3)
  assert.equal(core.partition('orders').bounds().visibleEnd, 1)
  await core.stop()
})

test('a deleted topic is gone with its folders; the same name begins anew under another id', async () => {
  const world = newWorld()
  const core = await BrokerCore.start(world)
  await core.createTopic('orders', 2)
  await core.produce('orders', clientBatch('old'))
  const old = core.partition('orders')
  const news: string[] = []
  old.onAdvance(() => news.push(old.state().kind))
  await core.controller.deleteTopic('orders')
  assert.equal(news.at(-1), 'unavailable')
  await assert.rejects(old.read(0, 100), /deleted/)
  assert.deepEqual(
    world.fileSystem.paths.filter((path) => path.includes('orders')),
    [],
  )
  await core.createTopic('orders', 1)
  assert.equal(core.partition('orders').bounds().logEndOffset, 0)
  assert.equal(codeAt(core, 'orders', 0, old.topicId), 'UNKNOWN_TOPIC_ID')
  await core.stop()
})

test('a deletion interrupted at any moment leaves the topic whole or is finished at the next start', async () => {
  let gone = 0
  let whole = 0
  for (let step = 1; ; step++) {
    const world = newWorld()
    const core = await BrokerCore.start(world)
    await core.createTopic('orders', 2)
    await core.createTopic('other', 1)
    await core.produce('orders', clientBatch('a'))
    const before = world.fileSystem.counters.mutations
    world.fileSystem.stopAtOperation(before + step)
    await ended(world, core.controller.deleteTopic('orders'))
    const finished = !world.fileSystem.stopped
    const restarted = await BrokerCore.start(afterPowerLoss(world))
    if (restarted.controller.image.topicsByName.has('orders')) {
      whole++
      assert.equal(restarted.partition('orders').bounds().visibleEnd, 1)
    } else {
      gone++
      assert.equal(codeAt(restarted, 'orders', 0), 'UNKNOWN_TOPIC_OR_PARTITION')
      assert.deepEqual(restarted.registry.strayFolders, [])
      await restarted.createTopic('orders', 2)
      assert.equal(restarted.partition('orders').bounds().logEndOffset, 0)
    }
    assert.equal(codeAt(restarted, 'other', 0), 'open')
    await restarted.stop()
    if (finished) break
  }
  assert.ok(gone > 3 && whole > 0, `${gone} gone, ${whole} whole`)
})

test('a start removes folders whose deletion was interrupted, noted or not, and no others', async () => {
  let leftovers = 0
  for (let step = 1; ; step++) {
    const world = newWorld()
    const core = await BrokerCore.start(world)
    await core.createTopic('orders', 2)
    await core.createTopic('other.deleted', 1)
    world.fileSystem.stopAtOperation(world.fileSystem.counters.mutations + step)
    await ended(world, core.controller.deleteTopic('orders'))
    const finished = !world.fileSystem.stopped
    // The process is killed and the host goes on: renames are there.
    const killed = { ...world, fileSystem: world.fileSystem.crash({ keep: 'all' }), store: world.store.crash() }
    const names = await killed.fileSystem.readDirectory('/data/topics')
    if (names.some((name) => /^orders-\d\.deleted$/.test(name))) leftovers++
    await killed.fileSystem.makeDirectory('/data/topics/forgotten-3.deleted')
    const restarted = await BrokerCore.start(killed)
    // The power may have gone before the deletion was in the metadata log.
    const kept = restarted.controller.image.topicsByName.has('orders') ? ['orders-0', 'orders-1'] : []
    assert.deepEqual(await killed.fileSystem.readDirectory('/data/topics'), [...kept, 'other.deleted-0'])
    assert.equal(codeAt(restarted, 'other.deleted', 0), 'open')
    await restarted.stop()
    if (finished) break
  }
  assert.ok(leftovers > 0)
})

test('creating a topic with a crash at every disk operation: the topic is there and empty, or not there', async () => {
  let there = 0
  for (let step = 1; ; step++) {
    const world = newWorld()
    const core = await BrokerCore.start(world)
    world.fileSystem.stopAtOperation(world.fileSystem.counters.mutations + step)
    await ended(world, core.createTopic('orders', 2))
    const finished = !world.fileSystem.stopped
    const restarted = await BrokerCore.start(afterPowerLoss(world))
    if (restarted.controller.image.topicsByName.has('orders')) {
      there++
      assert.equal(codeAt(restarted, 'orders', 1), 'open', `step ${step}`)
      assert.equal(restarted.partition('orders').bounds().logEndOffset, 0)
    } else assert.ok(!finished, 'what was answered is there')
    await restarted.stop()
    if (finished) break
  }
  assert.ok(there > 3)
})

test('folders of unknown topics are left alone and reported', async () => {
  const world = newWorld()
  await world.fileSystem.makeDirectory('/data/topics/stranger-0')
  await world.fileSystem.writeFileAtomic('/data/topics/stranger-0/keep', Buffer.from('me'))
  const core = await BrokerCore.start(world)
  assert.deepEqual(core.registry.strayFolders, ['stranger-0'])
  assert.equal(core.logged.filter(({ level }) => level === 'warn').length, 1)
  assert.ok(world.fileSystem.paths.includes('/data/topics/stranger-0/keep'))
  await core.stop()
})

test('a damaged partition is named in health; the others go on; nothing is removed', async () => {
  let world = newWorld()
  let core = await BrokerCore.start(world)
  await core.createTopic('orders', 2)
  await core.produce('orders', clientBatch('a'))
  await core.stop()
  world.fileSystem.flipBit('/data/topics/orders-0/partition.metadata', 14)
  world = { ...world, store: world.store.crash() }
  core = await BrokerCore.start(world)
  assert.equal(codeAt(core, 'orders', 0), 'STORAGE_ERROR')
  assert.equal(codeAt(core, 'orders', 1), 'open')
  assert.deepEqual(
    [...core.registry.problems()].map(({ topic, partition }) => `${topic}-${partition}`),
    ['orders-0'],
  )
  await core.stop()
})

test('the folder of a partition that has run is never silently created anew', async () => {
  const world = newWorld()
  let core = await BrokerCore.start(world)
  await core.createTopic('orders', 1)
  await core.produce('orders', clientBatch('a'))
  await core.stop()
  await world.fileSystem.removeDirectory('/data/topics/orders-0')
  core = await BrokerCore.start({ ...world, store: world.store.crash() })
  assert.equal(codeAt(core, 'orders', 0), 'PARTITION_DAMAGED')
  await core.stop()
})

test('retention removes old segments, moves the log start and tells readers', async () => {
  const clock = new ManualClock()
  const world = { ...newWorld(), clock }
  const core = await BrokerCore.start(world)
  await core.createTopic('orders', 1, { 'retention.ms': '1000', 'segment.ms': '500' })
  await core.produce('orders', clientBatch('a', { timestamp: clock.nowMs() }))
  await clock.advance(5000)
  let news = 0
  const partition = core.partition('orders')
  partition.onAdvance(() => news++)
  await partition.enforceRetention()
  const { logStartOffset, visibleEnd, highWatermark } = partition.bounds()
  assert.deepEqual([logStartOffset, visibleEnd, highWatermark], [1, 1, 1])
  assert.ok(news > 0)
  await assert.rejects(partition.read(0, 100), /retention/)
  await core.stop()
  const restarted = await BrokerCore.start({ ...world, store: world.store.crash() })
  const after = restarted.partition('orders').bounds()
  assert.deepEqual([after.logStartOffset, after.visibleEnd], [1, 1])
  assert.equal((await restarted.partition('orders').read(1, 100)).bytes, null)
  await restarted.stop()
})

test('two hundred partitions open with few synced writes to the store, and close', async () => {
  const world = newWorld()
  const core = await BrokerCore.start(world)
  const before = world.store.syncCount
  await core.createTopic('orders', 200)
  assert.equal([...core.registry.all()].length, 200)
  assert.deepEqual([...core.registry.problems()], [])
  assert.ok(world.store.syncCount - before < 60, `${world.store.syncCount - before} synced batches`)
  await core.stop()
})
