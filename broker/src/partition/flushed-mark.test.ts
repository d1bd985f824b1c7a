/** What a copy durably knows of its own flushes decides whether a bad batch is a torn write or damage. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupKey } from '../replication/group-state-store.ts'
import { clientBatch } from '../testing/client-batches.ts'
import { REPLICA_DIRECTORY, REPLICA_TOPIC_ID, type ReplicaHost, ReplicaSet } from '../testing/replica-set.ts'

const LOG = `${REPLICA_DIRECTORY}/00000000000000000000.log`
const KEY = groupKey(REPLICA_TOPIC_ID, 0)

function markOf({ environment }: ReplicaHost): number {
  return environment!.groupStates.get(KEY)!.flushedEnd
}

async function filledSet(): Promise<ReplicaSet> {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  for (let i = 0; i < 12; i++) await set.produce(clientBatch(`b${i}`, { valueBytes: 100 }))
  await set.level()
  return set
}

test('a bit flipped below the mark is damage after a power loss, whatever of the disk was synced', async () => {
  const set = await filledSet()
  const host = set.host(3)
  await set.run(1500)
  const end = set.at(3).bounds().logEndOffset
  assert.equal(markOf(host), end)
  host.fileSystem.flipBit(LOG, host.fileSystem.contentOf(LOG).length - 1)
  // Of the recovery point, which is never synced, nothing is left.
  set.crash(3, { keep: 'none' })
  await set.open(3)
  assert.equal(host.lost.length, 1)
  assert.equal(host.lost[0]!.error.code, 'PARTITION_DAMAGED')
  assert.match(String(host.failure), /damaged at offset/)
  await set.close()
})

test('an idle set stores nothing, and one that is written to a row a second', async () => {
  const set = await filledSet()
  await set.run(5000)
  const before = [1, 2, 3].map((id) => set.host(id).store.batchCount)
  await set.run(60_000)
  assert.deepEqual(
    [1, 2, 3].map((id) => set.host(id).store.batchCount),
    before,
  )
  for (let i = 0; i < 50; i++) {
    await set.produce(clientBatch(`more${i}`))
    await set.run(100)
  }
  const counts = [1, 2, 3].map((id, index) => set.host(id).store.batchCount - before[index]!)
  assert.ok(
    counts.every((count) => count >= 4 && count <= 12),
    counts.join(),
  )
  await set.close()
})

test('a copy that cuts what others never had is not taken for damaged, wherever it loses its power', async () => {
  for (let step = 1, isOver = false; !isOver; step++) {
    const set = await filledSet()
    const old = set.leaderId!
    const host = set.host(old)
    set.isolate(old)
    for (let i = 0; i < 5; i++) set.send(clientBatch(`lost${i}`, { valueBytes: 100 }), () => undefined, 'all', old)
    await set.run(1500)
    const end = set.at(old).bounds().logEndOffset
    assert.equal(markOf(host), end, 'what is cut below was known to be flushed')
    const others = [1, 2, 3].filter((id) => id !== old)
    await set.elected(others)
    await set.produce(clientBatch('kept'))
    host.fileSystem.stopAtOperation(host.fileSystem.counters.mutations + step)
    set.heal()
    await set.run(1500)
    isOver = !host.fileSystem.stopped
    assert.ok(!isOver || step > 5, 'the cut takes several operations')
    set.crash(old, step % 2 === 0 ? { keep: 'none' } : { keep: 'torn', bytes: 0.5 })
    await set.open(old)
    assert.equal(host.failure, null, `step ${step}`)
    await set.level()
    set.assertIdentical()
    assert.deepEqual(host.lost, [], `step ${step}`)
    await set.close()
  }
})
