import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientBatch } from '../testing/client-batches.ts'
import { ReplicaSet } from '../testing/replica-set.ts'
import { labelsIn } from '../testing/set-workload.ts'

test('a follower serves what is committed and on its own disk, and tells when there is more', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  await set.produce(clientBatch('a'))
  await set.level()
  assert.deepEqual([...(await labelsIn(set.at(3))).values()], ['a'])
  let news = 0
  set.at(3).onAdvance(() => news++)
  const release = set.host(3).fileSystem.holdSyncs()
  assert.equal((await set.produce(clientBatch('b'))).kind, 'ok')
  await set.run(500)
  assert.equal(set.at(3).committedEnd, 1, 'committed by the others, but not on this disk')
  await assert.rejects(set.at(3).readCommitted(2, 100), { code: 'OFFSET_OUT_OF_RANGE' })
  const before = news
  release()
  await set.until(() => set.at(3).committedEnd === 2, 'the flush')
  assert.ok(news > before)
  assert.deepEqual([...(await labelsIn(set.at(3))).values()], ['a', 'b'])
  await assert.rejects(set.at(3).read(0, 100), { code: 'NOT_LEADER_OR_FOLLOWER' })
  await set.close()
})

test('where acknowledgements do not wait for disks, what a follower serves does', async () => {
  const config = { flushPolicy: 'replicated' } as const
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], config })
  await set.elected()
  const releases = [1, 2, 3].map((brokerId) => set.host(brokerId).fileSystem.holdSyncs())
  const outcome = await set.produce(clientBatch('a'))
  assert.equal(outcome.kind === 'ok' && outcome.durability, 'replicated')
  await set.run(1_000)
  const follower = set.at(3)
  assert.deepEqual([follower.bounds().highWatermark, follower.committedEnd], [1, 0])
  let news = 0
  follower.onAdvance(() => news++)
  for (const release of releases) release()
  await set.until(() => follower.committedEnd === 1, 'the sync in the background')
  assert.ok(news > 0)
  await set.close()
})

test('each copy applies retention by itself; one that was away for longer begins where the leader begins', async () => {
  const config = { retentionMs: 1_000, segmentMaxAgeMs: 500, segmentBytesMax: 2_000 }
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], config })
  await set.elected()
  const produce = (label: string) => set.produce(clientBatch(label, { timestamp: set.clock.nowMs(), valueBytes: 500 }))
  for (let i = 0; i < 10; i++) await produce(`old${i}`)
  await set.level()
  await set.stop(3)
  for (let i = 0; i < 10; i++) await produce(`lost to 3, ${i}`)
  await set.run(5_000)
  for (let i = 0; i < 3; i++) await produce(`new${i}`)
  for (const brokerId of [1, 2]) await set.at(brokerId).enforceRetention()
  const { logStartOffset } = set.at(1).bounds()
  assert.ok(logStartOffset >= 12, `the leader begins at ${logStartOffset}`)
  await set.open(3)
  await set.level()
  const { logStartOffset: start, committedEnd } = { ...set.at(3).bounds(), committedEnd: set.at(3).committedEnd }
  assert.deepEqual([start, committedEnd], [logStartOffset, set.at(1).committedEnd])
  assert.deepEqual([...(await labelsIn(set.at(3))).values()], [...(await labelsIn(set.at(1))).values()])
  assert.equal((await produce('after')).kind, 'ok')
  // It has begun anew for good, and leads if need be.
  await set.stop(3)
  await set.open(3)
  assert.equal(set.at(3).bounds().logStartOffset, logStartOffset)
  await set.level()
  set.at(set.leaderId!).transferLeadership(3)
  await set.elected([3])
  assert.equal((await produce('by 3')).kind, 'ok')
  await set.level()
  set.assertIdentical()
  await set.close()
})

test('a hand-over that a crash interrupts anywhere is made again', async () => {
  for (let step = 1, finished = false; !finished; step++) {
    const config = { retentionMs: 1_000, segmentMaxAgeMs: 500, segmentBytesMax: 2_000 }
    const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], config, seed: step })
    await set.elected()
    const produce = (label: string) =>
      set.produce(clientBatch(label, { timestamp: set.clock.nowMs(), valueBytes: 500 }))
    for (let i = 0; i < 4; i++) await produce(`old${i}`)
    await set.level()
    await set.stop(3)
    for (let i = 0; i < 4; i++) await produce(`lost to 3, ${i}`)
    await set.run(5_000)
    await produce('new')
    for (const brokerId of [1, 2]) await set.at(brokerId).enforceRetention()
    await set.open(3)
    const { fileSystem } = set.host(3)
    fileSystem.stopAtOperation(fileSystem.counters.mutations + step)
    await set.run(1_000)
    finished = !fileSystem.stopped
    set.crash(3, step % 2 === 0 ? { keep: 'none' } : { keep: 'random', seed: step })
    await set.open(3)
    assert.equal(set.host(3).failure, null, `step ${step}`)
    await set.level()
    assert.deepEqual([...(await labelsIn(set.at(3))).values()], [...(await labelsIn(set.at(1))).values()])
    await set.close()
  }
})
