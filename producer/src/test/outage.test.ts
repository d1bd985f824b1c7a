import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startTestBroker } from '@stratalog/broker/testing'
import { createClient } from '@stratalog/client'
import { createProducer, type DeliveryFailure, StratalogError } from '../index.ts'
import { valuesByPartition } from './read-back.ts'

test('restarts of the broker lose nothing, repeat nothing, and keep the order', async () => {
  await using broker = await startTestBroker()
  await using client = createClient({ bootstrap: broker.bootstrap })
  await client.admin.createTopic({ name: 'restarts', partitionCount: 3 })
  await using producer = createProducer(client)
  const acks: ReturnType<typeof producer.send>[] = []
  let sending = true
  const sender = (async () => {
    while (sending) {
      for (let count = 0; count < 20; count++) {
        const index = acks.length
        acks.push(producer.send({ topic: 'restarts', value: `${index}`, partition: index % 3 }))
      }
      await new Promise((resolve) => setImmediate(resolve))
      if (producer.stats().outstandingBatchCount > 200) await producer.flush()
    }
  })()
  for (let restart = 0; restart < 3; restart++) {
    const { recordsAcknowledged } = producer.stats()
    await waitFor(() => producer.stats().recordsAcknowledged > recordsAcknowledged + 500)
    await broker.restart()
  }
  sending = false
  await sender
  const offsets = (await Promise.all(acks)).map(({ offset }) => offset)
  assert.ok(offsets.every((offset) => offset >= 0))
  const written = await valuesByPartition(client, 'restarts')
  for (let partition = 0; partition < 3; partition++) {
    const expected = acks.map((_, index) => index).filter((index) => index % 3 === partition)
    assert.deepEqual(written[partition]?.map(Number), expected)
  }
})

test('a broker that is down at first is waited for', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'stratalog-late-'))
  const broker = await startTestBroker({ dataDir })
  await using client = createClient({ bootstrap: broker.bootstrap })
  await client.admin.createTopic({ name: 'late', partitionCount: 1 })
  await broker.stop()
  await using early = createProducer({ bootstrap: broker.bootstrap })
  const acks = Array.from({ length: 10 }, (_, index) => early.send({ topic: 'late', value: `${index}` }))
  await new Promise((resolve) => setTimeout(resolve, 100))
  await broker.restart()
  assert.deepEqual(
    (await Promise.all(acks)).map(({ offset }) => offset),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  await early.close()
  await client.close()
  await broker[Symbol.asyncDispose]()
  await rm(dataDir, { recursive: true })
})

test('what cannot be delivered in time fails with DELIVERY_TIMED_OUT and its cause, known topic or not', async () => {
  const broker = await startTestBroker()
  const { bootstrap } = broker
  await using client = createClient({ bootstrap })
  await client.admin.createTopic({ name: 'timing-out', partitionCount: 1 })
  const failures: DeliveryFailure[] = []
  await using producer = createProducer(client, {
    deliveryTimeoutMs: 400,
    onError: (failure) => failures.push(failure),
  })
  await producer.send({ topic: 'timing-out', value: 'first' })
  await broker[Symbol.asyncDispose]()
  producer.enqueue({ topic: 'timing-out', value: 'unawaited' })
  await assert.rejects(producer.send({ topic: 'timing-out', value: 'second' }), (error) => {
    assert.ok(error instanceof StratalogError)
    assert.equal(error.code, 'DELIVERY_TIMED_OUT')
    return true
  })
  assert.deepEqual(
    failures.map(({ topic, recordCount, error }) => [topic, recordCount, error.code]),
    [['timing-out', 1, 'DELIVERY_TIMED_OUT']],
  )
  await using stranger = createProducer({ bootstrap }, { deliveryTimeoutMs: 300 })
  await assert.rejects(stranger.send({ topic: 'timing-out', value: 'x' }), (error) => {
    assert.ok(error instanceof StratalogError)
    assert.equal(error.code, 'DELIVERY_TIMED_OUT')
    assert.match(error.message, new RegExp(bootstrap.replaceAll('.', '\\.')))
    return true
  })
})

test('a host that accepts connections and says nothing does not hold up close', async () => {
  const mute = createServer((socket) => socket.on('error', () => {}).resume())
  const port = await new Promise<number>((resolve) => {
    mute.listen(0, '127.0.0.1', () => resolve((mute.address() as { port: number }).port))
  })
  const producer = createProducer({ bootstrap: `127.0.0.1:${port}` })
  const lost = assert.rejects(producer.send({ topic: 't', value: 'x' }), { code: 'CLIENT_CLOSED' })
  const startedMs = Date.now()
  await producer.close({ timeoutMs: 50 })
  await lost
  assert.ok(Date.now() - startedMs < 1_000)
  mute.close()
})

test('a topic that is deleted fails what was sent to it; created again it takes new records', async () => {
  await using broker = await startTestBroker()
  await using client = createClient({ bootstrap: broker.bootstrap })
  await using producer = createProducer(client)
  await client.admin.createTopic({ name: 'again', partitionCount: 1 })
  for (let index = 0; index < 3; index++) await producer.send({ topic: 'again', value: `old ${index}` })
  await client.admin.deleteTopic('again')
  await assert.rejects(producer.send({ topic: 'again', value: 'gone' }), { code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  await client.admin.createTopic({ name: 'again', partitionCount: 1 })
  const ack = await producer.send({ topic: 'again', value: 'new' })
  assert.equal(ack.offset, 0)
  await client.admin.deleteTopic('again')
  await client.admin.createTopic({ name: 'again', partitionCount: 1 })
  assert.equal((await producer.send({ topic: 'again', value: 'newer' })).offset, 0)
  assert.deepEqual(await valuesByPartition(client, 'again'), [['newer']])
})

async function waitFor(condition: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 20_000
  while (!condition()) {
    assert.ok(Date.now() < deadlineMs, 'condition not met in time')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
