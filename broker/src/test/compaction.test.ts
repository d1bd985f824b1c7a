/** Compacted topics as clients meet them: settings, refusals, and a broker that compacts by itself, over a restart. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdminService, FetchService, isStratalogError, ProduceService } from '@stratalog/proto'
import { keyedClientBatch } from '../testing/client-batches.ts'
import { startTestBroker } from '../testing/index.ts'
import { valuesOf } from '../testing/kept-records.ts'
import { WireClient, waitFor } from '../testing/wire-client.ts'

const KEYED = { 'cleanup.policy': 'compact', 'segment.bytes': String(1024 * 1024), 'min.cleanable.dirty.ratio': '0.1' }

test('a policy that does not exist is refused by name, and one that does can be changed', async () => {
  await using broker = await startTestBroker()
  using client = new WireClient(broker.bootstrap)
  const create = (configs: Record<string, string>) => client.call(AdminService.createTopic, { name: 't', configs })
  for (const policy of ['shrink', 'Compact', 'compact delete', '']) {
    await assert.rejects(create({ 'cleanup.policy': policy }), (error: unknown) => {
      assert.ok(isStratalogError(error, 'INVALID_CONFIG'))
      assert.match(error.message, /cleanup\.policy is ".*"; it must be delete or compact or compact,delete/)
      assert.equal(error.metadata['value'], policy)
      return true
    })
  }
  for (const ratio of ['1.1', '-0.1', '.5', 'half']) {
    await assert.rejects(create({ 'min.cleanable.dirty.ratio': ratio }), (error: unknown) => {
      assert.ok(isStratalogError(error, 'INVALID_CONFIG'))
      assert.match(error.message, /it must be a number from 0 to 1/)
      return true
    })
  }
  await create({})
  const effective = async (): Promise<Record<string, string>> => {
    const { entries } = await client.call(AdminService.describeTopicConfig, { name: 't' })
    return Object.fromEntries(entries.map(({ key = '', value = '' }) => [key, value]))
  }
  const defaults = await effective()
  assert.equal(defaults['cleanup.policy'], 'delete')
  assert.equal(defaults['min.compaction.lag.ms'], '0')
  assert.equal(defaults['delete.retention.ms'], '86400000')
  assert.equal(defaults['min.cleanable.dirty.ratio'], '0.5')
  await client.call(AdminService.alterTopicConfig, { name: 't', set: { 'cleanup.policy': 'compact,delete' } })
  assert.equal((await effective())['cleanup.policy'], 'compact,delete')
  const { acks } = await client.call(ProduceService.produceRecords, {
    topic: 't',
    records: [{ value: Buffer.from('x') }],
  })
  assert.equal(acks[0]?.error?.reason, 'INVALID_RECORD')
})

test('a broker compacts what is due, in a thread of its own, and serves the same last values', async () => {
  await using broker = await startTestBroker({ settings: { 'log.cleaner.backoff.ms': 100 } })
  using client = new WireClient(broker.bootstrap)
  await client.call(AdminService.createTopic, { name: 'keyed', configs: KEYED })
  const produce = client.stream(ProduceService.produceStream)
  const last = new Map<string, string>()
  let correlationId = 0
  const write = async (batchCount: number): Promise<void> => {
    for (let index = 0; index < batchCount; index++) {
      const records = Array.from({ length: 100 }, (_, each): [string, string] => {
        const key = `key ${(correlationId * 37 + each) % 250}`
        const value = `${key}=${correlationId} ${'.'.repeat(200)}`
        last.set(key, value)
        return [key, value]
      })
      const recordBatch = keyedClientBatch(records, correlationId % 2 === 0 ? 'none' : 'zstd')
      produce.send({ batches: [{ correlationId: ++correlationId, topic: 'keyed', partition: 0, recordBatch }] })
    }
    await produce.next((message) => message.acks.find((ack) => ack.correlationId === correlationId), 'the last answer')
  }
  const logBytes = async (): Promise<number> => {
    const { partitions } = await client.call(AdminService.describePartitions, { topics: ['keyed'] })
    return Number(partitions[0]?.logBytes ?? 0)
  }
  const check = async (): Promise<number> => {
    const values = await readAll(client, correlationId * 100)
    const found = new Map(values.map((value) => [value.slice(0, value.indexOf('=')), value]))
    assert.deepEqual(found, last)
    return values.length
  }
  await write(300)
  const full = correlationId * 100
  await waitFor(async () => (await logBytes()) < 1.6 * 1024 * 1024, 'a compaction')
  await check()
  await broker.restart()
  assert.ok((await check()) < full / 2, 'after a restart nothing is in memory')
  produce.cancel()
})

/** Values of all records of the topic below `endOffset`. */
async function readAll(client: WireClient, endOffset: number): Promise<string[]> {
  const stream = client.stream(FetchService.fetchStream)
  stream.send({ starts: [{ handle: 1, topic: 'keyed', partition: 0, offset: 0, creditBytes: 16 << 20, endOffset }] })
  await stream.next((message) => message.data.some((data) => data.endReached), 'the end of the topic')
  stream.cancel()
  return valuesOf(stream.received.flatMap((message) => message.data))
}
