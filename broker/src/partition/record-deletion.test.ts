import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStratalogError, StratalogError } from '@stratalog/proto'
import { clientBatch } from '../testing/client-batches.ts'
import { seededRandom } from '../testing/fake-disk.ts'
import { ReplicaSet } from '../testing/replica-set.ts'
import { labelsIn } from '../testing/set-workload.ts'
import type { Partition } from './partition.ts'
import type { DeletionOutcome } from './record-deletion.ts'

/** Five records a batch: offsets 0 to 4, 5 to 9, ... */
const RECORDS_PER_BATCH = 5

async function startSet(batchCount: number, options: Partial<Parameters<typeof ReplicaSet.start>[0]> = {}) {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], ...options })
  await set.elected()
  for (let i = 0; i < batchCount; i++) await produce(set, `b${i}`)
  return set
}

function produce(set: ReplicaSet, label: string, valueBytes = 0) {
  const timestamp = set.clock.nowMs()
  return set.produce(clientBatch(label, { recordCount: RECORDS_PER_BATCH, valueBytes, timestamp }))
}

/** Deletes at the leader and runs until that is answered. */
async function deleteAt(set: ReplicaSet, beforeOffset: number | null, validateOnly = false): Promise<DeletionOutcome> {
  const outcome = settledOf(set.at(set.leaderId!).deleteRecords(beforeOffset, validateOnly))
  await set.until(() => outcome.value !== null || outcome.error !== null, 'an answer to a deletion')
  if (outcome.error !== null) throw outcome.error
  return outcome.value!
}

function settledOf<T>(promise: Promise<T>): { value: T | null; error: unknown } {
  const outcome: { value: T | null; error: unknown } = { value: null, error: null }
  promise.then(
    (value) => {
      outcome.value = value
    },
    (error: unknown) => {
      outcome.error = error
    },
  )
  return outcome
}

const startsOf = (set: ReplicaSet) => set.partitions.map((partition) => partition.bounds().logStartOffset)

/** First and last offset that a reader gets. */
async function rangeOf(partition: Partition): Promise<[number | undefined, number | undefined]> {
  const { logStartOffset } = partition.bounds()
  const offsets = [...(await labelsIn(partition)).keys()].filter((offset) => offset >= logStartOffset)
  return [offsets[0], offsets.at(-1)]
}

test('records below an offset are gone from all replicas, to the offset, also inside of a batch', async () => {
  const set = await startSet(4)
  const outcome = await deleteAt(set, 7)
  assert.deepEqual(outcome, { logStartOffset: 7, previousLogStartOffset: 0, visibleEnd: 20 })
  await set.level()
  assert.deepEqual(startsOf(set), [7, 7, 7])
  for (const partition of set.partitions) {
    const refusal = await partition.readCommitted(6, 100).catch((error: unknown) => error)
    assert.ok(isStratalogError(refusal, 'OFFSET_OUT_OF_RANGE'))
    assert.deepEqual(refusal.metadata, { offset: '6', logStartOffset: '7', visibleEnd: '20' })
    assert.deepEqual(await rangeOf(partition), [7, 19])
    partition.checkInvariants()
  }
  // Nobody sees the request itself: what is written next follows, and the end is that of the data.
  assert.equal(set.at(1).bounds().visibleEnd, 20)
  assert.equal((await produce(set, 'next')).kind, 'ok')
  await set.level()
  set.assertIdentical()
  await set.close()
})

test('what cannot be deleted is refused, and what is deleted already is no error', async () => {
  const set = await startSet(2)
  await assert.rejects(deleteAt(set, 11), (error) => {
    assert.ok(isStratalogError(error, 'OFFSET_OUT_OF_RANGE'))
    assert.equal(error.metadata['visibleEnd'], '10')
    return true
  })
  await assert.rejects(set.at(2).deleteRecords(5, false), { code: 'NOT_LEADER_OR_FOLLOWER' })
  const plan = await deleteAt(set, 5, true)
  assert.deepEqual(plan, { logStartOffset: 5, previousLogStartOffset: 0, visibleEnd: 10 })
  const { logEndOffset } = set.at(1).bounds()
  assert.deepEqual(startsOf(set), [0, 0, 0], 'a check changes nothing')
  await deleteAt(set, 5)
  assert.equal(set.at(1).bounds().logEndOffset, logEndOffset + 1)
  assert.deepEqual(await deleteAt(set, 3), { logStartOffset: 5, previousLogStartOffset: 5, visibleEnd: 10 })
  assert.equal(set.at(1).bounds().logEndOffset, logEndOffset + 1, 'nothing is written for it')
  await set.close()
})

test('all that is committed can go: the log is empty and goes on', async () => {
  const set = await startSet(3)
  assert.deepEqual(await deleteAt(set, null), { logStartOffset: 15, previousLogStartOffset: 0, visibleEnd: 15 })
  await set.level()
  for (const partition of set.partitions) {
    const { logStartOffset, visibleEnd } = partition.bounds()
    assert.deepEqual([logStartOffset, visibleEnd], [15, 15])
    assert.equal((await labelsIn(partition)).size, 0)
  }
  await produce(set, 'after')
  await set.level()
  for (const partition of set.partitions) assert.deepEqual(await rangeOf(partition), [16, 20])
  await set.close()
})

test('segments that hold nothing else are deleted on every replica, and all of it survives restarts', async () => {
  const set = await startSet(0, { config: { segmentBytesMax: 1_000 } })
  for (let i = 0; i < 20; i++) await produce(set, `b${i}`, 40)
  await set.level()
  const before = set.at(1).describe()
  await deleteAt(set, 77)
  await set.level()
  await set.run(200)
  for (const partition of set.partitions) {
    const { segmentCount, logBytes } = partition.describe()
    assert.ok(segmentCount < before.segmentCount / 2 && logBytes < before.logBytes / 2, `${segmentCount} segments`)
  }
  for (const brokerId of [1, 2, 3]) {
    await set.stop(brokerId)
    await set.open(brokerId)
    assert.equal(set.at(brokerId).bounds().logStartOffset, 77)
    await set.elected()
  }
  for (const brokerId of [1, 2, 3]) {
    await set.level()
    set.crash(brokerId, { keep: 'none' })
    await set.open(brokerId)
    assert.equal(set.at(brokerId).bounds().logStartOffset, 77)
  }
  await set.level()
  for (const partition of set.partitions) assert.deepEqual(await rangeOf(partition), [77, 99])
  await set.close()
})

test('a deletion that is not committed has no effect, and is gone with its leader', async () => {
  const set = await startSet(4)
  await set.level()
  const old = set.leaderId!
  set.isolate(old)
  const outcome = settledOf(set.at(old).deleteRecords(10, false))
  await set.run(300)
  assert.equal(set.at(old).bounds().logStartOffset, 0)
  const next = await set.elected([1, 2, 3].filter((brokerId) => brokerId !== old))
  assert.equal(next.bounds().logStartOffset, 0)
  set.heal()
  await set.until(() => outcome.error !== null, 'a refusal')
  assert.ok(isStratalogError(outcome.error) && outcome.error.retriable, String(outcome.error))
  await set.level()
  assert.deepEqual(startsOf(set), [0, 0, 0])
  assert.deepEqual(await rangeOf(set.at(old)), [0, 19])
  await set.close()
})

test('no later leader serves what was deleted, not even one that did not know that it was committed', async () => {
  const set = await startSet(4)
  await set.level()
  const leader = set.leaderId!
  const others = [1, 2, 3].filter((brokerId) => brokerId !== leader)
  const highWatermark = set.at(leader).bounds().highWatermark
  // The request arrives, the news of its commit does not.
  set.onDeliver = (message) => !('commit' in message) || (message.commit ?? 0) <= highWatermark
  await deleteAt(set, 12)
  assert.deepEqual(
    others.map((brokerId) => set.at(brokerId).bounds().logStartOffset),
    [0, 0],
  )
  const served: number[] = []
  for (const brokerId of others) {
    const partition = set.at(brokerId)
    partition.onAdvance(() => {
      if (partition.state().kind === 'serving') served.push(partition.bounds().logStartOffset)
    })
  }
  set.crash(leader, { keep: 'none' })
  set.onDeliver = null
  await set.elected(others)
  assert.ok(served.length > 0)
  assert.deepEqual(
    served.filter((start) => start !== 12),
    [],
  )
  await set.open(leader)
  await set.level()
  assert.deepEqual(startsOf(set), [12, 12, 12])
  await set.close()
})

test('a request that is about to be cut off is not taken for one that was committed in its place', async () => {
  const set = await startSet(4)
  await set.level()
  const old = set.leaderId!
  set.isolate(old)
  // The request is on its way to the disk: what is to replace it must wait for that.
  const release = set.host(old).fileSystem.holdSyncs()
  const outcome = settledOf(set.at(old).deleteRecords(10, false))
  await set.settle()
  await set.elected([1, 2, 3].filter((brokerId) => brokerId !== old))
  for (let i = 0; i < 3; i++) await produce(set, `instead ${i}`)
  set.heal()
  await set.run(2_000)
  assert.equal(set.at(old).bounds().logStartOffset, 0)
  release()
  await set.level()
  assert.deepEqual(startsOf(set), [0, 0, 0])
  assert.ok(outcome.error !== null)
  await set.close()
})

test('an answered deletion survives a power loss at any step of it', async () => {
  for (let step = 1, finished = false; !finished; step++) {
    const set = await startSet(6, { brokerIds: [1], seed: step, config: { segmentBytesMax: 700 } })
    const { fileSystem } = set.host(1)
    fileSystem.stopAtOperation(fileSystem.counters.mutations + step)
    const outcome = settledOf(set.at(1).deleteRecords(17, false))
    await set.run(500)
    finished = !fileSystem.stopped
    const isAnswered = outcome.value !== null
    assert.ok(isAnswered || !finished)
    set.crash(1, step % 2 === 0 ? { keep: 'none' } : { keep: 'random', seed: step })
    await set.open(1)
    const { logStartOffset } = (await set.elected()).bounds()
    assert.ok(isAnswered ? logStartOffset === 17 : [0, 17].includes(logStartOffset), `step ${step}: ${logStartOffset}`)
    assert.deepEqual(await rangeOf(set.at(1)), [logStartOffset, 29])
    await deleteAt(set, 17)
    await set.stop(1)
    await set.open(1)
    assert.equal((await set.elected()).bounds().logStartOffset, 17)
    await set.close()
  }
})

test('a copy that is filled anew begins at the batch, and serves from the offset', async () => {
  const set = await startSet(0, { config: { segmentBytesMax: 1_000 } })
  for (let i = 0; i < 10; i++) await produce(set, `b${i}`, 40)
  await set.stop(3)
  for (let i = 10; i < 20; i++) await produce(set, `b${i}`, 40)
  await deleteAt(set, 72)
  await set.run(500)
  await set.open(3)
  await set.level()
  assert.deepEqual(startsOf(set), [72, 72, 72])
  assert.deepEqual(await rangeOf(set.at(3)), [72, 99])
  const leader = set.at(set.leaderId!)
  leader.transferLeadership(3)
  await set.elected([3])
  assert.deepEqual(await rangeOf(set.at(3)), [72, 99])
  await set.close()
})

test('look-ups by time do not find what was deleted', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1] })
  await set.elected()
  // Timestamps 1000 to 1004, then 500 to 504, then 700 to 704.
  for (const timestamp of [1_000, 500, 700]) {
    await set.produce(clientBatch('b', { recordCount: RECORDS_PER_BATCH, timestamp }))
  }
  const partition = set.at(1)
  assert.equal((await partition.maxTimestamp())?.offset, 4)
  await deleteAt(set, 3)
  assert.deepEqual({ ...(await partition.offsetForTimestamp(0)) }, { offset: 3, timestamp: 1_003, leaderEpoch: 1 })
  assert.equal((await partition.maxTimestamp())?.offset, 4)
  await deleteAt(set, 5)
  assert.equal((await partition.maxTimestamp())?.offset, 14)
  assert.equal((await partition.offsetForTimestamp(0))?.offset, 5)
  await deleteAt(set, 13)
  assert.equal((await partition.maxTimestamp())?.offset, 14)
  await deleteAt(set, 15)
  assert.equal(await partition.maxTimestamp(), null)
  await set.close()
})

test('a partition that is closed meanwhile says so', async () => {
  const set = await startSet(2)
  set.isolate(set.leaderId!)
  const outcome = settledOf(set.at(set.leaderId!).deleteRecords(5, false))
  await set.settle()
  await set.stop(set.leaderId!)
  assert.ok(outcome.error instanceof StratalogError, String(outcome.error))
  await set.close()
})

test('through crashes and changes of leader, what was answered stays deleted and nothing else goes', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = seededRandom(seed)
    const draw = (count: number): number => Math.floor(random() * count)
    const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], seed, config: { segmentBytesMax: 2_000 } })
    const written = new Map<number, string>()
    let deleted = 0
    let asked = 0
    for (let round = 0; round < 25; round++) {
      await set.elected()
      const act = draw(6)
      if (act < 3) {
        const label = `s${seed}r${round}`
        const outcome = await produce(set, label, 30)
        if (outcome.kind === 'ok') written.set(outcome.baseOffset, label)
      } else if (act === 3) {
        const { visibleEnd } = set.at(set.leaderId!).bounds()
        asked = Math.max(asked, draw(visibleEnd + 1))
        const { logStartOffset } = await deleteAt(set, asked)
        deleted = Math.max(deleted, logStartOffset)
      } else {
        const brokerId = 1 + draw(3)
        if (act === 4) set.crash(brokerId, draw(2) === 0 ? { keep: 'none' } : { keep: 'random', seed: round })
        else await set.stop(brokerId)
        await set.elected()
        await set.open(brokerId)
      }
      const leader = await set.elected()
      assert.equal(leader.bounds().logStartOffset, deleted, `seed ${seed}, round ${round}: ${set.describe()}`)
    }
    await set.level()
    set.at(set.leaderId!).checkInvariants()
    for (const partition of set.partitions) {
      assert.equal(partition.bounds().logStartOffset, deleted)
      const labels = await labelsIn(partition)
      for (const [baseOffset, label] of written) {
        for (let i = 0; i < RECORDS_PER_BATCH; i++) {
          const offset = baseOffset + i
          if (offset >= deleted) assert.equal(labels.get(offset)?.replace(/-\d$/, ''), label, `seed ${seed}, ${offset}`)
        }
      }
    }
    await set.close()
  }
})
