import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, it } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import {
  type Consumer,
  type ConsumerOptions,
  createConsumer,
  type ResetEvent,
  type StalledEvent,
  type Subscription,
} from './index.ts'
import { buildLog, dataOffsets } from './test/log-model.ts'
import { nextEvent, ScriptedBroker } from './test/scripted-broker.ts'

const ALL = { topics: ['t'], from: 'earliest' } as const

function consumerOf(broker: ScriptedBroker, options: ConsumerOptions = {}): Consumer {
  return createConsumer({ bootstrap: broker.bootstrap, requestTimeoutMs: 5_000, connectTimeoutMs: 1_000 }, options)
}

async function read(subscription: Subscription, count: number): Promise<number[]> {
  const offsets: number[] = []
  for await (const record of subscription.records({ signal: AbortSignal.timeout(10_000) })) {
    offsets.push(record.offset)
    if (offsets.length === count) break
  }
  return offsets
}

/** Waits until `condition` holds; fails after five seconds. */
async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 5_000
  while (!condition()) {
    assert.ok(performance.now() < deadlineMs, 'the condition did not come to hold')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('a fetcher', () => {
  it('reads to the end through control batches and gaps, and leaves no stream behind', async () => {
    const log = buildLog([{ data: 3 }, 'control', { data: 2 }, { gap: 4 }, { data: 1 }, 'control'])
    await using broker = await ScriptedBroker.start([log, []])
    await using consumer = consumerOf(broker)
    const subscription = await consumer.assign({ ...ALL, until: 'end' })
    const offsets: number[] = []
    for await (const record of subscription) offsets.push(record.offset)
    assert.deepEqual(offsets, dataOffsets(log))
    await subscription.close()
    await until(() => broker.openStreams === 0)
  })

  it('resumes behind what it has after a lost stream, telling the epoch of its last record', async () => {
    const log = buildLog(Array.from({ length: 30 }, () => ({ data: 4, valueBytes: 100 })))
    await using broker = await ScriptedBroker.start([log])
    await using consumer = consumerOf(broker, { prefetchBytesMax: 2_000 })
    const subscription = await consumer.assign(ALL)
    const offsets = await read(subscription, 50)
    const lost = nextEvent(subscription, 'disconnected')
    broker.dropStreams(new StratalogError('SHUTTING_DOWN'))
    await lost
    offsets.push(...(await read(subscription, 70)))
    assert.deepEqual(offsets, dataOffsets(log))
    assert.equal(broker.streamsOpened, 2)
    assert.equal(broker.starts.at(-1)?.lastEpoch, 1)
  })

  it('goes to the broker that leads, also when an error names it', async () => {
    const log = buildLog([{ data: 5 }])
    await using follower = await ScriptedBroker.start([log])
    await using leader = await ScriptedBroker.start([log])
    follower.startFault = () =>
      new StratalogError('NOT_LEADER_OR_FOLLOWER', undefined, {
        leader: { leaderId: 2, leaderEpoch: 9, host: '127.0.0.1', port: leader.port },
      })
    await using consumer = consumerOf(follower)
    const subscription = await consumer.assign(ALL)
    follower.leaderPort = leader.port
    assert.deepEqual(await read(subscription, 5), [0, 1, 2, 3, 4])
    assert.equal(leader.starts.length, 1)
  })

  it('does not wait for a leader that cannot be connected to when there is another one', async () => {
    const mute = createServer((socket) => socket.on('error', () => {}).resume())
    mute.listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const log = buildLog([{ data: 5 }])
    await using broker = await ScriptedBroker.start([log])
    await using consumer = createConsumer({ bootstrap: broker.bootstrap, connectTimeoutMs: 60_000 })
    const subscription = await consumer.assign(ALL)
    broker.leaderPort = (mute.address() as AddressInfo).port
    broker.leaderEpoch = 2
    broker.dropStreams(new StratalogError('NETWORK_EXCEPTION'))
    await once(mute, 'connection')
    const startedMs = performance.now()
    broker.leaderPort = broker.port
    broker.leaderEpoch = 3
    assert.deepEqual(await read(subscription, 5), [0, 1, 2, 3, 4])
    assert.ok(performance.now() - startedMs < 10_000)
    mute.close()
  })

  it('waits for a new leader that does not know yet what is committed', async () => {
    const log = buildLog([{ data: 5 }])
    await using broker = await ScriptedBroker.start([log])
    let refusals = 0
    broker.startFault = () => (refusals++ < 3 ? new StratalogError('OFFSET_NOT_AVAILABLE') : null)
    await using consumer = consumerOf(broker, { onOutOfRange: 'earliest' })
    const subscription = await consumer.assign({ topics: ['t'], from: { offset: 3 } })
    assert.deepEqual(await read(subscription, 2), [3, 4])
    assert.deepEqual(
      broker.starts.map(({ offset }) => offset),
      [3, 3, 3, 3],
    )
  })

  it('retries with growing waits while a partition is refused, without a storm', async () => {
    const log = buildLog([{ data: 5 }])
    await using broker = await ScriptedBroker.start([log])
    let refusals = 0
    broker.startFault = () => (refusals++ < 5 ? new StratalogError('LEADER_NOT_AVAILABLE') : null)
    await using consumer = consumerOf(broker)
    const subscription = await consumer.assign(ALL)
    const startedMs = performance.now()
    await read(subscription, 5)
    assert.equal(broker.starts.length, 6)
    assert.ok(performance.now() - startedMs > 25 + 50 + 100 + 200, 'backed off')
    assert.equal(broker.streamsOpened, 1)
    assert.ok(broker.describeCalls <= 6, `${broker.describeCalls} metadata calls`)
  })

  it('reconnects when a broker falls silent, and says so', async () => {
    const log = buildLog([{ data: 5 }])
    await using broker = await ScriptedBroker.start([log])
    broker.isSilent = true
    await using consumer = consumerOf(broker, { stallTimeoutMs: 200 })
    const subscription = await consumer.assign(ALL)
    const reading = read(subscription, 5)
    const stalled = await nextEvent<StalledEvent>(subscription, 'stalled')
    assert.equal(stalled.broker, broker.bootstrap)
    assert.deepEqual(stalled.partitions, [{ topic: 't', partition: 0 }])
    assert.equal(stalled.error.code, 'STALLED')
    broker.isSilent = false
    assert.deepEqual(await reading, [0, 1, 2, 3, 4])
    assert.ok(broker.streamsOpened >= 2)
  })

  it('says so when a partition is refused for long, however often it is tried', async () => {
    await using broker = await ScriptedBroker.start([buildLog([{ data: 5 }])])
    broker.startFault = () => new StratalogError('LEADER_NOT_AVAILABLE')
    await using consumer = consumerOf(broker, { stallTimeoutMs: 2_500 })
    const subscription = await consumer.assign(ALL)
    const stalled = await nextEvent<StalledEvent>(subscription, 'stalled')
    assert.deepEqual(stalled.partitions, [{ topic: 't', partition: 0 }])
    assert.equal((stalled.error.cause as StratalogError).code, 'LEADER_NOT_AVAILABLE')
  })

  it('ends with the error when the topic is gone, after what was read of it', async () => {
    const log = buildLog([{ data: 5 }])
    await using broker = await ScriptedBroker.start([log])
    await using consumer = consumerOf(broker)
    const subscription = await consumer.assign(ALL)
    await until(() => broker.starts.length > 0)
    broker.topicExists = false
    broker.startFault = () => new StratalogError('UNKNOWN_TOPIC_OR_PARTITION')
    broker.dropStreams(new StratalogError('NETWORK_EXCEPTION'))
    const rest = read(subscription, 6)
    await assert.rejects(rest, { code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 't' })
    assert.equal(subscription.position({ topic: 't', partition: 0 }), 5)
  })

  it('does not mistake a recreated topic for the old one', async () => {
    const log = buildLog([{ data: 5 }])
    for (const onOutOfRange of ['fail', 'earliest'] as const) {
      await using broker = await ScriptedBroker.start([log])
      await using consumer = consumerOf(broker, { onOutOfRange })
      const subscription = await consumer.assign(ALL)
      await read(subscription, 5)
      broker.topicId = Buffer.alloc(16, 2)
      const next = read(subscription, 1)
      const reset = onOutOfRange === 'fail' ? null : nextEvent<ResetEvent>(subscription, 'reset')
      broker.dropStreams(new StratalogError('NETWORK_EXCEPTION'))
      if (reset === null) {
        await assert.rejects(next, { code: 'UNKNOWN_TOPIC_ID' })
      } else {
        const { from, to, error } = await reset
        assert.deepEqual([from, to, error.code], [5, 0, 'UNKNOWN_TOPIC_ID'])
        assert.deepEqual(await next, [0])
      }
    }
  })

  it('fails a partition on an error that waiting does not mend, and tries again after a seek', async () => {
    await using broker = await ScriptedBroker.start([buildLog([{ data: 5 }])])
    broker.startFault = () => new StratalogError('PARTITION_DAMAGED')
    await using consumer = consumerOf(broker)
    const subscription = await consumer.assign(ALL)
    await assert.rejects(read(subscription, 1), { code: 'PARTITION_DAMAGED', topic: 't', partition: 0 })
    await assert.rejects(read(subscription, 1), { code: 'PARTITION_DAMAGED' })
    broker.startFault = () => null
    await subscription.seek({ topic: 't', partition: 0 }, { offset: 2 })
    assert.deepEqual(await read(subscription, 3), [2, 3, 4])
  })

  it('ends with CLIENT_CLOSED when the client is closed under it', async () => {
    await using broker = await ScriptedBroker.start([buildLog([{ data: 1 }])])
    await using consumer = consumerOf(broker)
    const subscription = await consumer.assign(ALL)
    await read(subscription, 1)
    const waiting = read(subscription, 1)
    await consumer.client.close()
    await assert.rejects(waiting, { code: 'CLIENT_CLOSED' })
    assert.equal(subscription.closed, true)
  })
})
