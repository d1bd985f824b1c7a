import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { after, before, test } from 'node:test'
import { startTestBroker, type TestBroker } from '@stratalog/broker/testing'
import { type Client, createClient } from '@stratalog/client'
import { isStratalogError, partitionForKey } from '@stratalog/proto'
import type { CompressionName } from '@stratalog/proto/records'
import { createProducer, jsonSerde, SendBatchError, STRING_SERDE } from '../index.ts'
import { readBack, valuesByPartition } from './read-back.ts'

let broker: TestBroker
let client: Client

before(async () => {
  broker = await startTestBroker()
  client = createClient({ bootstrap: broker.bootstrap })
})

after(async () => {
  await client.close()
  await broker[Symbol.asyncDispose]()
})

async function topic(name: string, partitionCount: number, configs: Record<string, string> = {}): Promise<string> {
  await client.admin.createTopic({ name, partitionCount, configs })
  return name
}

test('a record comes back as it was sent: key, value, headers, timestamp, nulls', async () => {
  const name = await topic('whole-records', 1)
  await using producer = createProducer(client)
  const ack = await producer.send({
    topic: name,
    key: 'k',
    value: Buffer.from([0, 255, 10]),
    headers: { source: 'test', empty: null },
    timestamp: 1_234_567_890_123,
  })
  assert.deepEqual(
    { ...ack, leaderEpoch: 0 },
    {
      topic: name,
      partition: 0,
      offset: 0,
      timestamp: 1_234_567_890_123,
      durability: 'fsynced',
      leaderEpoch: 0,
      duplicate: false,
    },
  )
  await producer.send({
    topic: name,
    key: null,
    value: null,
    headers: [
      { key: 'a', value: 'x' },
      { key: 'a', value: 'y' },
    ],
  })
  const [first, second] = await readBack(client, name, 0)
  assert.equal(String(first?.key), 'k')
  assert.deepEqual(first?.value, Buffer.from([0, 255, 10]))
  assert.deepEqual(
    first?.headers.map(({ key, value }) => [key, value?.toString() ?? null]),
    [
      ['source', 'test'],
      ['empty', null],
    ],
  )
  assert.equal(first?.timestamp, 1_234_567_890_123)
  assert.equal(second?.key, null)
  assert.equal(second?.value, null)
  assert.deepEqual(
    second?.headers.map(({ key, value }) => `${key}=${value}`),
    ['a=x', 'a=y'],
  )
})

test('records with a key go where Kafka sends them, in order; a partition or a partitioner decides otherwise', async () => {
  const name = await topic('keyed', 4)
  await using producer = createProducer<string, string>(client, {
    keySerde: STRING_SERDE,
    valueSerde: STRING_SERDE,
    partitioner: ({ key }, count) => (key === 'last' ? count - 1 : null),
  })
  const sends = Array.from({ length: 2_000 }, (_, index) => ({
    topic: name,
    key: `key-${index % 50}`,
    value: `${index}`,
  }))
  const acks = await Promise.all(sends.map((record) => producer.send(record)))
  acks.forEach((ack, index) => {
    assert.equal(ack.partition, partitionForKey(Buffer.from(sends[index]!.key), 4))
  })
  assert.equal((await producer.send({ topic: name, key: 'last', value: 'x' })).partition, 3)
  assert.equal((await producer.send({ topic: name, key: 'last', value: 'x', partition: 1 })).partition, 1)
  for (const values of await valuesByPartition(client, name)) {
    const numbers = values.filter((value) => value !== 'x').map(Number)
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    )
  }
})

test('without a key batches take turns over the partitions, and same-tick sends share one', async () => {
  const name = await topic('sticky', 3)
  await using producer = createProducer(client)
  const rounds: number[] = []
  for (let round = 0; round < 6; round++) {
    const acks = await Promise.all(Array.from({ length: 50 }, () => producer.send({ topic: name, value: 'v' })))
    assert.equal(new Set(acks.map(({ partition }) => partition)).size, 1)
    rounds.push(acks[0]!.partition)
  }
  assert.equal(new Set(rounds).size, 3)
  assert.equal(producer.stats().batchesAcknowledged, 6)
})

for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] satisfies CompressionName[]) {
  test(`a million bytes come back through ${compression}, in order`, async () => {
    const name = await topic(`compressed-${compression}`, 1)
    await using producer = createProducer<string, object>(client, { valueSerde: jsonSerde(), compression })
    const records = Array.from({ length: 10_000 }, (_, index) => ({
      topic: name,
      value: { index, text: 'the quick brown fox '.repeat(5) },
    }))
    const acks = await producer.sendBatch(records)
    assert.deepEqual(
      acks.map(({ offset }) => offset),
      records.map((_, index) => index),
    )
    const read = await readBack(client, name, 0)
    assert.deepEqual(
      read.map(({ value }) => JSON.parse(String(value))),
      records.map(({ value }) => value),
    )
  })
}

test('sendBatch tells what became of each record', async () => {
  const name = await topic('partial', 2)
  await using producer = createProducer<string, unknown>(client, { valueSerde: jsonSerde() })
  const failure = await producer
    .sendBatch([
      { topic: name, value: 1 },
      { topic: name, value: undefined as unknown },
      { topic: name, value: () => {} },
      { topic: name, value: 4, partition: 9 },
      { topic: 'no-such-topic', value: 5 },
      { topic: name, value: 6, partition: 1 },
    ])
    .catch((error: unknown) => error)
  assert.ok(failure instanceof SendBatchError)
  assert.deepEqual(
    failure.results.map((result) => ('code' in result ? result.code : 'ok')),
    ['ok', 'ok', 'SERIALIZATION_FAILED', 'UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_OR_PARTITION', 'ok'],
  )
  assert.deepEqual(await producer.sendBatch([]), [])
})

test('bad records are refused by name and harm no other', async () => {
  const name = await topic('bad-records', 1, { 'max.message.bytes': '2048' })
  await using producer = createProducer(client, { recordBytesMax: 1024 * 1024 })
  const good = producer.send({ topic: name, value: 'good' })
  await assert.rejects(producer.send({ topic: name, value: Buffer.alloc(2_000_000) }), (error) => {
    assert.ok(isStratalogError(error, 'RECORD_TOO_LARGE'))
    assert.match(error.hint, /recordBytesMax/)
    return true
  })
  await assert.rejects(producer.send({ topic: name, value: Buffer.alloc(100_000) }), { code: 'MESSAGE_TOO_LARGE' })
  await assert.rejects(producer.send({ topic: name, value: 42 as unknown as string }), { code: 'SERIALIZATION_FAILED' })
  const headers = { h: 5 as unknown as string }
  await assert.rejects(producer.send({ topic: name, value: 'x', headers }), { code: 'SERIALIZATION_FAILED' })
  await using broken = createProducer(client, { valueSerde: { serialize: () => 7 as unknown as string } })
  await assert.rejects(broken.send({ topic: name, value: 'x' }), { code: 'SERIALIZATION_FAILED', message: /number/ })
  await assert.rejects(producer.send({ topic: name, value: 'x', timestamp: -5 }), { code: 'INVALID_TIMESTAMP' })
  await assert.rejects(producer.send({ topic: 'bad/name', value: 'x' }), (error) => isStratalogError(error))
  assert.equal((await good).offset, 0)
  const records = Array.from({ length: 500 }, (_, index) => ({ topic: name, value: `after ${index}` }))
  assert.equal((await producer.sendBatch(records)).at(-1)?.offset, 500)
  assert.equal((await readBack(client, name, 0)).length, 501)
})

test('a full buffer makes send wait in order, enqueue say no, and never exceeds its bound', async () => {
  const name = await topic('full-buffer', 1)
  await using producer = createProducer(client, { bufferMemoryBytes: 64 * 1024 })
  const value = 'v'.repeat(1_000)
  const acks = Array.from({ length: 1_000 }, (_, index) => producer.send({ topic: name, value: `${index} ${value}` }))
  assert.ok(producer.stats().bufferedBytes <= 64 * 1024)
  assert.ok(producer.stats().waitingSendCount > 900)
  assert.equal(producer.enqueue({ topic: name, value }), false)
  const offsets = (await Promise.all(acks)).map(({ offset }) => offset)
  assert.deepEqual(
    offsets,
    acks.map((_, index) => index),
  )
  await producer.ready()
  assert.equal(producer.enqueue({ topic: name, value }), true)
  await producer.flush()
  assert.equal(producer.stats().bufferedBytes, 0)
  assert.equal((await readBack(client, name, 0)).length, 1_001)
})

test('enqueue and a Node stream deliver all, in order', async () => {
  const name = await topic('streams', 1)
  await using producer = createProducer(client, { bufferMemoryBytes: 256 * 1024 })
  for (let index = 0; index < 20_000; index++) {
    while (!producer.enqueue({ topic: name, value: `${index}` })) await producer.ready()
  }
  await producer.flush()
  const writable = producer.writable(name)
  for (let index = 20_000; index < 25_000; index++) {
    if (!writable.write(`${index}`)) await new Promise((resolve) => writable.once('drain', resolve))
  }
  await new Promise<void>((resolve, reject) => writable.once('finish', resolve).once('error', reject).end())
  const values = (await readBack(client, name, 0)).map((record) => Number(record.value))
  assert.deepEqual(
    values,
    Array.from({ length: 25_000 }, (_, index) => index),
  )
})

test('a stream whose record fails is destroyed with the error', async () => {
  await using producer = createProducer(client)
  const writable = producer.writable('there-is-no-such-topic')
  const error = await new Promise((resolve) => writable.once('error', resolve).end('x'))
  assert.ok(isStratalogError(error, 'UNKNOWN_TOPIC_OR_PARTITION'))
})

test('abort ends the waiting with CANCELLED; nothing that waited for room is sent afterwards', async () => {
  const name = await topic('aborted', 1)
  await using producer = createProducer(client, { bufferMemoryBytes: 64 * 1024, lingerMs: 200 })
  await assert.rejects(producer.send({ topic: name, value: 'never' }, { signal: AbortSignal.abort() }), {
    code: 'CANCELLED',
  })
  const filling = Array.from({ length: 60 }, () => producer.send({ topic: name, value: 'f'.repeat(1_000) }))
  const controller = new AbortController()
  const waiting = producer.send({ topic: name, value: 'w'.repeat(9_000) }, { signal: controller.signal })
  const behind = producer.send({ topic: name, value: 'behind' })
  controller.abort()
  await assert.rejects(waiting, { code: 'CANCELLED' })
  await Promise.all([...filling, behind])
  const values = (await readBack(client, name, 0)).map(({ value }) => String(value)[0])
  assert.equal(values.length, 61)
  assert.equal(values.at(-1), 'b')
})

test('close delivers what was taken, refuses what comes later, and gives up what is not answered', async () => {
  const name = await topic('closing', 1)
  const producer = createProducer(client, { lingerMs: 10_000, bufferMemoryBytes: 64 * 1024 })
  const sends = Array.from({ length: 200 }, (_, index) => producer.send({ topic: name, value: `${index}`.padEnd(800) }))
  const closed = producer.close()
  await assert.rejects(producer.send({ topic: name, value: 'late' }), { code: 'CLIENT_CLOSED' })
  assert.throws(() => producer.enqueue({ topic: name, value: 'late' }), { code: 'CLIENT_CLOSED' })
  await closed
  assert.equal((await Promise.all(sends)).length, 200)
  assert.equal((await readBack(client, name, 0)).length, 200)
  const hasty = createProducer(client, { lingerMs: 10_000 })
  const lost = assert.rejects(hasty.send({ topic: name, value: 'unsent' }), { code: 'CLIENT_CLOSED' })
  await hasty.close({ timeoutMs: 0 })
  await lost
  const crowded = createProducer(client, { lingerMs: 10_000, bufferMemoryBytes: 64 * 1024 })
  const many = Array.from({ length: 500 }, () => ({ topic: name, value: 'm'.repeat(1_000) }))
  const sending = assert.rejects(crowded.sendBatch(many), (error) => {
    assert.ok(error instanceof SendBatchError)
    return error.results.every((result) => 'offset' in result || result.code === 'CLIENT_CLOSED')
  })
  await crowded.close({ timeoutMs: 0 })
  await sending
  assert.equal(crowded.stats().bufferedBytes, 0)
})

test('closing the client under a producer fails what is outstanding at once', async () => {
  const name = await topic('client-closed', 1)
  const other = createClient({ bootstrap: broker.bootstrap })
  const producer = createProducer(other)
  await producer.send({ topic: name, value: 'x' })
  const sends = Array.from({ length: 100 }, () => producer.send({ topic: name, value: 'y' }))
  await other.close()
  const outcomes = await Promise.allSettled(sends)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') assert.ok(isStratalogError(outcome.reason, 'CLIENT_CLOSED'))
  }
  await assert.rejects(producer.send({ topic: name, value: 'z' }), { code: 'CLIENT_CLOSED' })
  const startedMs = Date.now()
  await producer.close()
  assert.ok(Date.now() - startedMs < 500)
})

test('tracing channels tell of sends and calls', async () => {
  const name = await topic('traced', 1)
  const seen: unknown[] = []
  const onEnd = (context: unknown): void => void seen.push(context)
  subscribe('tracing:stratalog:producer:send:asyncEnd', onEnd)
  subscribe('tracing:stratalog:client:call:asyncEnd', onEnd)
  try {
    await using producer = createProducer(client)
    await producer.send({ topic: name, value: 'x' })
  } finally {
    unsubscribe('tracing:stratalog:producer:send:asyncEnd', onEnd)
    unsubscribe('tracing:stratalog:client:call:asyncEnd', onEnd)
  }
  assert.ok(seen.some((context) => (context as { path?: string }).path?.endsWith('/InitProducerId')))
  assert.ok(seen.some((context) => (context as { topic?: string }).topic === name))
})

test('acks "none" answers at once and says so; acks "leader" says what it has', async () => {
  const name = await topic('other-acks', 1)
  await using none = createProducer(client, { acks: 'none' })
  const ack = await none.send({ topic: name, value: 'a' })
  assert.equal(ack.durability, 'none')
  assert.equal(ack.offset, -1)
  await none.flush()
  await using leader = createProducer(client, { acks: 'leader' })
  const second = await leader.send({ topic: name, value: 'b' })
  assert.ok(second.offset >= 0)
  assert.ok(['memory', 'replicated', 'fsynced'].includes(second.durability))
})

test('without acknowledgements close sees through to the broker what was taken', async () => {
  const name = await topic('unanswered', 1)
  const value = Buffer.alloc(1024)
  const recordCount = 20_000
  for (let round = 1; round <= 3; round++) {
    await using producer = createProducer(client, { acks: 'none' })
    for (let sent = 0; sent < recordCount; sent++) {
      while (!producer.enqueue({ topic: name, value })) await producer.ready()
    }
    await producer.close()
    const deadlineMs = performance.now() + 10_000
    let visibleEnd = 0
    while (visibleEnd < round * recordCount && performance.now() < deadlineMs) {
      const [answer] = await client.admin.listOffsets([{ topic: name, partition: 0, position: 'latest' }])
      if (answer?.error === null) visibleEnd = answer.visibleEnd
    }
    assert.equal(visibleEnd, round * recordCount)
  }
})

test('a batch over a limit that was lowered since is split; a record over it fails alone', async () => {
  for (const compression of ['none', 'lz4'] satisfies CompressionName[]) {
    const name = await topic(`lowered-${compression}`, 1)
    await using producer = createProducer(client, { compression, batchBytesMax: 64 * 1024 })
    const values = Array.from({ length: 600 }, (_, index) => `${index} ${randomBytes(index % 200).toString('hex')}`)
    const headers = { source: 'test' }
    await producer.send({ topic: name, value: 'first' })
    await client.admin.alterTopicConfig(name, { set: { 'max.message.bytes': '1500' } })
    const large = { topic: name, value: randomBytes(2_000).toString('hex') }
    const records = values.map((value, index) => ({ topic: name, key: `${index}`, value, headers, timestamp: index }))
    const sends = records.slice(0, 300).map((record) => producer.send(record))
    const refused = assert.rejects(producer.send(large), { code: 'MESSAGE_TOO_LARGE' })
    const acks = [...(await Promise.all(sends)), ...(await producer.sendBatch(records.slice(300)))]
    await refused
    const read = await readBack(client, name, 0)
    assert.deepEqual(
      read.map(({ value }) => String(value)),
      ['first', ...values],
    )
    assert.deepEqual(
      acks.map(({ offset, timestamp }) => [offset, timestamp]),
      values.map((_, index) => [index + 1, index]),
    )
    assert.deepEqual(
      read.slice(1).map(({ key, headers: found }) => [String(key), String(found[0]?.value)]),
      values.map((_, index) => [`${index}`, 'test']),
    )
    assert.equal(producer.stats().recordsFailed, 1)
    assert.equal(producer.stats().bufferedBytes, 0)
  }
})

test('options that make no sense are named', () => {
  const cases: [object, RegExp][] = [
    [{ maxInFlight: 6 }, /maxInFlight.*1\.\.5/],
    [{ acks: 'some' }, /acks.*all, leader, none/],
    [{ acks: 'none', idempotent: true }, /idempotent/],
    [{ lingerMs: -1 }, /lingerMs/],
    [{ compression: 'brotli' }, /compression.*zstd/],
    [{ batchBytesMax: 1.5 }, /batchBytesMax/],
  ]
  for (const [options, message] of cases) {
    assert.throws(() => createProducer(client, options), { code: 'INVALID_CONFIG', message })
  }
  assert.throws(() => createProducer({ bootstrap: 'nowhere:99999' }), { code: 'INVALID_CONFIG', message: /bootstrap/ })
})
