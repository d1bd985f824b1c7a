import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stratalog } from '../../generated/messages.js'
import { isStratalogError, StratalogError } from '../stratalog-error.ts'
import { decodeStatusDetails, encodeStatusDetails, fromErrorDetail, toErrorDetail } from './error-detail.ts'
import type { GatheredMessage } from './gathered-message.ts'
import { gatherFetchResponse, gatherProduceRequest } from './payload-codec.ts'

test('int64 fields are plain numbers both ways, up to 2^53 - 1 and down to -1', () => {
  for (const offset of [0, -1, 1, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]) {
    const bytes = stratalog.v1.ProduceAck.encode({ baseOffset: offset, correlationId: Math.abs(offset) }).finish()
    const ack = stratalog.v1.ProduceAck.decode(bytes)
    assert.equal(ack.baseOffset, offset)
    assert.equal(ack.correlationId, Math.abs(offset))
  }
  assert.equal(new stratalog.v1.ProduceAck().baseOffset, 0)
})

test('a gathered ProduceRequest is plain protobuf and its payload is not copied when decoded', () => {
  const request = {
    acks: stratalog.v1.Acks.ACKS_ALL,
    timeoutMs: 30_000,
    batches: [
      { correlationId: 7, topic: 'orders', partition: 3, recordBatch: Buffer.alloc(100_000, 1) },
      { correlationId: 8, topic: 'orders', partition: 4, recordBatch: Buffer.alloc(0) },
      {
        correlationId: 2 ** 40,
        topic: 'ünï',
        partition: 0,
        topicId: Buffer.alloc(16, 9),
        recordBatch: Buffer.from('x'),
      },
    ],
  }
  const bytes = joined(gatherProduceRequest(request))
  const decoded = stratalog.v1.ProduceRequest.decode(bytes)
  const plain = stratalog.v1.ProduceRequest.decode(stratalog.v1.ProduceRequest.encode(request).finish())
  assert.deepEqual(decoded, plain)
  const payload = decoded.batches?.[0]?.recordBatch
  assert.ok(payload)
  assert.equal(payload.buffer, bytes.buffer)
})

test('a gathered FetchResponse is plain protobuf', () => {
  const response = {
    data: [
      { handle: 1, recordBatches: Buffer.alloc(300, 5), nextOffset: 12, highWatermark: 14, visibleEnd: 13 },
      { handle: 2, error: toErrorDetail(new StratalogError('OFFSET_OUT_OF_RANGE')), nextOffset: 0 },
    ],
  }
  const decoded = stratalog.v1.FetchResponse.decode(joined(gatherFetchResponse(response)))
  assert.deepEqual(decoded, stratalog.v1.FetchResponse.decode(stratalog.v1.FetchResponse.encode(response).finish()))
})

test('an error survives the wire in a body and in a trailer', () => {
  const error = new StratalogError('NOT_LEADER_OR_FOLLOWER', 'broker 2 does not lead orders-3', {
    topic: 'orders',
    partition: 3,
    leader: { leaderId: 1, leaderEpoch: 9, host: '127.0.0.1', port: 9400 },
    metadata: { field: 'partition' },
  })
  for (const copy of [fromErrorDetail(toErrorDetail(error)), decodeStatusDetails(encodeStatusDetails(error))]) {
    assert.ok(isStratalogError(copy, 'NOT_LEADER_OR_FOLLOWER'))
    assert.equal(copy.message, error.message)
    assert.equal(copy.topic, 'orders')
    assert.equal(copy.partition, 3)
    assert.deepEqual(copy.leader, error.leader)
    assert.deepEqual(copy.metadata, { field: 'partition' })
    assert.equal(copy.retriable, true)
  }
})

test('an error name from a newer version keeps its text', () => {
  const error = fromErrorDetail({ reason: 'FROM_THE_FUTURE', code: 4242, message: 'too soon' })
  assert.equal(error.code, 'UNKNOWN_SERVER_ERROR')
  assert.match(error.message, /FROM_THE_FUTURE.*too soon/)
})

test('hostile trailers decode to null', () => {
  assert.equal(decodeStatusDetails(Buffer.from('ffffffffff', 'hex')), null)
  assert.equal(decodeStatusDetails(Buffer.alloc(0)), null)
})

function joined(message: GatheredMessage): Buffer {
  return message.toBuffer()
}
