/** The broker as clients meet it: every service over real gRPC, across restarts and stops. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  AdminService,
  FetchService,
  HealthService,
  isStratalogError,
  MetadataService,
  ProduceService,
  stratalog,
} from '@stratalog/proto'
import { RecordBatchBuilder } from '@stratalog/proto/records'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../testing/index.ts'
import { readUpTo, valuesOf } from '../testing/kept-records.ts'
import { WireClient, waitFor } from '../testing/wire-client.ts'

const { OffsetAnchor, Durability, ConfigSource } = stratalog.v1

async function start(
  t: TestContext,
  options: TestBrokerOptions = {},
): Promise<{ broker: TestBroker; client: WireClient }> {
  const broker = await startTestBroker(options)
  const client = new WireClient(broker.bootstrap)
  t.after(async () => {
    client[Symbol.dispose]()
    await broker[Symbol.asyncDispose]()
  })
  return { broker, client }
}

function batchOf(
  values: readonly string[],
  producer: { producerId: number; baseSequence: number } | null = null,
): Buffer {
  const builder = new RecordBatchBuilder()
  for (const [i, value] of values.entries()) builder.append({ key: null, value, timestamp: 1000 + i })
  return builder.buildSync(producer === null ? {} : { ...producer, producerEpoch: 0 })
}

test('records go in through a stream and come out of one, before and after a restart', async (t) => {
  const { broker, client } = await start(t)
  const created = await client.call(AdminService.createTopic, { name: 'orders', partitionCount: 2 })
  assert.equal(created.topic?.partitions?.length, 2)
  assert.equal(created.topic?.partitions?.[1]?.leader?.leaderId, 1)
  assert.equal(created.topic?.partitions?.[1]?.leader?.endpoint?.port, broker.broker.address.port)
  const produce = client.stream(ProduceService.produceStream)
  produce.send({ batches: [{ correlationId: 1, topic: 'orders', partition: 0, recordBatch: batchOf(['a', 'b']) }] })
  produce.send({ batches: [{ correlationId: 2, topic: 'orders', partition: 0, recordBatch: batchOf(['c']) }] })
  const ack = await produce.next((message) => message.acks.find((one) => one.correlationId === 2), 'the second answer')
  assert.equal(ack.error ?? null, null)
  assert.equal(ack.baseOffset, 2)
  assert.equal(ack.durability, Durability.DURABILITY_FSYNCED)
  assert.equal(ack.logAppendTimeMs, -1)
  produce.halfClose()
  assert.equal(await produce.end(), null)
  assert.deepEqual(await readUpTo(client, 'orders', 3), ['a', 'b', 'c'])
  await broker.restart()
  assert.deepEqual(await readUpTo(client, 'orders', 3), ['a', 'b', 'c'])
})

test('a follower of the log is pushed what is committed while it waits', async (t) => {
  const { client } = await start(t)
  await client.call(AdminService.createTopic, { name: 'live' })
  const stream = client.stream(FetchService.fetchStream)
  stream.send({ starts: [{ handle: 7, topic: 'live', partition: 0, offset: 0, creditBytes: 1 << 20 }] })
  const first = await stream.next((message) => message.data[0], 'the first answer')
  assert.deepEqual([first.handle, first.nextOffset, first.visibleEnd, first.logStartOffset], [7, 0, 0, 0])
  await client.call(ProduceService.produceRecords, { topic: 'live', records: [{ value: Buffer.from('now') }] })
  await stream.next((message) => message.data.some((data) => (data.recordBatches?.length ?? 0) > 0), 'data')
  assert.deepEqual(valuesOf(stream.received.flatMap((message) => message.data)), ['now'])
  stream.cancel()
})

test('plain records: by key as Kafka does, by partition, keyless to one partition', async (t) => {
  const { client } = await start(t)
  await client.call(AdminService.createTopic, { name: 'plain', partitionCount: 6 })
  const keyed = await client.call(ProduceService.produceRecords, {
    topic: 'plain',
    records: ['21', 'abc', '21'].map((key) => ({ key: Buffer.from(key), value: Buffer.from(key) })),
  })
  assert.deepEqual(
    keyed.acks.map((ack) => [ack.partition, ack.offset, ack.durability]),
    [
      [(-973932308 & 0x7fffffff) % 6, 0, Durability.DURABILITY_FSYNCED],
      [479470107 % 6, 0, Durability.DURABILITY_FSYNCED],
      [(-973932308 & 0x7fffffff) % 6, 1, Durability.DURABILITY_FSYNCED],
    ],
  )
  const records = [{ value: Buffer.from('x'), timestampMs: 5 }, { headers: [{ key: 'h', value: Buffer.from('v') }] }]
  const placed = await client.call(ProduceService.produceRecords, { topic: 'plain', partition: 5, records })
  assert.deepEqual(
    placed.acks.map((ack) => ack.partition),
    [5, 5],
  )
  assert.equal(placed.acks[0]?.timestampMs, 5)
  const keyless = await client.call(ProduceService.produceRecords, { topic: 'plain', records })
  assert.equal(new Set(keyless.acks.map((ack) => ack.partition)).size, 1)
})

test('producer ids are unique, also across a restart; duplicates are recognised', async (t) => {
  const { broker, client } = await start(t)
  await client.call(AdminService.createTopic, { name: 'once' })
  const init = () => client.call(ProduceService.initProducerId, { producerId: -1, producerEpoch: -1 })
  const first = await init()
  assert.equal(first.producerEpoch, 0)
  assert.notEqual((await init()).producerId, first.producerId)
  const bumped = await client.call(ProduceService.initProducerId, first)
  assert.deepEqual([bumped.producerId, bumped.producerEpoch], [first.producerId, 1])
  const send = async (correlationId: number) => {
    const stream = client.stream(ProduceService.produceStream)
    const recordBatch = batchOf(['only'], { producerId: first.producerId, baseSequence: 0 })
    stream.send({ batches: [{ correlationId, topic: 'once', partition: 0, recordBatch }] })
    const ack = await stream.next((message) => message.acks[0], 'the answer')
    stream.cancel()
    return ack
  }
  assert.equal((await send(1)).duplicate, false)
  await broker.restart()
  const again = await send(2)
  assert.deepEqual([again.duplicate, again.baseOffset, again.error ?? null], [true, 0, null])
  assert.ok((await init()).producerId > bumped.producerId)
})

test('topics: create, describe, configure, grow, delete; nothing happens when only validated', async (t) => {
  const { client } = await start(t, {
    settings: { 'topic.defaults.partition.count': 3, 'topic.defaults.retention.ms': '5000' },
  })
  await client.call(AdminService.createTopic, { name: 'draft', validateOnly: true })
  const all = await client.call(MetadataService.describeTopics, {})
  assert.deepEqual(all.topics, [])
  await client.call(AdminService.createTopic, { name: 't', configs: { 'segment.bytes': '2097152' } })
  await client.call(AdminService.alterTopicConfig, { name: 't', set: { 'flush.policy': 'replicated' } })
  const { entries } = await client.call(AdminService.describeTopicConfig, { name: 't' })
  const byKey = new Map(entries.map((entry) => [entry.key, [entry.value, entry.source]]))
  assert.deepEqual(byKey.get('flush.policy'), ['replicated', ConfigSource.CONFIG_SOURCE_TOPIC])
  assert.deepEqual(byKey.get('retention.ms'), ['5000', ConfigSource.CONFIG_SOURCE_BROKER])
  assert.deepEqual(byKey.get('retention.bytes'), ['-1', ConfigSource.CONFIG_SOURCE_DEFAULT])
  const grown = await client.call(AdminService.addPartitions, { name: 't', partitionCount: 5 })
  assert.equal(grown.topic?.partitions?.length, 5)
  const { topicId } = await client.call(AdminService.deleteTopic, { name: 't' })
  assert.deepEqual(Buffer.from(topicId), Buffer.from(grown.topic?.topicId ?? []))
  const described = await client.call(MetadataService.describeTopics, { topics: ['t'] })
  assert.equal(described.topics[0]?.error?.reason, 'UNKNOWN_TOPIC_OR_PARTITION')
  const error = await client.failure(AdminService.createTopic, { name: 'u', configs: { 'retention.mss': '1' } })
  assert.equal(error.code, 'INVALID_CONFIG')
  assert.match(error.message, /retention\.ms/)
})

test('offsets by position and time', async (t) => {
  const { client } = await start(t)
  await client.call(AdminService.createTopic, { name: 't' })
  const records = [1000, 3000, 2000].map((timestampMs) => ({ value: Buffer.from('v'), timestampMs }))
  await client.call(ProduceService.produceRecords, { topic: 't', records })
  const query = { topic: 't', partition: 0 }
  const { answers } = await client.call(FetchService.listOffsets, {
    queries: [
      { ...query, anchor: OffsetAnchor.OFFSET_ANCHOR_EARLIEST },
      { ...query, anchor: OffsetAnchor.OFFSET_ANCHOR_LATEST },
      { ...query, anchor: OffsetAnchor.OFFSET_ANCHOR_MAX_TIMESTAMP },
      { ...query, timestampMs: 1001 },
      { ...query, timestampMs: 0 },
      { ...query, timestampMs: 9999 },
      { ...query, partition: 4, anchor: OffsetAnchor.OFFSET_ANCHOR_LATEST },
      query,
    ],
  })
  assert.deepEqual(
    answers.map((answer) => [answer.offset, answer.timestampMs, answer.error?.reason]),
    [
      [0, -1, undefined],
      [3, -1, undefined],
      [1, 3000, undefined],
      [1, 3000, undefined],
      [0, 1000, undefined],
      [-1, -1, undefined],
      [-1, -1, 'UNKNOWN_TOPIC_OR_PARTITION'],
      [-1, -1, 'INVALID_REQUEST'],
    ],
  )
})

test('a watch tells of topics at once and of every change', async (t) => {
  const { client } = await start(t)
  const watch = client.watch(MetadataService.watchTopics, {})
  await watch.next((message) => message.brokers.length === 1 && message.topics.length === 0, 'the first answer')
  await client.call(AdminService.createTopic, { name: 'new' })
  await watch.next(
    (message) => message.topics.find((topic) => topic.partitions?.[0]?.leader?.leaderId === 1),
    'the topic',
  )
  const seen = watch.received.length
  await client.call(AdminService.deleteTopic, { name: 'new' })
  await waitFor(() => watch.received.slice(seen).some((message) => message.topics.length === 0), 'the deletion')
  watch.cancel()
})

test('the cluster describes itself; an advertised address is what clients are told', async (t) => {
  const { broker, client } = await start(t, { settings: { 'broker.rack': 'r1', 'broker.id': 4 } })
  const cluster = await client.call(MetadataService.describeCluster, {})
  assert.equal(cluster.brokerId, 4)
  assert.deepEqual(cluster.problems, [])
  assert.equal(cluster.clusterId, broker.broker.clusterId)
  const [own] = cluster.brokers
  assert.equal(own?.pid, process.pid)
  assert.deepEqual(
    { ...own?.endpoint },
    { brokerId: 4, host: '127.0.0.1', port: broker.broker.address.port, rack: 'r1' },
  )
  const other = await start(t, { settings: { advertised: 'log.example.org:9400' } })
  const described = await other.client.call(MetadataService.describeCluster, {})
  assert.equal(described.brokers[0]?.endpoint?.host, 'log.example.org')
})

test('health: the whole, each service, unknown names, and news of a stop', async (t) => {
  const { broker, client } = await start(t)
  assert.equal((await client.call(HealthService.check, {})).status, 1)
  assert.equal((await client.call(HealthService.check, { service: 'stratalog.v1.Fetch' })).status, 1)
  assert.equal((await client.failure(HealthService.check, { service: 'x.Y' })).code, 'UNKNOWN_SERVICE')
  const watch = client.watch(HealthService.watch, { service: '' })
  await watch.next((message) => message.status === 1, 'SERVING')
  await broker.stop()
  assert.ok(watch.received.some((message) => message.status === 2))
  assert.ok(isStratalogError(await watch.end(), 'SHUTTING_DOWN'))
})

test('reflection lists the services', async (t) => {
  const { client } = await start(t, { settings: { 'reflection.enabled': true } })
  const method = {
    path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    requestStream: true,
    responseStream: true,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  }
  const listServices = Buffer.from([0x3a, 0x00])
  await waitFor(async () => {
    const stream = client.stream(method)
    stream.send(listServices)
    const answer = await stream.next((bytes) => bytes, 'an answer').catch(() => null)
    stream.cancel()
    return answer?.includes('stratalog.v1.Produce') === true && answer.includes('grpc.health.v1.Health')
  }, 'the list of services')
})

test('a stop answers what is under way, ends streams with SHUTTING_DOWN and loses nothing', async (t) => {
  const { broker, client } = await start(t)
  await client.call(AdminService.createTopic, { name: 't' })
  const produce = client.stream(ProduceService.produceStream)
  const fetch = client.stream(FetchService.fetchStream)
  fetch.send({ starts: [{ handle: 1, topic: 't', partition: 0, offset: 0, creditBytes: 1000 }] })
  await fetch.next((message) => message.data[0], 'the first answer')
  for (let i = 1; i <= 200; i++) {
    produce.send({ batches: [{ correlationId: i, topic: 't', partition: 0, recordBatch: batchOf([`v${i}`]) }] })
  }
  await produce.next((message) => message.acks.length > 0, 'an answer')
  const stopped = broker.stop()
  assert.ok(isStratalogError(await produce.end(), 'SHUTTING_DOWN'))
  assert.ok(isStratalogError(await fetch.end(), 'SHUTTING_DOWN'))
  await stopped
  const acknowledged = produce.received.flatMap((message) => message.acks).filter((ack) => !ack.error)
  await broker.restart()
  const { answers } = await client.call(FetchService.listOffsets, {
    queries: [{ topic: 't', partition: 0, anchor: OffsetAnchor.OFFSET_ANCHOR_LATEST }],
  })
  assert.ok((answers[0]?.offset ?? 0) >= acknowledged.length)
  const values = await readUpTo(client, 't', answers[0]?.offset ?? 0)
  for (const ack of acknowledged) assert.equal(values[ack.baseOffset ?? -1], `v${ack.correlationId}`)
})
