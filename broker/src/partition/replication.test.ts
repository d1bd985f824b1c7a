import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientBatch } from '../testing/client-batches.ts'
import { ReplicaSet } from '../testing/replica-set.ts'
import { labelsIn } from '../testing/set-workload.ts'
import type { ProduceOutcome } from './produce-outcome.ts'

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

test('what a deposed leader wrote alone is cut off, down to the right batch and never below its high watermark', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  await set.produce(clientBatch('committed', { recordCount: 3 }))
  await set.level()
  set.isolate(1)
  const outcomes: ProduceOutcome[] = []
  for (let i = 0; i < 4; i++) {
    set.send(clientBatch(`alone${i}`, { recordCount: 5 }), (outcome) => outcomes.push(outcome), 'all', 1)
  }
  await set.deliver()
  assert.deepEqual([set.at(1).bounds().logEndOffset, set.at(1).bounds().highWatermark], [23, 3])
  await set.elected([2, 3])
  await set.until(() => outcomes.length === 4, 'the deposed leader tells its producers')
  assert.ok(outcomes.every((outcome) => outcome.kind === 'error' && outcome.error.code === 'NOT_LEADER_OR_FOLLOWER'))
  assert.ok(outcomes.every((outcome) => outcome.kind === 'error' && outcome.error.retriable))
  await set.produce(clientBatch('new', { recordCount: 2 }))
  set.heal()
  await set.level()
  set.assertIdentical()
  assert.deepEqual(
    [...(await labelsIn(set.at(1))).values()],
    ['committed', 'committed-1', 'committed-2', 'new', 'new-1'],
  )
  await set.close()
})

test('the same after a restart, when the boundaries of old batches are not in memory', async () => {
  for (const batchCount of [3, 1500]) {
    const set = await ReplicaSet.start({ brokerIds: [1, 2, 3], tailBytes: 0 })
    await set.elected()
    await set.produce(clientBatch('committed', { recordCount: 3 }))
    await set.level()
    set.isolate(1)
    for (let i = 0; i < batchCount; i++) set.send(clientBatch(`alone${i}`), () => undefined, 'all', 1)
    await set.run(100)
    await set.elected([2, 3])
    for (let i = 0; i < 5; i++) await set.produce(clientBatch(`new${i}`, { recordCount: 2 }))
    set.crash(1, { keep: 'none' })
    set.heal()
    await set.open(1)
    await set.level()
    set.assertIdentical()
    await set.close()
  }
})

test('a flush that ends after its batches were cut and others written acknowledges nothing', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  await set.produce(clientBatch('committed'))
  await set.level()
  set.isolate(1)
  const release = set.host(1).fileSystem.holdSyncs()
  let outcome: ProduceOutcome | null = null
  set.send(clientBatch('alone', { recordCount: 4 }), (answer) => (outcome = answer), 'all', 1)
  await set.elected([2, 3])
  await set.produce(clientBatch('new', { recordCount: 4 }))
  set.heal()
  // Only 1 and 2 are left to make a majority; 1 has the new batch in memory, and on disk still the old one.
  const leaderId = set.leaderId!
  const other = leaderId === 2 ? 3 : 2
  set.isolate(other)
  await set.run(500)
  const { highWatermark } = set.at(leaderId).bounds()
  let second: ProduceOutcome | null = null
  set.send(clientBatch('second'), (answer) => (second = answer), 'all', leaderId)
  await set.run(500)
  assert.equal(second, null, 'the sync of 1 is still held')
  assert.equal(set.at(leaderId).bounds().highWatermark, highWatermark)
  assert.equal(outcome!.kind, 'error')
  release()
  await set.until(() => second !== null, 'the second batch')
  set.heal()
  await set.level()
  set.assertIdentical()
  await set.close()
})

test('after a failover the new leader knows the last five batches of each producer, and nothing that was cut', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  const batch = (sequence: number) => clientBatch(`s${sequence}`, { producerId: 7, baseSequence: sequence })
  for (let sequence = 0; sequence < 8; sequence++) await set.produce(batch(sequence))
  await set.level()
  // The old leader takes five more that nobody else gets: they push all older ones out of five.
  set.isolate(1)
  for (let sequence = 8; sequence < 13; sequence++) set.send(batch(sequence), () => undefined, 'all', 1)
  await set.elected([2, 3])
  for (let sequence = 3; sequence < 8; sequence++) {
    const outcome = await set.produce(batch(sequence))
    assert.deepEqual([outcome.kind, outcome.kind === 'ok' && outcome.duplicate], ['ok', true])
  }
  const gap = await set.produce(batch(9))
  assert.equal(gap.kind === 'error' && gap.error.code, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  set.heal()
  await set.level()
  // The same of the old leader, once it leads again.
  const transfer = set.at(set.leaderId!).transferLeadership(1)
  assert.equal(transfer.kind, 'started')
  await set.elected([1])
  const again = await set.produce(batch(9))
  assert.equal(again.kind === 'error' && again.error.code, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  const duplicate = await set.produce(batch(7))
  assert.equal(duplicate.kind === 'ok' && duplicate.duplicate, true)
  const next = await set.produce(batch(8))
  assert.equal(next.kind === 'ok' && !next.duplicate, true)
  await set.level()
  set.assertIdentical()
  await set.close()
})

test('a leader that is asked to hands over within a round trip; no batch is lost', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  await set.produce(clientBatch('a'))
  await set.level()
  set.at(2).transferLeadership(3)
  await set.deliver()
  await set.deliver()
  assert.equal(set.leaderId, 3)
  assert.equal((await set.produce(clientBatch('b'))).kind, 'ok')
  await set.close()
})

test('several elections without a batch, then batches: epochs agree on all copies', async () => {
  for (let elections = 2; elections <= 5; elections++) {
    const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
    await set.elected()
    for (let i = 0; i < elections; i++) {
      const next = (set.leaderId! % 3) + 1
      set.at(set.leaderId!).transferLeadership(next)
      await set.elected([next])
      if (i % 2 === 1) {
        set.crash(next, { keep: 'none' })
        await set.elected([1, 2, 3].filter((id) => id !== next))
        await set.open(next)
      }
    }
    for (let i = 0; i < 3; i++) await set.produce(clientBatch(`b${i}`))
    await set.level()
    set.assertIdentical()
    for (const brokerId of [1, 2, 3]) await set.stop(brokerId)
    const stored = [1, 2, 3].map((brokerId) => set.epochFile(brokerId))
    assert.equal(new Set(stored).size, 1, stored.join('; '))
  }
})

test('an idle group goes silent, and looks after itself when its leader is gone', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  await set.produce(clientBatch('a'))
  await set.run(10_000)
  assert.equal(set.clock.alarmCount, 0, 'nobody ticks')
  set.crash(set.leaderId!, { keep: 'none' })
  await set.elected()
  assert.equal((await set.produce(clientBatch('b'))).kind, 'ok')
  await set.close()
})

test('a deposed leader that does not know it yet refuses nothing for good', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  const batch = (sequence: number) => clientBatch(`s${sequence}`, { producerId: 7, baseSequence: sequence })
  await set.produce(batch(0))
  await set.level()
  // The others elect a leader before the old one has missed them for long.
  set.isolate(1)
  set.at(2).peerLost(1)
  set.at(3).peerLost(1)
  await set.until(
    () => set.at(1).bounds().leaderEpoch < Math.max(...[2, 3].map((id) => set.at(id).bounds().leaderEpoch)),
    'a new leader',
  )
  const newLeader = await set.elected([2, 3])
  await set.produce(batch(1))
  await set.produce(batch(2))
  assert.equal(set.at(1).state().kind, 'serving')
  const outcomes: ProduceOutcome[] = []
  set.send(batch(3), (outcome) => outcomes.push(outcome), 'all', 1)
  await set.until(() => outcomes.length === 1, 'an answer of the deposed leader')
  const [outcome] = outcomes
  assert.equal(outcome?.kind === 'error' && outcome.error.code, 'NOT_LEADER_OR_FOLLOWER')
  assert.equal(newLeader.state().kind, 'serving')
  await set.close()
})

test('a gap is refused for good once it is certain who leads, in its turn', async () => {
  const set = await ReplicaSet.start({ brokerIds: [1, 2, 3] })
  await set.elected()
  const batch = (sequence: number) => clientBatch(`s${sequence}`, { producerId: 7, baseSequence: sequence })
  const outcomes: string[] = []
  const note = (outcome: ProduceOutcome) => outcomes.push(outcome.kind === 'ok' ? 'ok' : outcome.error.code)
  for (const sequence of [0, 5, 1]) set.send(batch(sequence), note)
  assert.deepEqual(outcomes, [])
  await set.until(() => outcomes.length === 3, 'answers')
  assert.deepEqual(outcomes, ['ok', 'OUT_OF_ORDER_SEQUENCE_NUMBER', 'ok'])
  await set.close()
})
