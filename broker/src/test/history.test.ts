/** History over the wire: what is deleted, what is left, where it can be cut; with readers in the middle of it. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  AdminService,
  COMMITTED_OFFSETS_FILE,
  decodeCommittedOffsets,
  FetchService,
  isStratalogError,
  ProduceService,
  StratalogError,
  stratalog,
} from '@stratalog/proto'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../testing/index.ts'
import { readUpTo, valuesOf } from '../testing/kept-records.ts'
import { WireClient, waitFor } from '../testing/wire-client.ts'

const TOPIC = 'orders'

async function start(
  t: TestContext,
  configs: Record<string, string> = {},
  options: TestBrokerOptions = {},
): Promise<{ broker: TestBroker; client: WireClient }> {
  const broker = await startTestBroker(options)
  const client = new WireClient(broker.bootstrap)
  t.after(async () => {
    client[Symbol.dispose]()
    await broker[Symbol.asyncDispose]()
  })
  await client.call(AdminService.createTopic, { name: TOPIC, configs })
  return { broker, client }
}

/** A batch of one record each. */
async function produce(client: WireClient, from: number, count: number, valueBytes = 0): Promise<void> {
  for (let i = from; i < from + count; i++) {
    const records = [{ value: Buffer.from(`record ${i}`.padEnd(valueBytes)) }]
    await client.call(ProduceService.produceRecords, { topic: TOPIC, records })
  }
}

async function refusalOf(call: Promise<unknown>): Promise<StratalogError> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof StratalogError, String(error))
  return error
}

test('records are deleted up to an offset, for good, and who asks for them hears what is left', async (t) => {
  const { broker, client } = await start(t)
  await produce(client, 0, 10)
  const request = { topic: TOPIC, partition: 0, beforeOffset: 4 }
  const deleted = await client.call(AdminService.deleteRecords, request)
  const { logStartOffset, previousLogStartOffset, visibleEnd } = deleted
  assert.deepEqual([logStartOffset, previousLogStartOffset, visibleEnd], [4, 0, 10])
  await assert.rejects(readUpTo(client, TOPIC, 10), /offset 0 of orders-0 does not exist.*it has 4 to 10/)
  await broker.restart()
  const stream = client.stream(FetchService.fetchStream)
  for (const [handle, offset] of [
    [1, 3],
    [2, 4],
  ] as const) {
    stream.send({ starts: [{ handle, topic: TOPIC, offset, creditBytes: 1 << 20, endOffset: 10 }] })
  }
  const failed = await stream.next(({ data }) => data.find(({ handle, error }) => handle === 1 && error), 'a refusal')
  assert.equal(failed.error?.reason, 'OFFSET_OUT_OF_RANGE')
  assert.deepEqual([failed.error?.metadata?.['offset'], failed.error?.metadata?.['logStartOffset']], ['3', '4'])
  await stream.next(({ data }) => data.some(({ handle, endReached }) => handle === 2 && endReached), 'the end')
  const left = valuesOf(stream.received.flatMap(({ data }) => data))
  assert.deepEqual(
    left,
    [4, 5, 6, 7, 8, 9].map((i) => `record ${i}`),
  )
  stream.cancel()
})

test('a deletion that makes no sense is refused, and names what does not', async (t) => {
  const { client } = await start(t)
  await produce(client, 0, 3)
  const call = (request: stratalog.v1.DeleteRecordsRequest.$Properties): Promise<StratalogError> =>
    refusalOf(client.call(AdminService.deleteRecords, { topic: TOPIC, ...request }))
  const beyond = await call({ beforeOffset: 4 })
  assert.ok(isStratalogError(beyond, 'OFFSET_OUT_OF_RANGE'))
  assert.deepEqual([beyond.metadata['offset'], beyond.metadata['visibleEnd']], ['4', '3'])
  assert.equal((await call({ beforeOffset: -2 })).metadata['field'], 'before_offset')
  assert.equal((await call({ partition: 1, beforeOffset: 1 })).code, 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal((await call({ topic: 'nowhere', beforeOffset: 1 })).code, 'UNKNOWN_TOPIC_OR_PARTITION')
  assert.equal((await call({ topic: '__consumer_offsets', beforeOffset: 1 })).code, 'INVALID_TOPIC')
  assert.equal((await call({ beforeOffset: 1, topicId: Buffer.alloc(16) })).code, 'UNKNOWN_TOPIC_ID')
  assert.equal((await readUpTo(client, TOPIC, 3)).length, 3)
  const all = await client.call(AdminService.deleteRecords, { topic: TOPIC, beforeOffset: -1, validateOnly: true })
  assert.equal(all.logStartOffset, 3)
  assert.equal((await readUpTo(client, TOPIC, 3)).length, 3)
})

test('ranges are cut on batch boundaries, each query by itself', async (t) => {
  const { client } = await start(t, { 'segment.bytes': '1048576' })
  await produce(client, 0, 120, 10_000)
  const created = await client.call(AdminService.deleteRecords, { topic: TOPIC, beforeOffset: 5 })
  assert.equal(created.logStartOffset, 5)
  const { answers } = await client.call(FetchService.planSplits, {
    queries: [
      { topic: TOPIC, startOffset: -1, endOffset: -1, targetBytes: 200_000 },
      { topic: TOPIC, startOffset: 10, endOffset: 20 },
      { topic: TOPIC, startOffset: 20, endOffset: 20 },
      { topic: TOPIC, startOffset: 0, endOffset: 20 },
      { topic: TOPIC, startOffset: 20, endOffset: 10 },
      { topic: TOPIC, startOffset: 20, endOffset: 1_000 },
      { topic: 'nowhere', startOffset: 0, endOffset: -1 },
      { topic: TOPIC, topicId: Buffer.alloc(16), startOffset: 0, endOffset: -1 },
    ],
  })
  const [all, one, empty, below, reversed, beyond, nowhere, other] = answers
  const splits = all?.splits ?? []
  assert.ok(splits.length >= 4 && splits.length <= 7, `${splits.length} splits`)
  assert.deepEqual([splits[0]?.startOffset, splits.at(-1)?.endOffset], [5, 120])
  for (const [index, split] of splits.entries()) {
    assert.equal(split.startOffset, splits[index - 1]?.endOffset ?? 5)
    assert.equal(split.leaderEpoch, 1)
    assert.ok((split.bytes ?? 0) > 90_000, `${split.bytes} bytes`)
  }
  assert.deepEqual([all?.logStartOffset, all?.visibleEnd, all?.topicId?.length], [5, 120, 16])
  assert.deepEqual(
    one?.splits?.map(({ startOffset, endOffset }) => [startOffset, endOffset]),
    [[10, 20]],
  )
  assert.deepEqual([empty?.splits, empty?.error ?? null], [[], null])
  assert.deepEqual(
    [below, reversed, beyond, nowhere, other].map((answer) => answer?.error?.reason),
    ['OFFSET_OUT_OF_RANGE', 'INVALID_REQUEST', 'OFFSET_OUT_OF_RANGE', 'UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'],
  )
  assert.equal(below?.error?.metadata?.['logStartOffset'], '5')
})

test('a reader that retention overtakes gets what was there, then what is left; nothing else and no silence', async (t) => {
  const settings = { 'retention.check.ms': 100 }
  const { client } = await start(t, { 'segment.bytes': '1048576' }, { settings })
  await produce(client, 0, 100, 50_000)
  const stream = client.stream(FetchService.fetchStream)
  stream.send({ starts: [{ handle: 1, topic: TOPIC, offset: 0, creditBytes: 200_000, endOffset: 100 }] })
  await stream.next(({ data }) => data.some(({ recordBatches }) => (recordBatches?.length ?? 0) > 0), 'data')
  await client.call(AdminService.alterTopicConfig, { name: TOPIC, set: { 'retention.bytes': '1048576' } })
  const failed = await stream.next(({ data }) => data.find(({ error }) => error), 'the end of the reader')
  const { offset, logStartOffset, visibleEnd, reason } = failed.error?.metadata ?? {}
  const given = valuesOf(stream.received.flatMap(({ data }) => data)).map((value) => value.trimEnd())
  assert.deepEqual(
    given,
    Array.from({ length: Number(offset) }, (_, i) => `record ${i}`),
  )
  assert.deepEqual([failed.error?.reason, visibleEnd, reason], ['OFFSET_OUT_OF_RANGE', '100', 'retention'])
  assert.ok(Number(logStartOffset) > Number(offset) && Number(logStartOffset) < 100)
  stream.cancel()
})

test('a replay and a live reader read the same, from the leader or from any copy', async (t) => {
  const { client } = await start(t)
  await produce(client, 0, 50, 1_000)
  const { READ_CLASS_LIVE, READ_CLASS_REPLAY } = stratalog.v1.ReadClass
  const stream = client.stream(FetchService.fetchStream)
  const common = { topic: TOPIC, offset: 0, creditBytes: 1 << 20, endOffset: 50 }
  stream.send({
    starts: [
      { ...common, handle: 1, readClass: READ_CLASS_LIVE },
      { ...common, handle: 2, readClass: READ_CLASS_REPLAY },
      { ...common, handle: 3, readClass: READ_CLASS_REPLAY, anyReplica: true },
    ],
  })
  const ended = (handle: number) =>
    stream.received.some(({ data }) => data.some((d) => d.handle === handle && d.endReached))
  await waitFor(() => [1, 2, 3].every(ended), 'three ends')
  const read = (wanted: number) =>
    valuesOf(stream.received.flatMap(({ data }) => data.filter(({ handle }) => handle === wanted)))
  assert.equal(read(1).length, 50)
  assert.deepEqual(read(2), read(1))
  assert.deepEqual(read(3), read(1))
  stream.cancel()
})

test('who reads the folder without its broker finds how far it is committed', async (t) => {
  const { broker, client } = await start(t)
  await produce(client, 0, 10)
  await client.call(AdminService.deleteRecords, { topic: TOPIC, beforeOffset: 3 })
  const marks = async () => {
    const bytes = await readFile(join(broker.dataDir, COMMITTED_OFFSETS_FILE)).catch(() => Buffer.alloc(0))
    return decodeCommittedOffsets(bytes)?.find(({ topic }) => topic === TOPIC)
  }
  await waitFor(async () => (await marks())?.committedEnd === 11, 'the mark while the broker runs')
  assert.equal((await marks())?.logStartOffset, 3)
  await produce(client, 10, 5)
  await broker.stop()
  assert.deepEqual(
    { ...(await marks()), topicId: '' },
    {
      topic: TOPIC,
      topicId: '',
      partition: 0,
      logStartOffset: 3,
      committedEnd: 16,
    },
  )
})
