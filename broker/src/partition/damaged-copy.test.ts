import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientBatch } from '../testing/client-batches.ts'
import type { FakeFileSystem } from '../testing/fake-file-system.ts'
import { MemoryStore } from '../testing/memory-store.ts'
import { REPLICA_DIRECTORY, type ReplicaHost, ReplicaSet } from '../testing/replica-set.ts'
import { labelsIn } from '../testing/set-workload.ts'

const LOG = `${REPLICA_DIRECTORY}/00000000000000000000.log`

async function filledSet(): Promise<ReplicaSet> {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], tailBytes: 0 })
  await set.elected()
  for (let i = 0; i < 12; i++) await set.produce(clientBatch(`b${i}`, { valueBytes: 100 }))
  await set.level()
  return set
}

function lostCodes(host: ReplicaHost): string[] {
  return host.lost.map(({ brokerId, generation, error }) => `${brokerId}/${generation} ${error.code}`)
}

/** The cluster gives the copy up, and the broker opens the next one; the leader brings it in. */
async function rebuild(set: ReplicaSet, brokerId: number): Promise<void> {
  const host = set.host(brokerId)
  if (host.environment !== null) await set.stop(brokerId)
  host.generation++
  await set.open(brokerId)
  assert.equal(host.failure, null)
  const target = [1, 2, 3].map((id) => ({ brokerId: id, generation: set.host(id).generation }))
  await set.until(
    () => set.leaderId !== null && set.at(set.leaderId).reconcile(target) === 'done',
    'the rebuilt copy votes',
  )
  await set.produce(clientBatch('after'))
  await set.level()
  set.assertIdentical()
  const names = await host.fileSystem.readDirectory('/data/topics')
  assert.deepEqual(names, ['orders-0'], 'the copy that was given up is gone')
  assert.equal((await labelsIn(set.at(brokerId))).size, (await labelsIn(set.at(set.leaderId!))).size)
  await set.close()
}

type Damage = readonly [what: string, harm: (host: ReplicaHost) => Promise<void>]

const FOUND_AT_OPEN: readonly Damage[] = [
  [
    'a flipped bit',
    async ({ fileSystem }) => {
      fileSystem.flipBit(LOG, 300)
      // The bit lies behind the last checkpoint only if there is none.
      await fileSystem.remove(`${REPLICA_DIRECTORY}/log-checkpoint`)
    },
  ],
  [
    'a log cut short',
    async ({ fileSystem }) => {
      const file = await fileSystem.open(LOG)
      await file.truncate(700)
      await file.close()
    },
  ],
  ['a missing folder', ({ fileSystem }) => fileSystem.removeDirectory(REPLICA_DIRECTORY)],
  [
    'a folder that is there and empty',
    async ({ fileSystem }) => {
      for (const name of await fileSystem.readDirectory(REPLICA_DIRECTORY)) {
        if (name !== 'partition.metadata') await fileSystem.remove(`${REPLICA_DIRECTORY}/${name}`)
      }
    },
  ],
]

for (const [what, harm] of FOUND_AT_OPEN) {
  test(`${what} is found when the copy is opened, reported once, and the copy is rebuilt`, async () => {
    const set = await filledSet()
    const host = set.host(3)
    await set.stop(3)
    await harm(host)
    await set.open(3)
    assert.equal(host.partition, null)
    assert.deepEqual(lostCodes(host), ['3/0 PARTITION_DAMAGED'])
    await set.run(3_000)
    assert.deepEqual(lostCodes(host), ['3/0 PARTITION_DAMAGED'])
    await rebuild(set, 3)
  })
}

test('an older copy of the folder is found when it is opened', async () => {
  const set = await filledSet()
  const host = set.host(3)
  await set.stop(3)
  const older = await copyOf(host.fileSystem)
  await set.open(3)
  for (let i = 0; i < 5; i++) await set.produce(clientBatch(`later${i}`))
  await set.level()
  await set.stop(3)
  host.fileSystem = older
  await set.open(3)
  assert.deepEqual(lostCodes(host), ['3/0 PARTITION_DAMAGED'])
  await rebuild(set, 3)
})

test('an older copy that passes for whole when it is opened is found out by what the leader knows', async () => {
  const set = await filledSet()
  const host = set.host(3)
  const older = await copyOf(host.fileSystem)
  for (let i = 0; i < 5; i++) await set.produce(clientBatch(`later${i}`))
  await set.level()
  // Killed, so that nothing is stored of where the log ended.
  set.crash(3, null)
  host.fileSystem = older
  await set.open(3)
  assert.notEqual(host.partition, null)
  await set.until(() => host.lost.length > 0 || set.host(set.leaderId ?? 1).lost.length > 0, 'the loss is found', 5_000)
  assert.ok(lostCodes(host).includes('3/0 PARTITION_DAMAGED'), lostCodes(host).join())
  assert.equal(set.at(3).problem()?.code, 'PARTITION_DAMAGED')
  assert.equal(set.at(2).problem(), null)
  await set.run(3_000)
  assert.equal(lostCodes(host).length, 1)
  await rebuild(set, 3)
})

test('votes that are gone make a copy void, as it may have voted', async () => {
  const set = await filledSet()
  const host = set.host(3)
  await set.stop(3)
  host.store = new MemoryStore()
  await set.open(3)
  assert.deepEqual(lostCodes(host), ['3/0 PARTITION_DAMAGED'])
  await rebuild(set, 3)
})

test('damage that a read meets ends the copy: a leader is followed by another, and does not vote any more', async () => {
  const set = await filledSet()
  const host = set.host(1)
  assert.equal(set.leaderId, 1)
  host.fileSystem.flipBit(LOG, 300)
  await assert.rejects(set.at(1).read(0, 1 << 20), { code: 'NOT_LEADER_OR_FOLLOWER' })
  assert.deepEqual(lostCodes(host), ['1/0 PARTITION_DAMAGED'])
  assert.equal(set.at(1).problem()?.code, 'PARTITION_DAMAGED')
  set.isolate(2)
  await set.run(10_000)
  assert.equal(set.leaderId, null, 'one sound copy of three is no majority')
  set.heal()
  await set.elected([2, 3])
  await rebuild(set, 1)
})

test('a leader of a silent group that is found damaged is missed, also when its last words are lost once', async () => {
  const set = await filledSet()
  const host = set.host(1)
  assert.equal(set.leaderId, 1)
  await set.run(10_000)
  let lostCount = 0
  set.onDeliver = ({ type, from }) => !(type === 'heartbeat' && from === 1 && lostCount++ < 2)
  host.fileSystem.flipBit(LOG, 300)
  await assert.rejects(set.at(1).read(0, 1 << 20), { code: 'NOT_LEADER_OR_FOLLOWER' })
  await set.run(5000)
  assert.equal(lostCount, 2, 'nothing else wakes the others')
  assert.equal(set.leaderId, null)
  await set.elected([2, 3])
  await rebuild(set, 1)
})

test('a rebuild that is interrupted anywhere begins again, and never opens the copy that was given up', async () => {
  for (let step = 1, finished = false; !finished; step++) {
    const set = await filledSet()
    const host = set.host(3)
    await set.stop(3)
    host.generation = 1
    host.fileSystem.stopAtOperation(host.fileSystem.counters.mutations + step)
    await set.open(3)
    finished = !host.fileSystem.stopped
    set.crash(3, step % 2 === 0 ? { keep: 'none' } : { keep: 'all' })
    await set.open(3)
    assert.equal(host.failure, null, `step ${step}`)
    assert.equal(set.at(3).bounds().logEndOffset, 0)
    host.generation = 1
    const target = [1, 2, 3].map((id) => ({ brokerId: id, generation: set.host(id).generation }))
    await set.until(() => set.leaderId !== null && set.at(set.leaderId).reconcile(target) === 'done', `step ${step}`)
    await set.level()
    set.assertIdentical()
    await set.close()
  }
})

/** The disk as it is now. */
async function copyOf(fileSystem: FakeFileSystem): Promise<FakeFileSystem> {
  return fileSystem.crash({ keep: 'all' })
}
