import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeBatchSync, iterateBatches } from '@stratalog/proto/records'
import { InlineCompactionEngine } from '../log/compaction-rounds.ts'
import type { Replica } from '../replication/raft-ids.ts'
import { keyedClientBatch } from '../testing/client-batches.ts'
import { ReplicaSet } from '../testing/replica-set.ts'
import type { Partition } from './partition.ts'
import type { PartitionConfig } from './partition-config.ts'

const CONFIG: Partial<PartitionConfig> = {
  cleanupPolicy: 'compact',
  segmentBytesMax: 1_000,
  minCleanableDirtyRatio: 0,
  deleteRetentionMs: 500,
}

function copies(...brokerIds: number[]): Replica[] {
  return brokerIds.map((brokerId) => ({ brokerId, generation: 0 }))
}

function compact(partition: Partition, heldByAllEnd: number): Promise<unknown> {
  const engine = new InlineCompactionEngine()
  return partition.compaction.compact({ engine, heldByAllEnd, mapBytesMax: 1 << 16, spend: async () => undefined })
}

/** The last value of every key, as a reader of that copy has it, and how many records it took. */
async function stateOf(partition: Partition): Promise<{ values: Record<string, string>; recordCount: number }> {
  const values = new Map<string, string>()
  let recordCount = 0
  for (let next = 0; next < partition.committedEnd; ) {
    const read = await partition.readCommitted(next, 5_000)
    for (const { position } of iterateBatches(read.bytes ?? Buffer.alloc(0))) {
      for (const { key, value } of decodeBatchSync(read.bytes!, position)) {
        recordCount++
        if (value === null) values.delete(key!.toString())
        else values.set(key!.toString(), value.toString())
      }
    }
    assert.ok(read.nextOffset > next, 'a read gets on')
    next = read.nextOffset
  }
  const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1))
  return { values: Object.fromEntries(sorted), recordCount }
}

/** Offsets and epochs of all batches in the files of a copy. */
function boundariesOf(set: ReplicaSet, brokerId: number): string[] {
  return [...iterateBatches(set.logBytes(brokerId))].map(
    ({ header }) => `${header.baseOffset}..${header.lastOffset}@${header.leaderEpoch}`,
  )
}

async function put(set: ReplicaSet, key: string, value: string | null): Promise<void> {
  const outcome = await set.produce(keyedClientBatch([[key, value]]))
  assert.equal(outcome.kind, 'ok')
}

async function fill(set: ReplicaSet, count: number, label: string): Promise<void> {
  for (let index = 0; index < count; index++) await put(set, `${label} ${index % 3}`, '.'.repeat(100))
}

test('copies that compact at different times, or never, hold the same last values, through crashes and new leaders', async () => {
  for (const seed of [1, 2, 3]) {
    const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], seed, config: CONFIG, tailBytes: 2_000 })
    const { random } = set
    await set.elected()
    let compactionCount = 0
    for (let index = 0; index < 120; index++) {
      if (set.leaderId === null) await set.elected()
      const value = random() < 0.25 ? null : `${index} ${'x'.repeat(Math.floor(random() * 150))}`
      await set.produce(keyedClientBatch([[`key ${Math.floor(random() * 8)}`, value]]))
      const brokerId = random() < 0.5 ? 1 : 2
      if (random() < 0.2 && set.host(brokerId).partition !== null) {
        const heldByAllEnd = set.leaderId === null ? 0 : set.at(set.leaderId).compaction.heldByAllEnd
        await compact(set.at(brokerId), heldByAllEnd)
        compactionCount++
      }
      if (index % 30 === 29) {
        const crashed = index % 60 === 29 ? set.leaderId! : 2
        set.crash(crashed, { keep: 'random', seed: index })
        await set.run(3_000)
        await set.open(crashed)
        await set.elected()
      }
    }
    assert.ok(compactionCount > 8)
    await set.level()
    const expected = await stateOf(set.at(3))
    for (const brokerId of [1, 2]) {
      await compact(set.at(brokerId), set.at(set.leaderId!).compaction.heldByAllEnd)
      const state = await stateOf(set.at(brokerId))
      assert.deepEqual(state.values, expected.values, `broker ${brokerId}, seed ${seed}`)
      assert.ok(state.recordCount < expected.recordCount / 2, `${state.recordCount} of ${expected.recordCount}`)
      assert.deepEqual(boundariesOf(set, brokerId), boundariesOf(set, 3))
    }
    // One that begins with nothing takes what the leader has left.
    await set.add(4)
    await set.until(() => set.at(set.leaderId!).reconcile(copies(1, 2, 3, 4)) === 'done', 'the fourth')
    await set.level()
    assert.deepEqual((await stateOf(set.at(4))).values, (await stateOf(set.at(3))).values)
    assert.deepEqual(boundariesOf(set, 4), boundariesOf(set, 3))
    assert.ok([...set.hosts.values()].every(({ lost }) => lost.length === 0))
    for (const partition of set.partitions) partition.checkInvariants()
    await set.close()
  }
})

test('a tombstone stays while a member lacks it, and the leader knows of that', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], config: CONFIG })
  const leader = await set.elected()
  await put(set, 'k', 'v')
  await set.level()
  const before = leader.compaction.heldByAllEnd
  assert.equal(before, leader.bounds().logEndOffset)
  set.isolate(3)
  await put(set, 'k', null)
  await fill(set, 20, 'a')
  assert.equal(leader.compaction.heldByAllEnd, before)
  assert.equal(set.at(2).compaction.heldByAllEnd, 0, 'only a leader knows')
  await compact(leader, 0)
  await set.run(1_000)
  await compact(leader, leader.compaction.heldByAllEnd)
  set.heal()
  await set.level()
  const { values } = await stateOf(set.at(3))
  assert.equal('k' in values, false)
  // Now all have it.
  await compact(leader, leader.compaction.heldByAllEnd)
  assert.equal([...iterateBatches(set.logBytes(1))].filter(({ header }) => header.recordCount > 0).length < 10, true)
  assert.deepEqual((await stateOf(leader)).values, (await stateOf(set.at(3))).values)
  await set.close()
})

/** A learner, 4, that has only what ends with `k=v`; the end of k comes later and is compacted away by broker 2. */
async function learnerBehind(): Promise<ReplicaSet> {
  // Nothing is kept in memory: what is sent is what the files hold.
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], config: CONFIG, tailBytes: 0 })
  await set.elected([1])
  await put(set, 'k', 'v')
  await set.add(4)
  await set.until(() => set.at(1).reconcile(copies(1, 2, 3), copies(4)) === 'done', 'the learner')
  await set.level()
  set.isolate(4)
  await put(set, 'k', null)
  await fill(set, 20, 'a')
  await set.run(500)
  await compact(set.at(2), 0)
  await set.run(1_000)
  return set
}

test('a copy that joins is given up when another leader lacks tombstones that it needs', async () => {
  const set = await learnerBehind()
  // What a leader that was deposed, and knew of no learner, may have told it.
  await compact(set.at(2), set.at(2).bounds().logEndOffset)
  assert.equal(set.at(1).transferLeadership(2).kind, 'started')
  await set.elected([2])
  set.heal()
  await set.until(() => set.host(4).lost.length > 0, 'the report')
  const [lost] = set.host(4).lost
  assert.deepEqual([lost!.brokerId, lost!.generation, lost!.error.code], [4, 0, 'PARTITION_DAMAGED'])
  assert.match(lost!.error.message, /tombstones/)
  assert.equal(set.at(4).state().kind, 'unavailable')
  await set.close()
})

test('it is not when the leader kept them, or fed it from the start', async () => {
  const set = await learnerBehind()
  await compact(set.at(2), set.at(1).compaction.heldByAllEnd)
  assert.equal(set.at(1).transferLeadership(2).kind, 'started')
  await set.elected([2])
  set.heal()
  await set.level()
  assert.equal('k' in (await stateOf(set.at(4))).values, false)
  await compact(set.at(2), set.at(2).compaction.heldByAllEnd)
  await set.add(5)
  await set.until(() => set.at(2).reconcile(copies(1, 2, 3), copies(4, 5)) === 'done', 'another learner')
  await set.level()
  assert.equal('k' in (await stateOf(set.at(5))).values, false)
  assert.ok([...set.hosts.values()].every(({ lost }) => lost.length === 0))
  await set.close()
})

test('records without a key are refused where the last record of each key is kept', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1], config: { cleanupPolicy: 'compact,delete' } })
  const partition = await set.elected()
  const keyless = (codec: 'none' | 'zstd' = 'none'): Buffer =>
    keyedClientBatch(
      [
        ['a', '1'],
        [null, '2'],
      ],
      codec,
    )
  for (const codec of ['none', 'zstd'] as const) {
    const outcome = await set.produce(keyless(codec))
    assert.ok(outcome.kind === 'error')
    assert.equal(outcome.error.code, 'INVALID_RECORD')
    assert.match(outcome.error.message, /record 1 of the batch has no key.*cleanup\.policy/)
    assert.equal(outcome.error.metadata['recordIndex'], '1')
  }
  assert.equal(partition.bounds().logEndOffset, 0)
  // An empty key is one, and a tombstone is a record.
  assert.equal((await set.produce(keyedClientBatch([['', null]]))).kind, 'ok')
  const broken = keyedClientBatch([['a', 'b'.repeat(100)]], 'zstd')
  broken.fill(0xee, 61)
  const { crc32c } = await import('@stratalog/proto/records')
  broken.writeUInt32BE(crc32c(broken, 21, broken.length), 17)
  const outcome = await set.produce(broken)
  assert.equal(outcome.kind === 'error' && outcome.error.code, 'CORRUPT_MESSAGE')
  await set.close()
})

test('what is due follows the topic: nothing where only old segments are deleted', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1], config: { ...CONFIG, cleanupPolicy: 'delete' } })
  const partition = await set.elected()
  await fill(set, 40, 'a')
  assert.equal(partition.compaction.need(), null)
  const { quietConfig } = await import('../testing/quiet-config.ts')
  partition.updateConfig(quietConfig({ ...CONFIG, minCleanableDirtyRatio: 1 }))
  assert.equal(partition.compaction.need()?.isWorthwhile, true)
  await compact(partition, 0)
  assert.equal(partition.compaction.need()?.isWorthwhile, false)
  // Age and size mean nothing to it now.
  const kept = partition.bounds().logStartOffset
  partition.updateConfig(quietConfig({ ...CONFIG, retentionMs: 1, retentionBytes: 1 }))
  await set.run(10_000)
  await partition.enforceRetention()
  assert.equal(partition.bounds().logStartOffset, kept)
  partition.updateConfig(quietConfig({ ...CONFIG, cleanupPolicy: 'compact,delete', retentionMs: 1, retentionBytes: 1 }))
  await partition.enforceRetention()
  assert.ok(partition.bounds().logStartOffset > kept)
  await set.close()
})
