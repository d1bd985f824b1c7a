import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeOfReplica, type Replica } from '../replication/raft-ids.ts'
import { clientBatch } from '../testing/client-batches.ts'
import { ReplicaSet } from '../testing/replica-set.ts'
import { labelsIn } from '../testing/set-workload.ts'

function copies(...brokerIds: number[]): Replica[] {
  return brokerIds.map((brokerId) => ({ brokerId, generation: 0 }))
}

async function reconciled(
  set: ReplicaSet,
  target: readonly Replica[],
  learners: readonly Replica[] = [],
): Promise<void> {
  const isDone = (): boolean => set.leaderId !== null && set.at(set.leaderId).reconcile(target, learners) === 'done'
  await set.until(isDone, `members ${JSON.stringify(target)}`)
}

async function filledSet(brokerIds: readonly number[], batchCount = 20): Promise<ReplicaSet> {
  const set = await ReplicaSet.start({ brokerIds })
  await set.elected()
  for (let i = 0; i < batchCount; i++) await set.produce(clientBatch(`b${i}`))
  return set
}

test('a partition of one replica grows to three, and shrinks again', async () => {
  const set = await filledSet([1])
  await set.add(2)
  await set.add(3)
  await reconciled(set, copies(1, 2, 3))
  assert.deepEqual(set.at(1).members().voters, [1, 2, 3])
  assert.equal((await set.produce(clientBatch('by three'))).kind, 'ok')
  await set.level()
  set.assertIdentical()
  await reconciled(set, copies(1))
  await set.run(1_000)
  for (const brokerId of [2, 3]) {
    set.crash(brokerId, { keep: 'none' })
    set.hosts.delete(brokerId)
  }
  assert.equal((await set.produce(clientBatch('alone again'))).kind, 'ok')
  await set.close()
})

test('all replicas are replaced at once, the leader included, with no pause of an election timeout', async () => {
  const set = await filledSet([1, 2, 3])
  for (const brokerId of [4, 5, 6]) await set.add(brokerId)
  const isOut = (): boolean => !set.at(4).members().voters.includes(1) && set.at(4).members().voters.includes(4)
  await set.until(() => {
    set.partitions.map((partition) => partition.reconcile(copies(4, 5, 6)))
    return isOut()
  }, 'the new members')
  const before = set.clock.nowMs()
  await set.elected([4, 5, 6])
  assert.ok(set.clock.nowMs() - before <= 300, `${set.clock.nowMs() - before} ms without a leader`)
  for (const brokerId of [1, 2, 3]) {
    await set.stop(brokerId)
    set.hosts.delete(brokerId)
  }
  assert.equal((await set.produce(clientBatch('new'))).kind, 'ok')
  await set.level()
  set.assertIdentical()
  assert.equal((await labelsIn(set.at(4))).size, 21)
  await set.close()
})

test('a leader that is to go hands over to one who stays', async () => {
  const set = await filledSet([1, 2, 3])
  assert.equal(set.leaderId, 1)
  await set.add(4)
  await set.until(
    () => set.leaderId !== null && set.at(set.leaderId).reconcile(copies(2, 3, 4)) === 'done',
    'the change',
  )
  assert.ok(set.leaderId !== 1)
  assert.deepEqual(set.at(2).members().voters, [2, 3, 4])
  await set.close()
})

test('members that only follow do not vote, and follow what is committed', async () => {
  const set = await filledSet([1, 2, 3])
  await set.add(4)
  await set.add(5)
  await reconciled(set, copies(1, 2, 3), copies(4, 5))
  assert.deepEqual(set.at(1).members().learners, [4, 5])
  await set.level()
  assert.equal(set.at(4).committedEnd, set.at(1).committedEnd)
  set.isolate(2)
  set.isolate(3)
  await set.run(5_000)
  assert.equal(set.leaderId, null, 'one voter and two learners are no majority')
  set.heal()
  await set.elected()
  // A voter steps back into the second row, a learner goes.
  await reconciled(set, copies(1, 2, 4), copies(3))
  assert.deepEqual([set.at(1).members().voters, set.at(1).members().learners], [[1, 2, 4], [3]])
  await set.close()
})

test('a member that does not answer is not made a voter, and the group is never smaller meanwhile', async () => {
  const set = await filledSet([1, 2, 3])
  await set.add(4)
  set.isolate(4)
  for (let i = 0; i < 50; i++) {
    assert.equal(set.at(1).reconcile(copies(1, 2, 4)), 'under-way')
    await set.run(100)
  }
  assert.deepEqual([set.at(1).members().voters, set.at(1).members().learners], [[1, 2, 3], [4]])
  const joining = set
    .at(1)
    .replicaStates()
    .find(({ nodeId }) => nodeId === 4)
  assert.deepEqual([joining?.role, joining?.isLive, joining?.isCaughtUp], ['learner', false, false])
  set.heal()
  await reconciled(set, copies(1, 2, 4))
  await set.close()
})

test('voters are not removed when too few of the others answer', async () => {
  const set = await filledSet([1, 2, 3])
  set.crash(3, { keep: 'none' })
  await set.run(3_000)
  assert.equal(set.at(1).reconcile(copies(1, 3)), 'under-way')
  await set.run(1_000)
  assert.deepEqual(set.at(1).members().voters, [1, 2, 3])
  await set.open(3)
  await set.level()
  await reconciled(set, copies(1, 3))
  await set.close()
})

test('a change goes on after restarts of everybody at every moment of it', async () => {
  let finishedBefore = 0
  for (let rounds = 0; finishedBefore < 3; rounds++) {
    const set = await filledSet([1, 2, 3], 6)
    await set.add(4)
    let isDone = false
    for (let i = 0; i < rounds && !isDone; i++) {
      isDone = set.leaderId !== null && set.at(set.leaderId).reconcile(copies(4, 2, 3)) === 'done'
      await set.deliverOnce()
      if (i % 5 === 4) await set.clock.advance(100, set.settle)
    }
    if (isDone) finishedBefore++
    for (const brokerId of [1, 2, 3, 4]) {
      if (rounds % 3 === 0) await set.stop(brokerId)
      else set.crash(brokerId, rounds % 3 === 1 ? { keep: 'none' } : null)
    }
    for (const brokerId of [1, 2, 3, 4]) await set.open(brokerId)
    await reconciled(set, copies(4, 2, 3))
    await set.produce(clientBatch('after'))
    set.crash(1, { keep: 'none' })
    set.hosts.delete(1)
    await set.level()
    set.assertIdentical()
    assert.deepEqual(set.at(4).members().voters, [2, 3, 4])
    await set.close()
  }
})

test('changes of members are in the logs of all copies, the same bytes, and are shown to no reader', async () => {
  const set = await filledSet([1, 2, 3], 2)
  await set.add(4)
  await reconciled(set, copies(1, 2, 4))
  await set.stop(3)
  set.hosts.delete(3)
  await set.produce(clientBatch('after'))
  await set.level()
  set.assertIdentical()
  assert.deepEqual([...(await labelsIn(set.at(4))).values()], ['b0', 'b1', 'after'])
  assert.ok(set.at(4).bounds().logEndOffset > 3)
  assert.equal(
    set
      .at(1)
      .describe()
      .members.voters.includes(nodeOfReplica({ brokerId: 4, generation: 0 })),
    true,
  )
  await set.close()
})

test('a copy that joins catches up under the byte limit', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], tailBytes: 0, catchUpBytesPerSecond: 200_000 })
  await set.elected()
  for (let i = 0; i < 40; i++) await set.produce(clientBatch(`b${i}`, { valueBytes: 50_000 }))
  await set.level()
  const before = set.clock.nowMs()
  await set.add(4)
  await reconciled(set, copies(1, 2, 3), copies(4))
  await set.until(() => set.at(4).bounds().logEndOffset >= 40, 'the copy')
  const tookMs = set.clock.nowMs() - before
  assert.ok(tookMs > 6_000 && tookMs < 15_000, `2 MB at 200 kB/s took ${tookMs} ms`)
  await set.level()
  set.assertIdentical()
  await set.close()
})

test('a leader that has just started does not take a copy that lags for one that has caught up', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1], tailBytes: 0, catchUpBytesPerSecond: 200_000 })
  await set.elected()
  for (let i = 0; i < 20; i++) await set.produce(clientBatch(`b${i}`, { valueBytes: 150_000 }))
  await set.add(2)
  await reconciled(set, copies(1), copies(2))
  await set.stop(1)
  await set.open(1)
  assert.equal(set.leaderId, 1)
  for (let i = 0; i < 30; i++) {
    set.at(1).reconcile(copies(1, 2))
    await set.run(100)
  }
  assert.deepEqual(set.at(1).members().voters, [1])
  await reconciled(set, copies(1, 2))
  assert.ok(set.at(2).bounds().logEndOffset >= 20)
  await set.close()
})
