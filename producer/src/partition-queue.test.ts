import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorName, StratalogError } from '@stratalog/proto'
import { BuilderPool } from './builder-pool.ts'
import type { ProducerIdentity } from './idempotence.ts'
import { PartitionQueue, type QueueOptions } from './partition-queue.ts'
import { ProducerBatch } from './producer-batch.ts'

const ACK = { baseOffset: 0, leaderEpoch: 1, logAppendTimeMs: -1, durability: 'fsynced', duplicate: false } as const
const ID: ProducerIdentity = { producerId: 1, producerEpoch: 0 }
const NEXT_ID: ProducerIdentity = { producerId: 1, producerEpoch: 1 }

/** A queue whose batches have two records each, unless said otherwise; `log` tells what became of them by ordinal. */
class Harness {
  readonly log: string[] = []
  readonly queue: PartitionQueue
  nowMs = 0
  identity: ProducerIdentity | null = ID
  readonly #pool = new BuilderPool('none', undefined)
  #ordinal = 0

  constructor(options: Partial<QueueOptions> = {}) {
    const defaults = { idempotent: true, maxInFlight: 5, lingerMs: 0, deliveryTimeoutMs: 1_000, compresses: false }
    this.queue = new PartitionQueue(
      't',
      0,
      { ...defaults, random: () => 0, ...options },
      {
        sealed: () => {},
        split: (batch, partCount) => batch.split(partCount, this.#pool),
        acknowledged: (batch) => this.log.push(`${batch.ordinal} ok`),
        failed: (batch, error) => this.log.push(`${batch.ordinal} ${error.code}`),
      },
    )
  }

  add(count = 1, recordCount = 2): void {
    for (; count > 0; count--) {
      const batch = new ProducerBatch('t', 0, this.#ordinal++, this.nowMs, this.#pool.acquire())
      for (let index = 0; index < recordCount; index++) batch.builder!.append({ value: 'a' })
      this.queue.seal()
      this.queue.open = batch
    }
  }

  /** Sends all that may be sent now. */
  send(): ProducerBatch[] {
    const sent: ProducerBatch[] = []
    while (this.queue.prepare(this.nowMs, false)) {
      const batch = this.queue.take(this.nowMs, this.identity)
      if (batch === null) break
      batch.finish(this.#pool)
      sent.push(batch)
    }
    return sent
  }

  ack(batch: ProducerBatch): void {
    this.queue.onAck(batch, ACK, this.nowMs)
  }

  error(batch: ProducerBatch, code: ErrorName): void {
    this.queue.onError(batch, new StratalogError(code), this.nowMs)
  }

  /** A queue past its first acknowledgement, with five batches in flight: ordinals 1..5, sequences 2, 4, .. 10. */
  static busy(options: Partial<QueueOptions> = {}): { harness: Harness; flight: ProducerBatch[] } {
    const harness = new Harness(options)
    harness.add()
    harness.ack(harness.send()[0]!)
    harness.add(6)
    const flight = harness.send()
    assert.deepEqual(sequences(flight), [2, 4, 6, 8, 10])
    return { harness, flight }
  }
}

function sequences(batches: readonly ProducerBatch[]): number[] {
  return batches.map(({ baseSequence }) => baseSequence)
}

test('the first batch travels alone; then up to maxInFlight, while the open one goes on filling', () => {
  const harness = new Harness({ maxInFlight: 3 })
  harness.add(6)
  const [first, ...none] = harness.send()
  assert.deepEqual(none, [])
  harness.ack(first!)
  assert.equal(harness.send().length, 3)
  assert.equal(harness.queue.prepare(0, true), false)
  assert.notEqual(harness.queue.open, null)
})

test('after a long pause a batch travels alone again', () => {
  const { harness, flight } = Harness.busy()
  for (const batch of flight) harness.ack(batch)
  harness.nowMs += 61_000
  harness.add(2)
  assert.equal(harness.send().length, 1)
})

test('a batch lingers until it is due, unless there is a flush', () => {
  const harness = new Harness({ lingerMs: 10 })
  harness.add()
  assert.equal(harness.queue.prepare(9, false), false)
  assert.equal(harness.queue.nextWakeMs(9), 10)
  assert.equal(harness.queue.prepare(9, true), true)
})

test('a refusal holds everything until all are answered, then they go again in order with their sequences', () => {
  const { harness, flight } = Harness.busy()
  harness.error(flight[0]!, 'OVERLOADED')
  assert.deepEqual(harness.send(), [])
  for (const batch of flight.slice(1)) harness.error(batch, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  assert.deepEqual(harness.send(), [], 'the backoff is not over')
  harness.nowMs += 50
  const [again] = harness.send()
  assert.equal(again, flight[0])
  assert.deepEqual(sequences([again!]), [2])
  harness.ack(again!)
  assert.deepEqual(sequences(harness.send()), [4, 6, 8, 10, 12])
  assert.deepEqual(harness.log, ['0 ok', '1 ok'])
})

test('a lost connection repeats all in flight; a duplicate counts as written, its offset unknown', () => {
  const { harness, flight } = Harness.busy()
  harness.queue.onConnectionLost(flight, new StratalogError('NETWORK_EXCEPTION'), 0)
  harness.nowMs += 50
  const [again] = harness.send()
  harness.error(again!, 'DUPLICATE_SEQUENCE_NUMBER')
  assert.deepEqual(harness.log, ['0 ok', '1 ok'])
  assert.deepEqual(sequences(harness.send()), [4, 6, 8, 10, 12])
})

test('a duplicate that cannot be one is no success', () => {
  const { harness, flight } = Harness.busy()
  harness.error(flight[0]!, 'DUPLICATE_SEQUENCE_NUMBER')
  assert.deepEqual(harness.log, ['0 ok', '1 DUPLICATE_SEQUENCE_NUMBER'])
})

test('a batch refused for good fails alone: those behind it go again under a new epoch from sequence 0', () => {
  const { harness, flight } = Harness.busy()
  harness.error(flight[0]!, 'INVALID_RECORD')
  for (const batch of flight.slice(1)) harness.error(batch, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  assert.deepEqual(harness.log, ['0 ok', '1 INVALID_RECORD'])
  harness.nowMs += 50
  assert.deepEqual(harness.send(), [], 'the old epoch stamps nothing more')
  assert.equal(harness.queue.identityToRenew, ID)
  harness.identity = NEXT_ID
  const [next] = harness.send()
  assert.equal(next, flight[1])
  assert.deepEqual([next!.identity, next!.baseSequence], [NEXT_ID, 0])
  harness.ack(next!)
  assert.deepEqual(sequences(harness.send()), [2, 4, 6, 8])
})

test('a batch that is too large goes again in parts, in its place and with its sequences', () => {
  const { harness, flight } = Harness.busy()
  harness.error(flight[0]!, 'MESSAGE_TOO_LARGE')
  for (const batch of flight.slice(1)) harness.error(batch, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  harness.nowMs += 50
  const [first] = harness.send()
  assert.deepEqual([first?.ordinal, first?.baseSequence, first?.recordCount], [1, 2, 1])
  harness.ack(first!)
  const next = harness.send()
  assert.deepEqual(sequences(next), [3, 4, 6, 8, 10])
  assert.deepEqual([next[0]?.ordinal, next[0]?.recordCount], [1.5, 1])
  harness.error(next[0]!, 'MESSAGE_TOO_LARGE')
  assert.deepEqual(harness.log, ['0 ok', '1 ok', '1.5 MESSAGE_TOO_LARGE'])
})

test('parts of a batch that was written after all fail instead of being written again', () => {
  const { harness, flight } = Harness.busy()
  harness.queue.onConnectionLost(flight, new StratalogError('NETWORK_EXCEPTION'), 0)
  harness.nowMs += 50
  harness.error(harness.send()[0]!, 'MESSAGE_TOO_LARGE')
  harness.nowMs += 50
  const [first] = harness.send()
  assert.deepEqual(sequences([first!]), [2])
  harness.error(first!, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  harness.nowMs += 100
  const [second] = harness.send()
  assert.deepEqual([second?.identity, second?.baseSequence], [ID, 3])
  harness.error(second!, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  assert.deepEqual(harness.log, ['0 ok', '1 OUT_OF_ORDER_SEQUENCE_NUMBER', '1.5 OUT_OF_ORDER_SEQUENCE_NUMBER'])
})

test('a limit that is told decides into how many parts', () => {
  const harness = new Harness()
  harness.add(1, 40)
  const [batch] = harness.send()
  const limit = String(Math.ceil(batch!.bytes!.length / 4))
  harness.queue.onError(batch!, new StratalogError('MESSAGE_TOO_LARGE', undefined, { metadata: { limit } }), 0)
  harness.nowMs += 50
  const [first] = harness.send()
  harness.ack(first!)
  const rest = harness.send()
  assert.deepEqual(sequences([first!, ...rest]), [0, 10, 20, 30])
  for (const part of rest) harness.ack(part)
  assert.deepEqual(harness.log, ['0 ok', '0.25 ok', '0.5 ok', '0.75 ok'])
})

test('data the broker has lost fails the batch that finds out', () => {
  const { harness, flight } = Harness.busy()
  harness.error(flight[0]!, 'OUT_OF_ORDER_SEQUENCE_NUMBER')
  assert.deepEqual(harness.log, ['0 ok', '1 OUT_OF_ORDER_SEQUENCE_NUMBER'])
  assert.equal(harness.queue.identityToRenew, ID)
})

test('a producer that the broker forgot begins anew; what may have been written fails instead', () => {
  const { harness, flight } = Harness.busy()
  harness.error(flight[0]!, 'UNKNOWN_PRODUCER_ID')
  for (const batch of flight.slice(1))
    harness.queue.onConnectionLost([batch], new StratalogError('NETWORK_EXCEPTION'), 0)
  harness.identity = NEXT_ID
  harness.nowMs += 50
  assert.deepEqual(harness.log, ['0 ok'])
  assert.equal(harness.send()[0], flight[0])

  const second = Harness.busy()
  second.harness.queue.onConnectionLost(second.flight, new StratalogError('NETWORK_EXCEPTION'), 0)
  second.harness.nowMs += 50
  second.harness.error(second.harness.send()[0]!, 'UNKNOWN_PRODUCER_ID')
  assert.deepEqual(second.harness.log, ['0 ok', '1 UNKNOWN_PRODUCER_ID'])
})

test('another identity is adopted when nothing of the old one is outstanding, not before', () => {
  const { harness, flight } = Harness.busy()
  harness.identity = NEXT_ID
  harness.ack(flight[0]!)
  harness.add()
  assert.deepEqual(harness.send(), [])
  for (const batch of flight.slice(1)) harness.ack(batch)
  const [next] = harness.send()
  assert.deepEqual([next?.identity, next?.baseSequence], [NEXT_ID, 0])
})

test('a topic created anew takes the batches from sequence 0', () => {
  const { harness, flight } = Harness.busy()
  for (const batch of flight) harness.error(batch, 'UNKNOWN_TOPIC_ID')
  harness.identity = NEXT_ID
  harness.nowMs += 50
  const [next] = harness.send()
  assert.deepEqual([next, next?.baseSequence], [flight[0], 0])
  assert.deepEqual(harness.log, ['0 ok'])
})

test('a batch whose time is over fails, in flight or not; its sequence is not used again', () => {
  const { harness, flight } = Harness.busy()
  harness.nowMs = 1_000
  assert.equal(harness.queue.expire(1_000), true)
  assert.deepEqual(
    harness.log.slice(1),
    flight.map(({ ordinal }) => `${ordinal} DELIVERY_TIMED_OUT`).concat('6 DELIVERY_TIMED_OUT'),
  )
  harness.add()
  assert.deepEqual(harness.send(), [])
  assert.equal(harness.queue.identityToRenew, ID)
})

test('without idempotence a batch in doubt fails, and one that was never sent goes again', () => {
  const harness = new Harness({ idempotent: false, maxInFlight: 2 })
  harness.identity = null
  harness.add(3)
  const [first, second] = harness.send()
  harness.error(first!, 'REQUEST_TIMED_OUT')
  harness.queue.onConnectionLost([second!], new StratalogError('BROKER_NOT_AVAILABLE'), 0)
  assert.deepEqual(harness.log, ['0 REQUEST_TIMED_OUT'])
  harness.nowMs += 50
  assert.equal(harness.send()[0], second)
})
