/** Bad input in requests: each gets its typed error, the stream goes on, and nothing acknowledged is lost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdminService, ERRORS, type ErrorName, FetchService, isStratalogError, ProduceService } from '@stratalog/proto'
import { crc32c, encodeLeaderChange, RecordBatchBuilder } from '@stratalog/proto/records'
import { KeptRecords } from '../testing/kept-records.ts'

const CRC_POSITION = 17
const ATTRIBUTES_POSITION = 21

function soundBatch(values: readonly string[] = ['a', 'b']): Buffer {
  const builder = new RecordBatchBuilder()
  for (const value of values) builder.append({ key: 'k', value, timestamp: 1000 })
  return builder.buildSync()
}

/** A sound batch with some bytes changed and, unless told otherwise, a CRC that fits. */
function changed(change: (batch: Buffer) => void, options: { fixCrc: boolean } = { fixCrc: true }): Buffer {
  const batch = soundBatch()
  change(batch)
  if (options.fixCrc) batch.writeUInt32BE(crc32c(batch, ATTRIBUTES_POSITION), CRC_POSITION)
  return batch
}

interface BadBatch {
  readonly what: string
  readonly batch: Buffer
  readonly topic?: string
  readonly partition?: number
  readonly topicId?: Buffer
  readonly error: ErrorName
}

const BAD_BATCHES: readonly BadBatch[] = [
  { what: 'unknown topic', topic: 'nowhere', batch: soundBatch(), error: 'UNKNOWN_TOPIC_OR_PARTITION' },
  { what: 'no topic', topic: '', batch: soundBatch(), error: 'INVALID_REQUEST' },
  { what: 'a topic name of a path', topic: '../kept', batch: soundBatch(), error: 'UNKNOWN_TOPIC_OR_PARTITION' },
  { what: 'partition beyond the last', partition: 1, batch: soundBatch(), error: 'UNKNOWN_TOPIC_OR_PARTITION' },
  { what: 'negative partition', partition: -1, batch: soundBatch(), error: 'UNKNOWN_TOPIC_OR_PARTITION' },
  { what: 'another topic id', topicId: Buffer.alloc(16, 7), batch: soundBatch(), error: 'UNKNOWN_TOPIC_ID' },
  { what: 'a topic id of 5 bytes', topicId: Buffer.alloc(5), batch: soundBatch(), error: 'INVALID_REQUEST' },
  { what: 'no bytes', batch: Buffer.alloc(0), error: 'INVALID_REQUEST' },
  { what: 'batch over the limit', batch: soundBatch(['x'.repeat(3000)]), error: 'MESSAGE_TOO_LARGE' },
  {
    what: 'corrupt CRC',
    batch: changed((b) => b.writeUInt8(b[65]! ^ 1, 65), { fixCrc: false }),
    error: 'CORRUPT_MESSAGE',
  },
  { what: 'wrong magic 1', batch: changed((b) => b.writeInt8(1, 16)), error: 'CORRUPT_MESSAGE' },
  { what: 'wrong magic 3', batch: changed((b) => b.writeInt8(3, 16)), error: 'CORRUPT_MESSAGE' },
  { what: 'unknown codec', batch: changed((b) => b.writeInt16BE(6, 21)), error: 'UNSUPPORTED_COMPRESSION_TYPE' },
  { what: 'fewer records than its offsets', batch: changed((b) => b.writeInt32BE(1, 57)), error: 'CORRUPT_MESSAGE' },
  { what: 'negative record count', batch: changed((b) => b.writeInt32BE(-2, 57)), error: 'CORRUPT_MESSAGE' },
  { what: 'negative last offset delta', batch: changed((b) => b.writeInt32BE(-1, 23)), error: 'CORRUPT_MESSAGE' },
  { what: 'truncated batch', batch: soundBatch().subarray(0, 70), error: 'CORRUPT_MESSAGE' },
  { what: 'half a header', batch: soundBatch().subarray(0, 20), error: 'CORRUPT_MESSAGE' },
  { what: 'bytes behind the batch', batch: Buffer.concat([soundBatch(), Buffer.from('x')]), error: 'CORRUPT_MESSAGE' },
  { what: 'two batches', batch: Buffer.concat([soundBatch(), soundBatch()]), error: 'CORRUPT_MESSAGE' },
  { what: 'negative size', batch: changed((b) => b.writeInt32BE(-5, 8)), error: 'CORRUPT_MESSAGE' },
  { what: 'absurd size', batch: changed((b) => b.writeInt32BE(2 ** 31 - 1, 8)), error: 'CORRUPT_MESSAGE' },
  { what: 'noise', batch: Buffer.alloc(500, 0xa5), error: 'CORRUPT_MESSAGE' },
  {
    what: 'a control batch',
    batch: encodeLeaderChange({ leaderId: 1, voterIds: [1], timestamp: 1 }),
    error: 'INVALID_RECORD',
  },
  {
    what: 'a transactional batch',
    batch: changed((b) => {
      b.writeInt16BE(0x10, 21)
      b.fill(0, 43, 57)
    }),
    error: 'INVALID_RECORD',
  },
]

test('every bad batch is answered with its error, the good ones between them are written', async (t) => {
  const kept = await KeptRecords.start(t)
  await kept.client.call(AdminService.alterTopicConfig, { name: 'kept', set: { 'max.message.bytes': '2048' } })
  await kept.client.call(AdminService.createTopic, { name: 'beside' })
  const stream = kept.client.stream(ProduceService.produceStream)
  for (const [i, { batch, topic = 'kept', partition = 0, topicId }] of BAD_BATCHES.entries()) {
    const bad = { correlationId: i, topic, partition, recordBatch: batch, ...(topicId ? { topicId } : {}) }
    const good = { correlationId: 1000 + i, topic: 'beside', partition: 0, recordBatch: soundBatch([`good ${i}`]) }
    stream.send({ batches: [bad, good] })
  }
  for (const [i, { what, error }] of BAD_BATCHES.entries()) {
    const ack = await stream.next(
      (message) => message.acks.find((one) => one.correlationId === i),
      `the answer to ${what}`,
    )
    assert.equal(ack.error?.reason, error, `${what}: ${ack.error?.message}`)
    assert.equal(ack.error?.code, ERRORS[error].code)
    const good = await stream.next(
      (message) => message.acks.find((one) => one.correlationId === 1000 + i),
      'the good one',
    )
    assert.equal(good.error ?? null, null)
    assert.equal(good.baseOffset, i)
  }
  const tooLarge = stream.received.flatMap((message) => message.acks).find((ack) => ack.correlationId === 8)
  assert.equal(tooLarge?.error?.metadata?.['limit'], '2048')
  stream.halfClose()
  assert.equal(await stream.end(), null)
  await kept.assertUnharmed()
  await kept.broker.restart()
  await kept.assertUnharmed()
})

test('bad topic names and counts are refused with a reason', async (t) => {
  const kept = await KeptRecords.start(t)
  const { client } = kept
  for (const name of ['', '.', '..', 'a/b', 'ü', 'a b', 'a\0b', 'x'.repeat(250), '../../etc', '__internal']) {
    assert.equal((await client.failure(AdminService.createTopic, { name })).code, 'INVALID_TOPIC', name)
  }
  assert.equal((await client.failure(AdminService.createTopic, { name: 'kept' })).code, 'TOPIC_ALREADY_EXISTS')
  for (const partitionCount of [-1, 10_001, 2 ** 31 - 1]) {
    const error = await client.failure(AdminService.createTopic, { name: 'n', partitionCount })
    assert.equal(error.code, 'INVALID_PARTITIONS')
  }
  const error = await client.failure(AdminService.createTopic, { name: 'n', replicationFactor: 3 })
  assert.equal(error.code, 'INVALID_REPLICATION_FACTOR')
  assert.equal((await client.failure(AdminService.deleteTopic, { name: 'n' })).code, 'UNKNOWN_TOPIC_OR_PARTITION')
  const shrunk = await client.failure(AdminService.addPartitions, { name: 'kept', partitionCount: 1 })
  assert.equal(shrunk.code, 'INVALID_PARTITIONS')
  await kept.assertUnharmed()
})

test('offsets out of range are errors that say what exists, and leave the stream open', async (t) => {
  const kept = await KeptRecords.start(t)
  const stream = kept.client.stream(FetchService.fetchStream)
  const offsets = [4, -1, Number.MAX_SAFE_INTEGER]
  stream.send({ starts: offsets.map((offset, handle) => ({ handle, topic: 'kept', offset, creditBytes: 1000 })) })
  for (const [handle, offset] of offsets.entries()) {
    const { error } = await stream.next((message) => message.data.find((data) => data.handle === handle), 'an answer')
    assert.equal(error?.reason, 'OFFSET_OUT_OF_RANGE')
    assert.equal(error?.metadata?.['offset'], String(offset))
    assert.equal(error?.metadata?.['visibleEnd'], '3')
    assert.equal(error?.metadata?.['logStartOffset'], '0')
  }
  stream.send({ starts: [{ handle: 9, topic: 'kept', offset: 3, creditBytes: 1000 }] })
  await stream.next((message) => message.data.find((data) => data.handle === 9 && !data.error), 'the good handle')
  stream.send({ starts: [{ handle: 9, topic: 'kept', offset: 3, creditBytes: 1000 }] })
  assert.ok(isStratalogError(await stream.end(), 'INVALID_REQUEST'))
  await kept.assertUnharmed()
})
