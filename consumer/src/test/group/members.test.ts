/** Members of a group at a real broker: who reads what, and what is read again. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GroupsService } from '@stratalog/proto'
import { type ConsumerRecord, createConsumer } from '../../index.ts'
import { GroupWorld, range, until } from './group-world.ts'

async function take(records: AsyncIterable<ConsumerRecord>, count: number): Promise<number[]> {
  const values: number[] = []
  for await (const record of records) {
    values.push(Number(record.value))
    if (values.length === count) break
  }
  return values
}

describe('one member', () => {
  it('gets all partitions, commits what it has processed, and the next one goes on behind it', async () => {
    await using world = await GroupWorld.start(2)
    await world.write(0, range(0, 10))
    await world.write(1, range(10, 20))
    const first = await world.join()
    const values: number[] = []
    for await (const record of first.subscription) {
      values.push(Number(record.value))
      if (values.length === 20) {
        await first.subscription.commit(record)
        break
      }
    }
    assert.deepEqual(
      values.toSorted((a, b) => a - b),
      range(0, 20),
    )
    await first.subscription.close()
    assert.deepEqual(await world.committed(2), [10, 10])
    await world.write(0, [20, 21])
    const second = await world.join()
    assert.deepEqual(await take(second.subscription.records(), 2), [20, 21])
  })

  it('does not commit the record that it stopped at, but everything before it', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, range(0, 10))
    const first = await world.join()
    await assert.rejects(async () => {
      for await (const record of first.subscription) if (Number(record.value) === 6) throw new Error('a crash')
    }, /a crash/)
    await first.subscription.close()
    assert.deepEqual(await world.committed(1), [6])
    const second = await world.join()
    assert.deepEqual(await take(second.subscription.records(), 4), range(6, 10))
  })

  it('commits at intervals, and nothing that it is still at', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, range(0, 10))
    const member = await world.join({ autoCommitIntervalMs: 20 })
    const records = member.subscription.records()
    for (let count = 0; count < 5; count++) await records.next()
    await until(async () => (await world.committed(1))[0] === 4, 'four are committed')
    await member.kill()
    const next = await world.join()
    // The one before it is removed when its session ends.
    assert.deepEqual(await take(next.subscription.records(), 6), range(4, 10))
  })

  it('commits by hand: records, offsets with metadata, everything that is processed', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, range(0, 10))
    const { subscription } = await world.join({ autoCommit: false })
    const records = subscription.records()
    const third = [await records.next(), await records.next(), await records.next()].at(-1)!.value!
    await subscription.commit(third)
    assert.deepEqual(await world.committed(1), [3])
    await records.next()
    await records.next()
    await subscription.commit()
    assert.deepEqual(await world.committed(1), [4])
    await subscription.commit({ topic: 't', partition: 0, offset: 7, metadata: 'by hand' })
    const [offset] = await world.client.admin.fetchOffsets('g')
    assert.equal(offset?.offset, 7)
    assert.equal(offset?.metadata, 'by hand')
    assert.equal(subscription.committed({ topic: 't', partition: 0 }), 7)
    const foreign = { topic: 't', partition: 9, offset: 7 }
    await assert.rejects(subscription.commit(foreign), { code: 'PARTITION_NOT_OWNED' })
  })

  it('reads batches and partition streams, which count when the next one is asked for', async () => {
    await using world = await GroupWorld.start(2)
    await world.write(0, range(0, 5))
    await world.write(1, range(5, 10))
    const first = await world.join()
    let count = 0
    for await (const batch of first.subscription.batches()) {
      count += batch.count
      await first.subscription.commit(batch)
      if (count === 10) break
    }
    assert.deepEqual(await world.committed(2), [5, 5])
    await world.write(0, range(10, 13))
    await world.write(1, range(13, 16))
    const values: number[] = []
    const reading: Promise<void>[] = []
    for await (const stream of first.subscription.partitions()) {
      reading.push(
        (async () => {
          for await (const record of stream) values.push(Number(record.value))
        })(),
      )
      if (reading.length === 2) break
    }
    await until(() => values.length === 6, 'all are read')
    await first.subscription.close()
    await Promise.all(reading)
    assert.deepEqual(await world.committed(2), [8, 8])
  })

  it('begins where it says without a committed offset, and commits that place at once', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, range(0, 5))
    const needing = await world.join({ from: 'committed' })
    await assert.rejects(take(needing.subscription.records(), 1), {
      code: 'NO_COMMITTED_OFFSET',
      topic: 't',
      partition: 0,
    })
    await needing.subscription.close()
    const latest = await world.join({ from: 'latest', autoCommitIntervalMs: 3_600_000 })
    await until(async () => (await world.committed(1))[0] === 5, 'the place is committed')
    await latest.kill()
    await world.write(0, [5])
    const next = await world.join({ from: 'latest' })
    assert.deepEqual(await take(next.subscription.records(), 1), [5])
  })

  it('closes within 100 ms of finishing what is in hand', async () => {
    await using world = await GroupWorld.start(4)
    for (const partition of range(0, 4)) await world.write(partition, range(0, 100))
    const member = await world.join()
    let finishedMs = 0
    let begun = false
    const running = member.subscription.run({
      handler: async () => {
        begun = true
        await new Promise((resolve) => setTimeout(resolve, 200))
        finishedMs = performance.now()
      },
    })
    await until(() => begun, 'a record is in hand')
    await member.subscription.close()
    const tookMs = performance.now() - finishedMs
    await running
    assert.ok(tookMs < 100, `closed ${tookMs} ms after the record in hand`)
    const committed = await world.committed(4)
    assert.equal(
      committed.reduce((sum, offset) => sum + Math.max(0, offset), 0),
      1,
    )
    const { members } = await world.client.admin.describeGroup('g')
    assert.deepEqual(members, [])
  })

  it('ends by a signal, in order', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, range(0, 10))
    const ending = new AbortController()
    const { consumer } = await world.join({ group: 'other' }).then(async (member) => {
      await member.subscription.close()
      return member
    })
    const subscription = await consumer.subscribe(
      { group: 'g', topics: ['t'], from: 'earliest' },
      { signal: ending.signal },
    )
    const records = subscription.records()
    await records.next()
    await records.next()
    ending.abort()
    await assert.rejects(records.next(), { code: 'CANCELLED' })
    await subscription.close()
    assert.deepEqual(await world.committed(1), [2])
  })
})

describe('several members', () => {
  it('share the partitions, hand over what moves, and read everything once', async () => {
    await using world = await GroupWorld.start(6)
    const seen = new Map<string, number>()
    const handler = (record: ConsumerRecord): void => {
      const place = `${record.partition}/${record.offset}`
      seen.set(place, (seen.get(place) ?? 0) + 1)
    }
    let next = 0
    const writing = setInterval(() => void world.write(next++ % 6, [next]).catch(() => {}), 5)
    try {
      const first = await world.join()
      const running = [first.subscription.run({ handler })]
      await until(() => first.owned.length === 6, 'the first one has all')
      const second = await world.join()
      running.push(second.subscription.run({ handler }))
      await until(() => first.owned.length === 3 && second.owned.length === 3, 'two share')
      const third = await world.join()
      running.push(third.subscription.run({ handler }))
      const three = [first, second, third]
      await until(() => three.every(({ owned }) => owned.length === 2), 'three share')
      assert.equal(new Set(three.flatMap(({ owned }) => owned)).size, 6)
      await second.subscription.close()
      await until(() => first.owned.length === 3 && third.owned.length === 3, 'two share again')
      clearInterval(writing)
      await until(() => seen.size === next, `all ${next} are read`)
      await first.subscription.close()
      await third.subscription.close()
      await Promise.all(running)
    } finally {
      clearInterval(writing)
    }
    // Moves in order read nothing twice.
    assert.deepEqual(
      [...seen.values()].filter((count) => count !== 1),
      [],
    )
    assert.equal(
      (await world.committed(6)).reduce((sum, offset) => sum + offset, 0),
      next,
    )
  })

  it('take over from one that was killed, from where it had committed', async () => {
    await using world = await GroupWorld.start(2)
    await world.write(0, range(0, 10))
    await world.write(1, range(0, 10))
    const first = await world.join({ sessionTimeoutMs: 1_000, autoCommitIntervalMs: 20 })
    await until(() => first.owned.length === 2, 'the first one has all')
    const second = await world.join({ autoCommitIntervalMs: 20 })
    await until(() => first.owned.length === 1 && second.owned.length === 1, 'they share')
    const records = first.subscription.records()
    for (let count = 0; count < 10; count++) await records.next()
    const its = first.subscription.assignment[0]!.partition
    await until(async () => (await world.committed(2))[its] === 9, 'all but the one in hand is committed')
    await first.kill()
    await until(() => second.owned.length === 2, 'it has all')
    const values = await take(second.subscription.records(), 11)
    assert.deepEqual(
      values.toSorted((a, b) => a - b),
      [...range(0, 9), 9, 9],
    )
  })

  it('that are static keep their partitions across a restart', async () => {
    await using world = await GroupWorld.start(4)
    const lost: string[] = []
    const onRevoked = (): void => void lost.push('revoked')
    const stays = await world.join({ instanceId: 'stays', onRevoked })
    const restarts = await world.join({ instanceId: 'restarts' })
    await until(() => stays.owned.length === 2 && restarts.owned.length === 2, 'two share')
    const before = restarts.owned
    lost.length = 0
    await restarts.subscription.close()
    const again = await world.join({ instanceId: 'restarts' })
    await until(() => again.owned.length === 2, 'it is back')
    assert.deepEqual(again.owned, before)
    assert.deepEqual(lost, [])
  })

  it('that were removed lose their partitions, and join again', async () => {
    await using world = await GroupWorld.start(2)
    await world.write(0, range(0, 3))
    const events: string[] = []
    const member = await world.join({
      autoCommitIntervalMs: 3_600_000,
      onAssigned: (partitions) => void events.push(`assigned ${partitions.length}`),
      onRevoked: (partitions) => void events.push(`revoked ${partitions.length}`),
      onLost: (partitions, { code }) => void events.push(`lost ${partitions.length} ${code}`),
    })
    await until(() => events.length === 1, 'it has partitions')
    const records = member.subscription.records()
    await records.next()
    await records.next()
    // Somebody else says that it leaves.
    const { memberId } = member.subscription
    await world.client.groups.call('g', GroupsService.heartbeat, { groupId: 'g', memberId, memberEpoch: -1 })
    await until(() => events.length === 3, 'it has them again')
    assert.deepEqual(events, ['assigned 2', 'lost 2 UNKNOWN_MEMBER_ID', 'assigned 2'])
    // What it had processed without committing comes again: it could not commit as a member that it no longer was.
    const { value } = await records.next()
    assert.equal(Number(value?.value), 0)
  })

  it('seek in onAssigned before the first record, and end with what it throws', async () => {
    await using world = await GroupWorld.start(1)
    await world.write(0, range(0, 10))
    const seeking = await world.join({
      onAssigned: async ([place], control) => {
        assert.equal(control.position(place!), 0)
        await control.seek(place!, { offset: 8 })
      },
    })
    assert.deepEqual(await take(seeking.subscription.records(), 2), [8, 9])
    await seeking.subscription.close()
    const failing = await world.join({ onAssigned: () => Promise.reject(new Error('no room')) })
    await assert.rejects(take(failing.subscription.records(), 1), /onAssigned failed: no room/)
    await failing.subscription.close()
    assert.equal(failing.consumer.subscription, null)
  })

  it('stay through a restart of the broker, and go on where they were', async () => {
    await using world = await GroupWorld.start(2)
    const events: string[] = []
    const member = await world.join({
      autoCommitIntervalMs: 20,
      onAssigned: () => void events.push('assigned'),
      onLost: () => void events.push('lost'),
    })
    const seen: number[] = []
    const running = member.subscription.run({ handler: (record) => void seen.push(Number(record.value)) })
    await world.write(0, range(0, 10))
    await until(() => seen.length === 10, 'all before the restart')
    await world.broker.restart()
    await world.write(1, range(10, 20))
    await until(async () => (await world.committed(2)).join() === '10,10', 'all is committed')
    assert.deepEqual(seen, range(0, 20))
    assert.deepEqual(events, ['assigned'])
    await member.subscription.close()
    await running
  })

  it('can be closed while they join', async () => {
    await using world = await GroupWorld.start(1)
    await world.broker.stop()
    const consumer = createConsumer({ bootstrap: world.broker.bootstrap })
    for (const from of ['latest', 'earliest'] as const) {
      const joining = assert.rejects(consumer.subscribe({ group: 'g', topics: ['t'], from }), { code: 'CLIENT_CLOSED' })
      await new Promise((resolve) => setImmediate(resolve))
      const closing = consumer.subscription?.close()
      await joining
      await closing
    }
    await consumer.close()
    await world.broker.restart()
  })
})

describe('a subscription by pattern', () => {
  it('follows topics that appear and partitions that are added', async () => {
    await using world = await GroupWorld.start(0)
    await world.client.admin.createTopic({ name: 'orders-eu', partitionCount: 1 })
    await world.client.admin.createTopic({ name: 'other', partitionCount: 1 })
    const member = await world.join({ topicPattern: 'orders-.*', from: 'latest' })
    await until(() => member.owned.join() === 'orders-eu-0', 'the first topic')
    await world.client.admin.createTopic({ name: 'orders-us', partitionCount: 1 })
    // Written before the member has heard of it: later than its subscription all the same.
    await world.write(0, ['first'], 'orders-us')
    await until(() => member.owned.join() === 'orders-eu-0,orders-us-0', 'the new topic')
    for await (const record of member.subscription) {
      assert.equal(String(record.value), 'first')
      break
    }
    await world.client.admin.addPartitions('orders-eu', 3)
    await until(() => member.owned.length === 4, 'the new partitions')
    await world.client.admin.deleteTopic('orders-us')
    await until(() => member.owned.join() === 'orders-eu-0,orders-eu-1,orders-eu-2', 'the topic that is left')
    assert.equal(member.subscription.closed, false)
  })

  it('is refused when it is invalid', async () => {
    await using world = await GroupWorld.start(0)
    await assert.rejects(world.join({ topicPattern: '(' }), { code: 'INVALID_REGULAR_EXPRESSION' })
    await assert.rejects(world.join({ topicPattern: 'x'.repeat(1_001) }), /1,?000/)
    await assert.rejects(world.join({ group: '' }), { code: 'INVALID_REQUEST' })
    await assert.rejects(world.join({ group: 'x'.repeat(256) }), { code: 'INVALID_REQUEST' })
  })
})
