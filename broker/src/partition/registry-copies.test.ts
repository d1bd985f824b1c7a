import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import { groupKey } from '../replication/group-state-store.ts'
import { BrokerCore } from '../testing/broker-core.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { quietConfig } from '../testing/quiet-config.ts'
import { PartitionRegistry, type TopicAssignment } from './partition-registry.ts'

const TOPIC_ID = 'ab'.repeat(16)

interface World {
  readonly fileSystem: FakeFileSystem
  readonly store: MemoryStore
  readonly registry: PartitionRegistry
}

/** A registry on a disk and store, as broker 1. */
async function registryOn(fileSystem: FakeFileSystem, store: MemoryStore): Promise<World> {
  const { environment } = await BrokerCore.start({ fileSystem, store, clock: new ManualClock() })
  const registry = new PartitionRegistry({ topicsDirectory: '/data/topics', store, environment })
  return { fileSystem, store, registry }
}

function assignment(generations: readonly (number | null)[], founding = true): TopicAssignment {
  const held = generations.flatMap((generation, partition) => {
    const replicas = [{ brokerId: generation === null ? 2 : 1, generation: generation ?? 0 }]
    return [{ partition, replicas, target: null, founding }]
  })
  const partitionCount = generations.length
  return { topic: 'orders', topicId: TOPIC_ID, config: quietConfig(), partitionCount, partitions: held }
}

function codeAt(registry: PartitionRegistry, partition: number): string {
  const found = registry.get('orders', partition)
  return found instanceof StratalogError ? found.code : found.state().kind
}

test('only copies of this broker are opened', async () => {
  const { registry, fileSystem } = await registryOn(new FakeFileSystem(), new MemoryStore())
  await registry.start([assignment([0, null])])
  assert.deepEqual([codeAt(registry, 0), codeAt(registry, 1)], ['serving', 'NOT_LEADER_OR_FOLLOWER'])
  assert.deepEqual(await fileSystem.readDirectory('/data/topics'), ['orders-0'])
  await registry.close()
})

test('a copy that is held no longer is removed with its folder and its votes', async () => {
  const { registry, fileSystem, store } = await registryOn(new FakeFileSystem(), new MemoryStore())
  await registry.start([assignment([0, 0])])
  await registry.converge(assignment([null, 0]))
  assert.deepEqual([codeAt(registry, 0), codeAt(registry, 1)], ['NOT_LEADER_OR_FOLLOWER', 'serving'])
  assert.deepEqual(await fileSystem.readDirectory('/data/topics'), ['orders-1'])
  assert.equal(await store.get(groupKey(TOPIC_ID, 0)), null)
  await registry.converge(assignment([null, 0]))
  await registry.close()
})

test('a removal that is interrupted anywhere is finished at the next start', async () => {
  for (let step = 1, finished = false; !finished; step++) {
    const { registry, fileSystem, store } = await registryOn(new FakeFileSystem(), new MemoryStore())
    await registry.start([assignment([0, 0])])
    fileSystem.stopAtOperation(fileSystem.counters.mutations + step)
    await registry.converge(assignment([null, 0]))
    finished = !fileSystem.stopped
    const loss = step % 2 === 0 ? ({ keep: 'none' } as const) : ({ keep: 'all' } as const)
    const next = await registryOn(fileSystem.crash(loss), store.crash())
    await next.registry.start([assignment([null, 0])])
    assert.deepEqual(await next.fileSystem.readDirectory('/data/topics'), ['orders-1'], `step ${step}`)
    assert.equal(await next.store.get(groupKey(TOPIC_ID, 0)), null)
    assert.equal(codeAt(next.registry, 1), 'serving')
    await next.registry.close()
  }
})

test('a copy that was given up is set aside, kept until the next one votes, and is no stray', async () => {
  const { registry, fileSystem, store } = await registryOn(new FakeFileSystem(), new MemoryStore())
  await registry.start([assignment([0])])
  await registry.converge(assignment([1], false))
  assert.equal(codeAt(registry, 0), 'unavailable')
  assert.deepEqual(await fileSystem.readDirectory('/data/topics'), ['orders-0', 'orders-0.stale-g0'])
  assert.deepEqual(
    [...registry.problems()].map(({ error }) => error.code),
    ['LEADER_NOT_AVAILABLE'],
  )
  await registry.close()
  const next = await registryOn(fileSystem, store.crash())
  await next.registry.start([assignment([1], false)])
  assert.deepEqual(next.registry.strayFolders, [])
  assert.deepEqual(await fileSystem.readDirectory('/data/topics'), ['orders-0', 'orders-0.stale-g0'])
  await next.registry.converge(assignment([null]))
  assert.deepEqual(await fileSystem.readDirectory('/data/topics'), [])
  await next.registry.close()
})

test('a copy newer than the metadata knows is not opened, and not touched', async () => {
  const { registry, fileSystem, store } = await registryOn(new FakeFileSystem(), new MemoryStore())
  await registry.start([assignment([2], false)])
  await registry.close()
  const next = await registryOn(fileSystem, store.crash())
  await next.registry.start([assignment([1], false)])
  assert.equal(codeAt(next.registry, 0), 'STORAGE_ERROR')
  assert.deepEqual(await fileSystem.readDirectory('/data/topics'), ['orders-0'])
  await next.registry.close()
})
