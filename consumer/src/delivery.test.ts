import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import { type CompressionName, RECORD_BATCH_OVERHEAD_BYTES, stampAppendTime } from '@stratalog/proto/records'
import fc from 'fast-check'
import type { PartitionCursor } from './delivery.ts'
import { BatchIterator, PartitionStream, RecordIterator } from './iterators.ts'
import { jsonDeserializer } from './serde.ts'
import { batchOf, DeliveryHarness } from './test/delivery-harness.ts'

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

async function offsetsOf<K, V>(iterator: RecordIterator<K, V>, count = Number.POSITIVE_INFINITY): Promise<number[]> {
  const offsets: number[] = []
  if (count === 0) return offsets
  for await (const record of iterator) {
    offsets.push(record.offset)
    if (offsets.length >= count) break
  }
  return offsets
}

function streamOf<K, V>(harness: DeliveryHarness<K, V>, cursor: PartitionCursor<K, V>): PartitionStream<K, V> {
  return new PartitionStream(harness.delivery, cursor, {})
}

describe('iterating records', () => {
  it('goes on behind the last record handed out after a break', async () => {
    const harness = new DeliveryHarness()
    const state = harness.add(0, 10)
    harness.feed(state, batchOf(0, 10), 10)
    assert.deepEqual(await offsetsOf(new RecordIterator(harness.source, {}), 4), range(0, 4))
    assert.equal(state.position, 4)
    assert.deepEqual(await offsetsOf(new RecordIterator(harness.source, {})), range(4, 10))
  })

  it('gives partitions their turns, a batch at a time', async () => {
    const harness = new DeliveryHarness()
    const states = [harness.add(0, 4), harness.add(1, 4)]
    for (const state of states) harness.feed(state, Buffer.concat([batchOf(0, 2), batchOf(2, 2)]), 4)
    const order: string[] = []
    for await (const record of new RecordIterator(harness.source, {}))
      order.push(`${record.partition}:${record.offset}`)
    assert.deepEqual(order, ['0:0', '0:1', '1:0', '1:1', '0:2', '0:3', '1:2', '1:3'])
  })

  it('stops within a batch when paused and goes on there when resumed', async () => {
    const harness = new DeliveryHarness()
    const [paused, other] = [harness.add(0, 4), harness.add(1, 2)]
    harness.feed(paused, batchOf(0, 4), 4)
    const iterator = new RecordIterator(harness.source, {})
    assert.equal((await iterator.next()).value?.offset, 0)
    harness.core.pause(paused)
    harness.feed(other, batchOf(0, 2), 2)
    assert.equal((await iterator.next()).value?.partition, 1)
    assert.equal((await iterator.next()).value?.partition, 1)
    const waiting = iterator.next()
    harness.core.resume(paused)
    assert.equal((await waiting).value?.offset, 1)
    assert.deepEqual(await offsetsOf(iterator), [2, 3])
  })

  it('leaves a batch at once after a seek', async () => {
    const harness = new DeliveryHarness()
    const state = harness.add(0, 9)
    harness.feed(state, batchOf(0, 5), 5)
    const iterator = new RecordIterator(harness.source, {})
    await iterator.next()
    harness.seek(state, 7)
    harness.feed(state, batchOf(5, 4), 9)
    assert.deepEqual(await offsetsOf(iterator), [7, 8])
  })

  it('answers calls that do not wait for one another in order', async () => {
    const harness = new DeliveryHarness()
    const state = harness.add(0, 4)
    const iterator = new RecordIterator(harness.source, {})
    const calls = range(0, 6).map(() => iterator.next())
    harness.feed(state, Buffer.concat([batchOf(0, 3), batchOf(3, 1)]), 4)
    const results = await Promise.all(calls)
    assert.deepEqual(
      results.map(({ value }) => value?.offset),
      [0, 1, 2, 3, undefined, undefined],
    )
  })

  it('shares records among iterations, each to exactly one', async () => {
    const harness = new DeliveryHarness()
    const state = harness.add(0, 100)
    const both = Promise.all([
      offsetsOf(new RecordIterator(harness.source, {})),
      offsetsOf(new RecordIterator(harness.source, {})),
    ])
    for (let base = 0; base < 100; base += 10) {
      harness.feed(state, batchOf(base, 10), base + 10)
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.deepEqual(
      (await both).flat().sort((a, b) => a - b),
      range(0, 100),
    )
  })

  it('lets the event loop turn while there is much in memory', async () => {
    const harness = new DeliveryHarness()
    const state = harness.add(0, 150_000)
    for (let base = 0; base < 150_000; base += 30_000) harness.feed(state, batchOf(base, 30_000), base + 30_000)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await offsetsOf(new RecordIterator(harness.source, {}))
    clearInterval(timer)
    assert.ok(turns >= 2, `${turns} turns of the event loop`)
  })

  it('ends while waiting: by return, by an abort, by close', async () => {
    const harness = new DeliveryHarness()
    harness.add(0)
    const returned = new RecordIterator(harness.source, {})
    const waiting = returned.next()
    await returned.return()
    assert.equal((await waiting).done, true)
    const controller = new AbortController()
    const aborted = new RecordIterator(harness.source, { signal: controller.signal }).next()
    controller.abort()
    await assert.rejects(aborted, { code: 'CANCELLED' })
    const closed = new RecordIterator(harness.source, {}).next()
    harness.delivery.close(null)
    assert.equal((await closed).done, true)
    assert.equal((await new RecordIterator(harness.source, {}).next()).done, true)
  })

  it('throws what the subscription was closed with', async () => {
    const harness = new DeliveryHarness()
    harness.add(0)
    const pending = new RecordIterator(harness.source, {}).next()
    harness.delivery.close(new StratalogError('CLIENT_CLOSED'))
    await assert.rejects(pending, { code: 'CLIENT_CLOSED' })
  })
})

describe('iterating batches', () => {
  it('shows only what was asked for at the edges, and the right counts', async () => {
    const harness = new DeliveryHarness()
    const state = harness.add(0, 8, 2)
    harness.feed(state, Buffer.concat([batchOf(0, 5), batchOf(5, 5)]), 10)
    const seen: unknown[] = []
    for await (const batch of new BatchIterator(harness.source, {})) {
      const offsets = [...batch.records].map((record) => record.offset)
      seen.push([batch.baseOffset, batch.lastOffset, batch.count, offsets, [...batch].length])
    }
    assert.deepEqual(seen, [
      [2, 4, 3, [2, 3, 4], 3],
      [5, 7, 3, [5, 6, 7], 3],
    ])
  })

  it('gives the rest of a batch that a loop over records left', async () => {
    const harness = new DeliveryHarness()
    const state = harness.add(0, 6)
    harness.feed(state, Buffer.concat([batchOf(0, 4), batchOf(4, 2)]), 6)
    await offsetsOf(new RecordIterator(harness.source, {}), 3)
    const batches = new BatchIterator(harness.source, {})
    assert.equal((await batches.next()).value?.baseOffset, 3)
    assert.equal((await batches.next()).value?.baseOffset, 4)
    assert.equal((await batches.next()).done, true)
  })

  it('gives no empty batch when all its records were read one by one', async () => {
    const harness = new DeliveryHarness()
    const state = harness.add(0, 6)
    harness.feed(state, Buffer.concat([batchOf(0, 4), batchOf(4, 2)]), 6)
    await offsetsOf(new RecordIterator(harness.source, {}), 4)
    assert.equal((await new BatchIterator(harness.source, {}).next()).value?.baseOffset, 4)
  })
})

describe('a partition stream', () => {
  it('reads its partition only and ends at its end', async () => {
    const harness = new DeliveryHarness()
    const [first, second] = [harness.add(0, 3), harness.add(1, 3)]
    harness.feed(second, batchOf(0, 3), 3)
    assert.deepEqual(await offsetsOf(streamOf(harness, harness.delivery.cursor(second)).records()), range(0, 3))
    const waiting = offsetsOf(streamOf(harness, harness.delivery.cursor(first)).records())
    harness.feed(first, batchOf(0, 3), 3)
    assert.deepEqual(await waiting, range(0, 3))
  })
})

describe('damage', () => {
  it('is an error that names the place, again until a seek behind it', async () => {
    const harness = new DeliveryHarness()
    const state = harness.add(0, 9)
    const damaged = batchOf(3, 3)
    damaged[80] = damaged[80]! ^ 1
    harness.feed(state, Buffer.concat([batchOf(0, 3), damaged, batchOf(6, 3)]), 9)
    const iterator = new RecordIterator(harness.source, {})
    for (let index = 0; index < 3; index++) assert.equal((await iterator.next()).value?.offset, index)
    const expected = { code: 'CORRUPT_MESSAGE', topic: 't', partition: 0, metadata: { offset: '3', nextOffset: '6' } }
    await assert.rejects(iterator.next(), expected)
    await assert.rejects(new RecordIterator(harness.source, {}).next(), expected)
    await assert.rejects(new BatchIterator(harness.source, {}).next(), expected)
    harness.seek(state, 6)
    harness.feed(state, batchOf(6, 3), 9)
    assert.deepEqual(await offsetsOf(new RecordIterator(harness.source, {})), [6, 7, 8])
  })

  it('of a header or a cut batch is found too, and so is a CRC that holds over records that do not parse', async () => {
    const unparsable = batchOf(0, 3)
    unparsable[RECORD_BATCH_OVERHEAD_BYTES] = 0x7f
    stampAppendTime(unparsable, 0, 1_000)
    const cases = [Buffer.alloc(100, 1), batchOf(0, 3).subarray(0, 70), Buffer.alloc(20), unparsable]
    for (const bytes of cases) {
      const harness = new DeliveryHarness()
      harness.feed(harness.add(0), bytes, 3)
      await assert.rejects(new RecordIterator(harness.source, {}).next(), { code: 'CORRUPT_MESSAGE' })
    }
  })

  it('in compressed records is found in the thread pool as well', async () => {
    const harness = new DeliveryHarness({ verifyCrc: false })
    const bytes = batchOf(0, 3_000, 'gzip', 'x'.repeat(40))
    bytes.fill(9, 100, 4_000)
    harness.feed(harness.add(0), bytes, 3_000)
    await assert.rejects(new RecordIterator(harness.source, {}).next(), { code: 'CORRUPT_MESSAGE', partition: 0 })
  })

  it('includes codecs that do not exist, under their own name', async () => {
    const harness = new DeliveryHarness()
    const bytes = batchOf(0, 3)
    bytes[22] = 7
    harness.feed(harness.add(0), bytes, 3)
    const code = 'UNSUPPORTED_COMPRESSION_TYPE'
    await assert.rejects(new RecordIterator(harness.source, {}).next(), { code, topic: 't', partition: 0 })
  })

  it('of one partition does not stop the stream of another', async () => {
    const harness = new DeliveryHarness()
    const [bad, good] = [harness.add(0, 3), harness.add(1, 3)]
    harness.feed(bad, Buffer.alloc(100, 1), 3)
    harness.feed(good, batchOf(0, 3), 3)
    await assert.rejects(offsetsOf(streamOf(harness, harness.delivery.cursor(bad)).records()))
    assert.deepEqual(await offsetsOf(streamOf(harness, harness.delivery.cursor(good)).records()), range(0, 3))
  })
})

describe('deserialisers', () => {
  const valueDeserializer = jsonDeserializer<number>()
  // Record 1 is no JSON.
  const bytes = Buffer.concat([batchOf(0, 1), batchOf(1, 1, 'none', '{'), batchOf(2, 1)])

  it('fail where the value is read, naming the place', async () => {
    const harness = new DeliveryHarness<Buffer, number>({ valueDeserializer })
    harness.feed(harness.add(0, 3), bytes, 3)
    const iterator = new RecordIterator(harness.source, {})
    assert.equal((await iterator.next()).value?.value, 0)
    const bad = (await iterator.next()).value
    assert.throws(() => bad?.value, {
      code: 'SERIALIZATION_FAILED',
      topic: 't',
      metadata: { offset: '1', field: 'value' },
    })
    assert.equal(bad?.rawValue?.toString(), '1{')
    assert.equal((await iterator.next()).value?.value, 2)
  })

  it('can leave records out and say so, or give the bytes', async () => {
    const skipping = new DeliveryHarness<Buffer, number>({ valueDeserializer, onDeserializationError: 'skip' })
    skipping.feed(skipping.add(0, 3), bytes, 3)
    assert.deepEqual(await offsetsOf(new RecordIterator(skipping.source, {})), [0, 2])
    assert.deepEqual(skipping.skipped, [1])
    const raw = new DeliveryHarness<Buffer, number>({ valueDeserializer, onDeserializationError: 'raw' })
    raw.feed(raw.add(0, 3), bytes, 3)
    const values: string[] = []
    for await (const record of new RecordIterator(raw.source, {})) {
      values.push(`${typeof record.value}:${record.deserializationError?.code}`)
    }
    assert.deepEqual(values, ['number:undefined', 'object:SERIALIZATION_FAILED', 'number:undefined'])
  })
})

describe('any mix of views, codecs and seeks', () => {
  const codecs: CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

  it('hands out every record once and in order', async () => {
    const batch = fc.record({ count: fc.integer({ min: 1, max: 400 }), codec: fc.constantFrom(...codecs) })
    const read = fc.record({ view: fc.constantFrom('records', 'batches', 'seek'), count: fc.nat(300) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(batch, { minLength: 1, maxLength: 6 }),
        fc.array(read, { maxLength: 8 }),
        async (batches, reads) => {
          const bytes: Buffer[] = []
          let end = 0
          for (const { count, codec } of batches) {
            bytes.push(batchOf(end, count, codec, 'y'.repeat(30)))
            end += count
          }
          const harness = new DeliveryHarness()
          const state = harness.add(0, end)
          harness.feed(state, Buffer.concat(bytes), end)
          let position = 0
          for (const { view, count } of reads) {
            if (view === 'seek') {
              position = Math.min(count, end)
              harness.core.beginSeek(state)
              harness.core.endSeek(state, position)
              if (state.phase === 'detached') harness.core.attach(state, 1)
              harness.feed(state, Buffer.concat(bytes), end)
            } else if (view === 'records') {
              const got = await offsetsOf(new RecordIterator(harness.source, {}), Math.min(count, end - position))
              assert.deepEqual(got, range(position, position + got.length))
              position += got.length
            } else {
              const { value } = await new BatchIterator(harness.source, {}).next()
              const got = value === undefined ? [] : [...value].map((record) => record.offset)
              assert.deepEqual(got, range(position, position + got.length))
              position += got.length
            }
            assert.equal(state.position, position)
          }
          assert.deepEqual(await offsetsOf(new RecordIterator(harness.source, {})), range(position, end))
        },
      ),
      { numRuns: 60 },
    )
  })
})
