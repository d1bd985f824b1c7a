import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientBatch } from '../testing/client-batches.ts'
import { ReplicaSet } from '../testing/replica-set.ts'

test('a new group elects its preferred leader at once; three logs are the same bytes', async () => {
  const set = await ReplicaSet.start({ brokerIds: [2, 1, 3] })
  await set.run(500)
  assert.equal(set.leaderId, 2)
  for (let i = 0; i < 20; i++) {
    const outcome = await set.produce(clientBatch(`b${i}`, { recordCount: 3 }))
    assert.equal(outcome.kind, 'ok')
  }
  await set.level()
  set.assertIdentical()
  assert.equal(set.at(1).committedEnd, 60)
  await set.close()
})

test('without its leader a group elects another and loses nothing acknowledged; the old one catches up', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  for (let i = 0; i < 5; i++) await set.produce(clientBatch(`b${i}`))
  set.crash(1, { keep: 'none' })
  const leader = await set.elected([2, 3])
  assert.ok(leader.bounds().highWatermark >= 5)
  for (let i = 5; i < 10; i++) assert.equal((await set.produce(clientBatch(`b${i}`))).kind, 'ok')
  await set.open(1)
  await set.level()
  set.assertIdentical()
  await set.close()
})

test('a follower restarts, cleanly or killed, and goes on where it was', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  for (let i = 0; i < 5; i++) await set.produce(clientBatch(`b${i}`))
  await set.stop(3)
  await set.produce(clientBatch('while 3 is away'))
  await set.open(3)
  set.crash(2, null)
  await set.produce(clientBatch('while 2 is away'))
  await set.open(2)
  await set.level()
  set.assertIdentical()
  assert.deepEqual(set.host(3).lost, [])
  await set.close()
})

test('a replica is replaced: the new one joins, catches up and votes, the old one is out', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  for (let i = 0; i < 30; i++) await set.produce(clientBatch(`b${i}`))
  await set.add(4)
  const target = [1, 2, 4].map((brokerId) => ({ brokerId, generation: 0 }))
  await set.until(() => set.at(set.leaderId ?? 1).reconcile(target) === 'done', 'the change')
  assert.deepEqual(set.at(1).members().voters, [1, 2, 4])
  set.crash(3, { keep: 'none' })
  set.hosts.delete(3)
  set.crash(1, { keep: 'none' })
  await set.elected([2, 4])
  assert.equal((await set.produce(clientBatch('by the new ones'))).kind, 'ok')
  await set.open(1)
  await set.level()
  set.assertIdentical()
  assert.deepEqual(set.at(4).members().voters, [1, 2, 4])
  await set.close()
})
