import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ERRORS, isStratalogError, StratalogError, stratalog } from '@stratalog/proto'
import type { ProduceOptions, ProduceOutcome } from '../../partition/produce-outcome.ts'
import { MemoryStreamCall, memoryConnection } from '../../testing/memory-stream-call.ts'
import { ByteBudget } from '../byte-budget.ts'
import { ProduceSession, type ProduceSessionOptions } from './produce-session.ts'

interface Produced {
  readonly batch: Buffer
  readonly options: ProduceOptions
  readonly done: (outcome: ProduceOutcome) => void
}

const OK: ProduceOutcome = {
  kind: 'ok',
  baseOffset: 7,
  leaderEpoch: 3,
  logAppendTimeMs: -1,
  logStartOffset: 0,
  durability: 'fsynced',
  duplicate: false,
}

function open(
  options: {
    readonly connectionBytes?: number
    readonly brokerBytes?: number
    readonly tellError?: ProduceSessionOptions['tellError']
  } = {},
) {
  const produced: Produced[] = []
  const budget = new ByteBudget(options.brokerBytes ?? 1e9)
  const call = new MemoryStreamCall<stratalog.v1.ProduceRequest, stratalog.v1.ProduceResponse.$Properties>(
    memoryConnection(options.connectionBytes ?? 1e9),
  )
  const session = new ProduceSession({
    call,
    lookup: (topic) =>
      topic === 'known'
        ? { produce: (batch, produceOptions, done) => produced.push({ batch, options: produceOptions, done }) }
        : new StratalogError('UNKNOWN_TOPIC_OR_PARTITION'),
    tellError: options.tellError ?? ((error, tell) => tell(error)),
    budget,
    defaultTimeoutMs: 30_000,
    maxTimeoutMs: 60_000,
  })
  const send = (
    correlationId: number,
    fields: stratalog.v1.ProduceRequest.$Properties = {},
    topic = 'known',
    bytes = 100,
  ) =>
    call.send(
      new stratalog.v1.ProduceRequest({
        ...fields,
        batches: [{ correlationId, topic, partition: 0, recordBatch: Buffer.alloc(bytes, 1) }],
      }),
    )
  const answers = () => call.take().flatMap((message) => message.acks ?? [])
  return { call, session, produced, send, answers, budget }
}

test('batches go to the partition with their options; answers of one turn share a message', async () => {
  const { call, produced, send } = open()
  send(1, { timeoutMs: 99_999_999 })
  send(2, { acks: stratalog.v1.Acks.ACKS_LEADER })
  assert.deepEqual(
    produced.map(({ options }) => options),
    [
      { acks: 'all', timeoutMs: 60_000 },
      { acks: 'leader', timeoutMs: 30_000 },
    ],
  )
  for (const { done } of produced) done(OK)
  await nextTurn()
  assert.equal(call.written.length, 1)
  const [message] = call.take()
  assert.deepEqual(
    message?.acks?.map((ack) => [ack.correlationId, ack.baseOffset, ack.durability]),
    [
      [1, 7, stratalog.v1.Durability.DURABILITY_FSYNCED],
      [2, 7, stratalog.v1.Durability.DURABILITY_FSYNCED],
    ],
  )
})

test('a bad batch is answered by its number and the stream goes on', async () => {
  const { call, send, answers, produced } = open()
  send(1, {}, 'unknown')
  send(2, {}, '')
  send(3, {}, 'known', 0)
  send(4)
  produced[0]?.done(OK)
  await nextTurn()
  assert.deepEqual(
    answers().map((ack) => [ack.correlationId, ack.error?.reason]),
    [
      [1, 'UNKNOWN_TOPIC_OR_PARTITION'],
      [2, 'INVALID_REQUEST'],
      [3, 'INVALID_REQUEST'],
      [4, undefined],
    ],
  )
  assert.equal(call.ending, null)
})

test('nothing of a partition is answered before an error of it that is held back', async () => {
  const held: (() => void)[] = []
  const { produced, send, answers } = open({
    tellError: (error, tell) => {
      if (error.code === 'LEADER_NOT_AVAILABLE') held.push(() => tell(error))
      else tell(error)
    },
  })
  for (const correlationId of [1, 2, 3, 4]) send(correlationId)
  const errors = ['LEADER_NOT_AVAILABLE', 'OUT_OF_ORDER_SEQUENCE_NUMBER', 'LEADER_NOT_AVAILABLE'] as const
  for (const [index, code] of errors.entries())
    produced[index]?.done({ kind: 'error', error: new StratalogError(code) })
  produced[3]?.done(OK)
  await nextTurn()
  assert.deepEqual(answers(), [])
  for (const tell of held) tell()
  await nextTurn()
  assert.deepEqual(
    answers().map(({ correlationId, error }) => [correlationId, error?.reason]),
    [
      [1, 'LEADER_NOT_AVAILABLE'],
      [3, 'LEADER_NOT_AVAILABLE'],
      [2, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
      [4, undefined],
    ],
  )
})

test('acks none: silence, unless the batch is refused', async () => {
  const { send, answers, produced } = open()
  send(1, { acks: stratalog.v1.Acks.ACKS_NONE })
  send(2, { acks: stratalog.v1.Acks.ACKS_NONE })
  produced[0]?.done(OK)
  produced[1]?.done({ kind: 'error', error: new StratalogError('CORRUPT_MESSAGE') })
  await nextTurn()
  assert.deepEqual(
    answers().map((ack) => [ack.correlationId, ack.error?.code]),
    [[2, ERRORS.CORRUPT_MESSAGE.code]],
  )
})

test('acks that do not exist fail the call', () => {
  const { send } = open()
  assert.throws(
    () => send(1, { acks: 9 as stratalog.v1.Acks }),
    (error) => isStratalogError(error, 'INVALID_REQUEST'),
  )
})

test('reading stops over a budget and goes on at half of it', async () => {
  for (const limits of [{ connectionBytes: 10_000 }, { brokerBytes: 10_000 }]) {
    const { call, send, produced, budget } = open(limits)
    let sent = 0
    while (!call.isPaused) send(sent++, {}, 'known', 1000)
    assert.equal(sent, 8)
    for (const { done } of produced.splice(0, 4)) done(OK)
    assert.equal(call.isPaused, true)
    produced.shift()?.done(OK)
    assert.equal(call.isPaused, false)
    for (const { done } of produced.splice(0)) done(OK)
    await nextTurn()
    assert.equal(budget.usedBytes, 0)
    assert.equal(call.connection.produceBudget.usedBytes, 0)
  }
})

test('a client that does not take its answers is not read', async () => {
  const { call, send, produced } = open()
  let sent = 0
  while (!call.isPaused && sent < 100_000) {
    send(sent++)
    produced.shift()?.done(OK)
    if (sent % 100 === 0) await nextTurn()
  }
  assert.ok(call.isPaused, 'never paused')
  assert.ok(call.unflushedBytes < 2 * 1024 * 1024)
  await nextTurn()
  call.take()
  assert.equal(call.isPaused, false)
})

test('what arrives after the client is gone is dropped, and the budgets come back', () => {
  const { call, send, produced, budget } = open()
  send(1)
  call.disconnect()
  produced[0]?.done(OK)
  assert.equal(call.written.length, 0)
  assert.equal(budget.usedBytes, 0)
})

test('a half-closed stream ends once everything is answered', async () => {
  const { call, send, produced } = open()
  send(1)
  call.halfClose()
  assert.equal(call.ending, null)
  produced[0]?.done(OK)
  await nextTurn()
  assert.equal(call.written.length, 1)
  assert.equal(call.ending, 'ok')
})

test('draining answers what is under way, then ends with SHUTTING_DOWN', async () => {
  const { call, session, send, produced } = open()
  send(1)
  session.drain()
  assert.ok(call.isPaused)
  assert.equal(call.ending, null)
  produced[0]?.done(OK)
  await nextTurn()
  assert.equal(call.written.length, 1)
  assert.ok(isStratalogError(call.ending, 'SHUTTING_DOWN'))
})
