/** Reading a topic that the broker compacts: batches with few records or none, ranges that end among them, searches by time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startTestBroker } from '@stratalog/broker/testing'
import { type Client, createClient } from '@stratalog/client'
import { AdminService } from '@stratalog/proto'
import { createConsumer } from '../index.ts'
import { produceRaw } from './raw-produce.ts'

const MIB = 1024 * 1024
const CONFIGS = { 'cleanup.policy': 'compact', 'segment.bytes': String(MIB), 'min.cleanable.dirty.ratio': '0.1' }
const BATCH_COUNT = 50
const BATCH_RECORDS = 40
const VALUE = '.'.repeat(2_000)
const DEADLINE_MS = 20_000

/** Record n has key n mod 7 among the first 1,600, keys of their own behind, and the timestamp n. */
function recordAt(offset: number): { key: Buffer; value: Buffer; timestamp: number } {
  const key = offset < 1_600 ? `key ${offset % 7}` : `own ${offset}`
  return { key: Buffer.from(key), value: Buffer.from(`${offset} ${VALUE}`), timestamp: offset }
}

async function logBytes(client: Client): Promise<number> {
  const { partitions } = await client.call(AdminService.describePartitions, { topics: ['t'] })
  return Number(partitions[0]?.logBytes ?? Number.POSITIVE_INFINITY)
}

/** A broker whose topic `t` was compacted and that was started anew since: nothing comes from memory. */
async function compactedBroker() {
  const broker = await startTestBroker({ settings: { 'log.cleaner.backoff.ms': 100 } })
  const client = createClient({ bootstrap: broker.bootstrap })
  await client.admin.createTopic({ name: 't', partitionCount: 1, configs: CONFIGS })
  const batches = Array.from({ length: BATCH_COUNT }, (_, batch) =>
    Array.from({ length: BATCH_RECORDS }, (_, index) => recordAt(batch * BATCH_RECORDS + index)),
  )
  await produceRaw(client, { topic: 't', batches })
  const deadlineMs = performance.now() + DEADLINE_MS
  while ((await logBytes(client)) > 2.2 * MIB) {
    assert.ok(performance.now() < deadlineMs, 'the topic is compacted')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await client.close()
  await broker.restart()
  return broker
}

describe('a compacted topic', () => {
  it('is read to its end, from any place, in any range', async () => {
    await using broker = await compactedBroker()
    await using client = createClient({ bootstrap: broker.bootstrap })
    await using consumer = createConsumer(client)
    const read = async (from: number, end: number): Promise<number[]> => {
      const subscription = await consumer.assign({
        topics: ['t'],
        from: { offset: from },
        until: { offset: end },
      })
      const offsets: number[] = []
      for await (const { offset, value, timestamp } of subscription.records({
        signal: AbortSignal.timeout(DEADLINE_MS),
      })) {
        assert.equal(Number.parseInt(String(value), 10), offset)
        assert.equal(timestamp, offset)
        offsets.push(offset)
      }
      await subscription.close()
      return offsets
    }
    const endOffset = BATCH_COUNT * BATCH_RECORDS
    const all = await read(0, endOffset)
    assert.ok(all.length < 1_300, `${all.length} of ${endOffset} records are left`)
    assert.deepEqual(
      all.slice(-400),
      Array.from({ length: 400 }, (_, index) => 1_600 + index),
    )
    // Begins and ends among what is gone, where no record ends a read.
    const gone = Array.from({ length: endOffset }, (_, offset) => offset).filter((offset) => !all.includes(offset))
    for (const offset of [gone[0]!, gone[Math.floor(gone.length / 2)]!, gone.at(-1)!]) {
      assert.deepEqual(
        await read(0, offset),
        all.filter((each) => each < offset),
      )
      assert.deepEqual(
        await read(offset, endOffset),
        all.filter((each) => each >= offset),
      )
      assert.deepEqual(await read(offset, offset + 1), [])
    }
  })

  it('counts what is there, batch by batch, and finds times', async () => {
    await using broker = await compactedBroker()
    await using client = createClient({ bootstrap: broker.bootstrap })
    await using consumer = createConsumer(client)
    const subscription = await consumer.assign({ topics: ['t'], from: 'earliest', until: 'end' })
    const offsets: number[] = []
    for await (const batch of subscription.batches({ signal: AbortSignal.timeout(DEADLINE_MS) })) {
      const found = [...batch.records].map(({ offset }) => offset)
      assert.equal(batch.count, found.length)
      assert.ok(found.every((offset) => offset >= batch.baseOffset && offset <= batch.lastOffset))
      offsets.push(...found)
    }
    for (const timestamp of [0, 800, offsets[3]! + 1, 1_999]) {
      const [answer] = await client.admin.listOffsets([{ topic: 't', partition: 0, position: { timestamp } }])
      assert.equal(
        answer?.offset,
        offsets.find((offset) => offset >= timestamp),
      )
    }
  })
})
