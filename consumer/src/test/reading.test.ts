/** Reading from a real broker: where to begin and end, what records carry, the views. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startTestBroker, type TestBroker } from '@stratalog/broker/testing'
import { type Client, createClient } from '@stratalog/client'
import type { CompressionName } from '@stratalog/proto/records'
import {
  type AssignOptions,
  type Consumer,
  type ConsumerOptions,
  createConsumer,
  stringDeserializer,
} from '../index.ts'
import { numbered, produceRaw } from './raw-produce.ts'

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

describe('reading from a broker', () => {
  let broker: TestBroker
  let client: Client

  before(async () => {
    broker = await startTestBroker()
    client = createClient({ bootstrap: broker.bootstrap })
    await client.admin.createTopic({ name: 'numbers', partitionCount: 2, replicationFactor: 1 })
    await produceRaw(client, { topic: 'numbers', batches: range(0, 10).map((index) => numbered(index * 10, 10)) })
  })

  after(async () => {
    await client?.close()
    await broker?.[Symbol.asyncDispose]()
  })

  function consumer(options: ConsumerOptions = {}): Consumer {
    return createConsumer(client, options)
  }

  async function offsets(what: AssignOptions): Promise<number[]> {
    await using reader = consumer()
    const subscription = await reader.assign(what)
    const seen: number[] = []
    for await (const record of subscription.records({ signal: AbortSignal.timeout(10_000) })) seen.push(record.offset)
    return seen
  }

  const partitions = [{ topic: 'numbers', partition: 0 }]

  it('begins and ends at every kind of place', async () => {
    assert.deepEqual(await offsets({ partitions, from: 'earliest', until: 'end' }), range(0, 100))
    assert.deepEqual(await offsets({ partitions, from: 'latest', until: 'end' }), [])
    assert.deepEqual(await offsets({ partitions, from: { offset: 17 }, until: { offset: 42 } }), range(17, 42))
    assert.deepEqual(
      await offsets({ partitions, from: { timestamp: 33_000 }, until: { timestamp: new Date(35_500) } }),
      [33, 34, 35],
    )
    assert.deepEqual(await offsets({ partitions, from: { timestamp: 1e12 }, until: 'end' }), [])
    assert.deepEqual(await offsets({ partitions: [{ ...partitions[0]!, offset: 95 }], until: 'end' }), range(95, 100))
    const places = { numbers: { 0: 98, 1: 0 } }
    assert.deepEqual(await offsets({ topics: ['numbers'], from: { offsets: places }, until: 'end' }), [98, 99])
    assert.deepEqual(await offsets({ partitions, from: { offset: 50 }, until: { offset: 50 } }), [])
  })

  it('ends over an empty topic, and over partitions of which some are empty', async () => {
    await client.admin.createTopic({ name: 'empty', partitionCount: 3 })
    assert.deepEqual(await offsets({ topics: ['empty'], from: 'earliest', until: 'end' }), [])
    assert.deepEqual(await offsets({ topics: ['numbers'], from: 'earliest', until: 'end' }), range(0, 100))
  })

  it('follows what is written later, from the latest offset on', async () => {
    await client.admin.createTopic({ name: 'followed' })
    await using reader = consumer()
    const subscription = await reader.assign({ topics: ['followed'], from: 'latest' })
    const iterator = subscription.records({ signal: AbortSignal.timeout(10_000) })
    const first = iterator.next()
    await produceRaw(client, { topic: 'followed', batches: [numbered(0, 2)] })
    assert.equal((await first).value?.value?.toString(), '0')
    assert.equal((await iterator.next()).value?.offset, 1)
    assert.equal(subscription.lag(), 0)
    assert.equal(subscription.position({ topic: 'followed', partition: 0 }), 2)
  })

  it('knows positions and lag without asking', async () => {
    await using reader = consumer()
    const subscription = await reader.assign({ topics: ['numbers'], from: 'earliest' })
    assert.equal(subscription.lag(), 100)
    for await (const record of subscription) if (record.offset === 59) break
    assert.equal(subscription.lag({ topic: 'numbers', partition: 0 }), 40)
    assert.equal(subscription.lag({ topic: 'numbers', partition: 1 }), 0)
    assert.deepEqual(
      subscription.assignment.map(({ partition, position }) => [partition, position]),
      [
        [0, 60],
        [1, 0],
      ],
    )
  })

  it('gives batches in every codec byte for byte, with headers, null keys and null values', async () => {
    await client.admin.createTopic({ name: 'codecs' })
    const big = Buffer.alloc(20_000, 'abcdefgh')
    const headers = [
      { key: 'a', value: 'x' },
      { key: 'a', value: null },
    ]
    const codecs: CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
    const records = [
      { key: null, value: null, timestamp: 5 },
      { key: '', value: '', timestamp: 6 },
      { key: 'k', value: big, headers, timestamp: 7 },
    ]
    for (const codec of codecs) await produceRaw(client, { topic: 'codecs', codec, batches: [records] })
    await using reader = consumer()
    const subscription = await reader.assign({ topics: ['codecs'], from: 'earliest', until: 'end' })
    const seen: string[] = []
    for await (const batch of subscription.batches()) {
      seen.push(batch.codec)
      assert.equal(batch.count, 3)
      const [tombstone, empty, whole] = [...batch]
      assert.deepEqual([tombstone?.key, tombstone?.value, tombstone?.headers], [null, null, []])
      assert.deepEqual([empty?.key?.length, empty?.value?.length], [0, 0])
      assert.deepEqual(whole?.value, big)
      assert.deepEqual(
        whole?.headers.map(({ key, value }) => [key, value?.toString() ?? null]),
        [
          ['a', 'x'],
          ['a', null],
        ],
      )
      assert.equal(whole?.timestamp, 7)
      assert.ok((whole?.leaderEpoch ?? 0) > 0)
    }
    assert.deepEqual(seen, codecs)
  })

  it('has a stream for each partition, a Node stream, and typed values', async () => {
    await client.admin.createTopic({ name: 'split', partitionCount: 3 })
    for (const partition of range(0, 3)) {
      await produceRaw(client, { topic: 'split', partition, batches: [numbered(partition * 100, 5)] })
    }
    await using reader = createConsumer(client, { valueSerde: stringDeserializer })
    const subscription = await reader.assign({ topics: ['split'], from: 'earliest', until: 'end' })
    const readers: Promise<string[]>[] = []
    for await (const stream of subscription.partitions()) {
      readers.push(
        (async () => {
          const values: string[] = []
          for await (const record of stream) values.push(record.value ?? '')
          return values
        })(),
      )
    }
    assert.deepEqual(
      (await Promise.all(readers)).map((values) => values.at(-1)),
      ['4', '104', '204'],
    )
    await subscription.close()
    const again = await reader.assign({ topics: ['split'], from: 'earliest', until: 'end' })
    const values: string[] = []
    for await (const record of again.readable()) values.push(record.value)
    assert.equal(values.length, 15)
  })

  it('refuses what it cannot read: unknown topics and partitions, no start, two subscriptions', async () => {
    await using reader = consumer()
    await assert.rejects(reader.assign({ topics: ['nowhere'], from: 'earliest' }), {
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      topic: 'nowhere',
    })
    await assert.rejects(reader.assign({ partitions: [{ topic: 'numbers', partition: 9 }], from: 'earliest' }), {
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
    await assert.rejects(reader.assign({ topics: ['numbers'] }), {
      code: 'INVALID_REQUEST',
      message: /from is missing/,
    })
    await assert.rejects(reader.assign({ from: 'earliest' }), { code: 'INVALID_REQUEST' })
    await assert.rejects(reader.assign({ partitions: [...partitions, ...partitions], from: 'earliest' }), /given twice/)
    await reader.assign({ partitions, from: 'latest' })
    await assert.rejects(reader.assign({ partitions, from: 'latest' }), /has an open subscription/)
    await reader.close()
    await assert.rejects(reader.assign({ partitions, from: 'latest' }), { code: 'CLIENT_CLOSED' })
  })
})
