/** Copies whose disk has failed them come back by themselves, without what was not flushed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerCore } from '../testing/broker-core.ts'
import { clientBatch } from '../testing/client-batches.ts'
import { FakeFileSystem } from '../testing/fake-file-system.ts'
import { ManualClock, turn } from '../testing/manual-clock.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { quietConfig } from '../testing/quiet-config.ts'
import { Partition } from './partition.ts'
import { PartitionRegistry } from './partition-registry.ts'

const ASSIGNMENT = {
  topic: 'orders',
  topicId: 'ab'.repeat(16),
  config: quietConfig(),
  partitionCount: 1,
  partitions: [{ partition: 0, replicas: [{ brokerId: 1, generation: 0 }], target: null, founding: true }],
}

async function opened() {
  const [fileSystem, store, clock] = [new FakeFileSystem(), new MemoryStore(), new ManualClock()]
  const { environment } = await BrokerCore.start({ fileSystem, store, clock })
  const registry = new PartitionRegistry({ topicsDirectory: '/data/topics', store, environment })
  await registry.start([ASSIGNMENT])
  const place = (): Partition => {
    const found = registry.get('orders', 0)
    assert.ok(found instanceof Partition, String(found))
    return found
  }
  const produce = async (label: string): Promise<string> => {
    return await new Promise((resolve) => {
      place().produce(clientBatch(label), { acks: 'all', timeoutMs: 1e9 }, (outcome) => {
        resolve(outcome.kind === 'ok' ? 'ok' : outcome.error.code)
      })
    })
  }
  const repairFor = async (ms: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += 500) {
      await registry.repair()
      await clock.advance(500, turn)
    }
  }
  return { fileSystem, registry, place, produce, repairFor }
}

test('after a failed sync the copy comes back without a restart, and without what was not flushed', async () => {
  const { fileSystem, registry, place, produce, repairFor } = await opened()
  assert.equal(await produce('kept'), 'ok')
  const end = place().bounds().logEndOffset
  const failedCopy = place()
  fileSystem.failNextDatasync()
  assert.equal(await produce('lost'), 'STORAGE_ERROR')
  assert.equal(failedCopy.problem()?.code, 'STORAGE_ERROR')
  await repairFor(3000)
  assert.notEqual(place(), failedCopy)
  assert.equal(place().problem(), null)
  assert.ok(place().bounds().highWatermark >= end)
  assert.equal(await produce('after'), 'ok')
  const { chunks } = await place().read(0, 1 << 20)
  assert.ok(!Buffer.concat([...chunks]).includes('lost'), 'the page cache is not trusted')
  await registry.close()
})

test('while the disk goes on failing the copy is tried less and less often, and then comes back', async () => {
  const { fileSystem, registry, produce, repairFor, place } = await opened()
  assert.equal(await produce('kept'), 'ok')
  let syncCount = 0
  fileSystem.fails = (operation) => operation === 'sync' && ++syncCount > 0
  assert.equal(await produce('lost'), 'STORAGE_ERROR')
  await repairFor(120_000)
  assert.ok(syncCount > 4 && syncCount < 30, String(syncCount))
  assert.equal([...registry.problems()][0]?.error.code, 'STORAGE_ERROR')
  fileSystem.fails = null
  await repairFor(61_000)
  assert.equal(await produce('after'), 'ok')
  assert.equal(place().problem(), null)
  await registry.close()
})
