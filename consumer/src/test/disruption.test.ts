/** Reading from a real broker while things happen: restarts, deletions, retention, seeks, pauses, aborts, closes. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '@stratalog/broker/testing'
import { type Client, createClient, isStratalogError } from '@stratalog/client'
import { createConsumer, type ResetEvent, type Subscription } from '../index.ts'
import { numbered, produceRaw } from './raw-produce.ts'
import { nextEvent } from './scripted-broker.ts'

const MIB = 1024 * 1024
const FIRST = { topic: 't', partition: 0 }
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

/** A broker with topic `t`, and a client of it. */
class World implements AsyncDisposable {
  readonly broker: TestBroker
  readonly client: Client

  constructor(broker: TestBroker) {
    this.broker = broker
    this.client = createClient({ bootstrap: broker.bootstrap, connectTimeoutMs: 1_000 })
  }

  static async start(configs: Record<string, string> = {}, options: TestBrokerOptions = {}): Promise<World> {
    const world = new World(await startTestBroker(options))
    await world.client.admin.createTopic({ name: 't', partitionCount: 1, configs })
    return world
  }

  async write(from: number, count: number, batchCount = 1): Promise<void> {
    const batches = range(0, batchCount).map((index) => numbered(from + index * count, count))
    await produceRaw(this.client, { topic: 't', batches })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close()
    await this.broker[Symbol.asyncDispose]()
  }
}

async function read(subscription: Subscription, count: number): Promise<number[]> {
  const values: number[] = []
  for await (const record of subscription.records({ signal: AbortSignal.timeout(15_000) })) {
    values.push(Number(record.value))
    if (values.length === count) break
  }
  return values
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 10_000
  while (!(await condition())) {
    assert.ok(performance.now() < deadlineMs, 'the condition did not come to hold')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('a broker that restarts', () => {
  it('is read on without loss or repetition', async () => {
    await using world = await World.start()
    await world.write(0, 100, 10)
    await using consumer = createConsumer(world.client, { prefetchBytesMax: 4_000 })
    const subscription = await consumer.assign({ topics: ['t'], from: 'earliest' })
    const values = await read(subscription, 250)
    await world.broker.restart()
    values.push(...(await read(subscription, 750)))
    const rest = read(subscription, 200)
    await world.broker.restart()
    await world.write(1_000, 100, 2)
    values.push(...(await rest))
    assert.deepEqual(values, range(0, 1_200))
  })

  it('leaves control batches that bounded reads end over, and that readers pass', async () => {
    await using world = await World.start()
    for (let start = 0; start < 3; start++) {
      await world.write(start * 10, 10)
      await world.broker.restart()
    }
    await using consumer = createConsumer(world.client)
    const bounded = await consumer.assign({ topics: ['t'], from: 'earliest', until: 'end' })
    assert.deepEqual(await read(bounded, 1_000), range(0, 30))
    await bounded.close()
    const followed = await consumer.assign({ topics: ['t'], from: 'earliest' })
    const values = await read(followed, 30)
    // Stands behind the control batch at the end now: a reconnect there must not be taken for a cut log.
    await until(() => followed.lag() === 0)
    await world.broker.restart()
    await world.write(30, 10)
    values.push(...(await read(followed, 10)))
    assert.deepEqual(values, range(0, 40))
  })

  it('is waited for when it is down at first', async () => {
    await using world = await World.start()
    await world.write(0, 10)
    await world.broker.stop()
    await using consumer = createConsumer(world.client)
    const assigning = consumer.assign({ topics: ['t'], from: 'earliest' })
    await world.broker.restart()
    assert.deepEqual(await read(await assigning, 10), range(0, 10))
  })
})

describe('a topic that changes under the reader', () => {
  it('is an error when it is deleted, behind what was read', async () => {
    await using world = await World.start()
    await world.write(0, 10)
    await using consumer = createConsumer(world.client)
    const subscription = await consumer.assign({ topics: ['t'], from: 'earliest' })
    assert.deepEqual(await read(subscription, 10), range(0, 10))
    const ended = assert.rejects(read(subscription, 1), (error) => {
      assert.ok(isStratalogError(error))
      assert.equal(error.topic, 't')
      return error.code === 'UNKNOWN_TOPIC_OR_PARTITION' || error.code === 'UNKNOWN_TOPIC_ID'
    })
    await world.client.admin.deleteTopic('t')
    await ended
  })

  it('can be read anew when it was created again', async () => {
    await using world = await World.start()
    await world.write(0, 10)
    await using consumer = createConsumer(world.client)
    const old = await consumer.assign({ topics: ['t'], from: 'earliest' })
    await read(old, 10)
    await world.client.admin.deleteTopic('t')
    await assert.rejects(read(old, 1), { topic: 't' })
    await old.close()
    await world.client.admin.createTopic({ name: 't', partitionCount: 1 })
    await world.client.metadata.refresh(['t'])
    await world.write(100, 5)
    const subscription = await consumer.assign({ topics: ['t'], from: 'earliest' })
    assert.deepEqual(await read(subscription, 5), range(100, 105))
  })
})

describe('an offset that does not exist', () => {
  it('is an error that says what was asked and what exists, at assign and after a seek', async () => {
    await using world = await World.start()
    await world.write(0, 10)
    await using consumer = createConsumer(world.client)
    await assert.rejects(consumer.assign({ topics: ['t'], from: { offset: 500 } }), {
      code: 'OFFSET_OUT_OF_RANGE',
      message: /offset 500 of t-0 was asked for; 0\.\.10 can be/,
    })
    const subscription = await consumer.assign({ topics: ['t'], from: 'latest' })
    await subscription.seek(FIRST, { offset: 99 })
    await assert.rejects(read(subscription, 1), { code: 'OFFSET_OUT_OF_RANGE', message: /offset 99 of t-0/ })
    await subscription.seek(FIRST, { offset: 8 })
    assert.deepEqual(await read(subscription, 2), [8, 9])
  })

  it('is passed under a policy, with an event', async () => {
    await using world = await World.start()
    await world.write(0, 10)
    for (const onOutOfRange of ['earliest', 'latest'] as const) {
      await using consumer = createConsumer(world.client, { onOutOfRange })
      const subscription = await consumer.assign({ topics: ['t'], from: { offset: 500 } })
      const { from, to, error } = await nextEvent<ResetEvent>(subscription, 'reset')
      assert.deepEqual([from, to, error.code], [500, onOutOfRange === 'earliest' ? 0 : 10, 'OFFSET_OUT_OF_RANGE'])
      const again = nextEvent<ResetEvent>(subscription, 'reset')
      await subscription.seek(FIRST, { offset: 77 })
      assert.equal((await again).from, 77)
      await subscription.close()
    }
  })

  it('may be one that retention took from a slow reader', async () => {
    const small = { 'segment.bytes': String(MIB), 'retention.bytes': String(MIB) }
    await using world = await World.start(small, { settings: { 'retention.check.ms': 100 } })
    await using consumer = createConsumer(world.client, { prefetchBytesMax: 1 })
    await world.write(0, 1)
    const subscription = await consumer.assign({ topics: ['t'], from: 'earliest' })
    await read(subscription, 1)
    subscription.pause(FIRST)
    const value = Buffer.alloc(100_000)
    const batches = range(0, 60).map(() => [{ value, timestamp: Date.now() }])
    await produceRaw(world.client, { topic: 't', batches })
    const query = [{ ...FIRST, position: 'earliest' as const }]
    await until(async () => ((await world.client.admin.listOffsets(query))[0]?.offset ?? 0) > 10)
    subscription.resume(FIRST)
    await assert.rejects(read(subscription, 60), { code: 'OFFSET_OUT_OF_RANGE', message: /retention has removed/ })
  })
})

describe('an application in control', () => {
  it('pauses, resumes and seeks, by offset, time and anchor', async () => {
    await using world = await World.start()
    await world.write(0, 10, 5)
    await using consumer = createConsumer(world.client)
    const subscription = await consumer.assign({ topics: ['t'], from: 'earliest' })
    assert.deepEqual(await read(subscription, 5), range(0, 5))
    subscription.pause(FIRST)
    const waiting = read(subscription, 3)
    const winner = await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 50, 'still waiting'))])
    assert.equal(winner, 'still waiting')
    subscription.resume(FIRST)
    assert.deepEqual(await waiting, range(5, 8))
    await subscription.seek(FIRST, { timestamp: 30_000 })
    assert.deepEqual(await read(subscription, 2), [30, 31])
    await subscription.seek(FIRST, 'earliest')
    assert.deepEqual(await read(subscription, 1), [0])
    await subscription.seek(FIRST, 'latest')
    await world.write(50, 1)
    assert.deepEqual(await read(subscription, 1), [50])
    await Promise.all([subscription.seek(FIRST, 'earliest'), subscription.seek(FIRST, { offset: 20 })])
    assert.deepEqual(await read(subscription, 1), [20], 'the last seek holds')
    await assert.rejects(subscription.seek({ topic: 't', partition: 3 }, 'earliest'), { code: 'INVALID_REQUEST' })
  })

  it('aborts anything with a signal', async () => {
    await using world = await World.start()
    await using consumer = createConsumer(world.client)
    await assert.rejects(consumer.assign({ topics: ['t'], from: 'latest' }, { signal: AbortSignal.abort() }), {
      code: 'CANCELLED',
    })
    const controller = new AbortController()
    const subscription = await consumer.assign({ topics: ['t'], from: 'latest' }, { signal: controller.signal })
    await assert.rejects(subscription.seek(FIRST, 'earliest', { signal: AbortSignal.abort() }), { code: 'CANCELLED' })
    const waiting = subscription.records().next()
    controller.abort()
    await assert.rejects(waiting, { code: 'CANCELLED' })
    assert.equal(subscription.closed, true)
    assert.equal(consumer.subscription, null)
  })

  it('closes within 100 ms while waiting for records, and iterations end in order', async () => {
    await using world = await World.start()
    const consumer = createConsumer({ bootstrap: world.broker.bootstrap })
    const subscription = await consumer.assign({ topics: ['t'], from: 'latest' })
    const waiting = [subscription.records().next(), subscription.batches().next()]
    await nextEvent(subscription, 'connected')
    const startedMs = performance.now()
    await consumer.close()
    for (const { done } of await Promise.all(waiting)) assert.equal(done, true)
    assert.ok(performance.now() - startedMs < 100)
  })

  it('holds no more than its budget while it is slow', async () => {
    await using world = await World.start()
    const value = Buffer.alloc(50_000, 1)
    const batches = range(0, 200).map(() => range(0, 4).map((index) => ({ value, timestamp: index })))
    await produceRaw(world.client, { topic: 't', batches })
    const batchBytes = 4 * 50_000 + 200
    await using consumer = createConsumer(world.client, { prefetchBytesMax: 4 * batchBytes })
    const subscription = await consumer.assign({ topics: ['t'], from: 'earliest', until: 'end' })
    let largest = 0
    let count = 0
    for await (const batch of subscription.batches()) {
      count += batch.count
      await new Promise((resolve) => setTimeout(resolve, 1))
      largest = Math.max(largest, subscription.bufferedBytes)
    }
    assert.equal(count, 800)
    assert.ok(largest > 0 && largest <= 5 * batchBytes, `${largest} bytes were buffered`)
  })
})
