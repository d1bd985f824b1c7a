import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stratalog } from '@stratalog/proto'
import { crc32c, encodeVoters, RECORD_BATCH_OVERHEAD_BYTES, stampBatch } from '@stratalog/proto/records'
import fc from 'fast-check'
import type { Message } from 'raft-ts'
import { entriesIn } from '../replication/entry-codec.ts'
import { dataBatch, leaderChangeBatch } from '../testing/batches.ts'
import { anyMessage, appendMessage, groupOf, heartbeat } from '../testing/raft-messages.ts'
import { type DecodedFrame, decodeFrame, encodeFrame, FRAME_PREFIX_BYTES } from './frame-codec.ts'

const ROUTE = { from: 1, to: 2 }
const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 500)

function bytesOf(messages: readonly Message<Buffer>[]): { header: Buffer; payload: Buffer } {
  const { head, payload } = encodeFrame({ kind: 'raft', messages })
  return { header: head.subarray(FRAME_PREFIX_BYTES), payload: Buffer.concat(payload) }
}

/** As they are read from the payload: what entriesIn says of a batch. */
function asReceived(message: Message<Buffer>): Message<Buffer> {
  if (message.type !== 'append') return message
  return { ...message, entries: message.entries.flatMap(({ data }) => entriesIn(data ?? Buffer.alloc(0))) }
}

function messagesIn(decoded: DecodedFrame): readonly Message<Buffer>[] {
  assert.ok(decoded.kind === 'frame' && decoded.frame.kind === 'raft', JSON.stringify(decoded))
  return decoded.frame.messages
}

function reasonIn(decoded: DecodedFrame): string {
  assert.equal(decoded.kind, 'malformed')
  return decoded.kind === 'malformed' ? decoded.reason : ''
}

test('messages of every type come out as they went in', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(fc.array(anyMessage(), { maxLength: 20 }), (messages) => {
      for (const { type } of messages) seen.add(type)
      const { header, payload } = bytesOf(messages)
      assert.deepEqual(messagesIn(decodeFrame(header, payload)), messages.map(asReceived))
    }),
    { numRuns: RUNS },
  )
  assert.equal(seen.size, 17, [...seen].join())
})

test('the payload is neither copied when sent nor when received', () => {
  const batches = [dataBatch({ baseOffset: 5, valueBytes: 50_000 }), dataBatch({ baseOffset: 6 })]
  const message = appendMessage(groupOf(1, 0), ROUTE, batches, { prev: 5, term: 1 })
  const encoded = encodeFrame({ kind: 'raft', messages: [message] })
  assert.deepEqual(encoded.payload, batches)
  assert.ok(encoded.payload.every((chunk, index) => chunk === message.entries[index]?.data))
  const payload = Buffer.concat(encoded.payload)
  const [received] = messagesIn(decodeFrame(encoded.head.subarray(FRAME_PREFIX_BYTES), payload))
  assert.ok(received?.type === 'append')
  for (const { data } of received.entries) assert.equal(data?.buffer, payload.buffer)
})

test('heartbeats of a thousand groups take about fifteen bytes each', () => {
  const messages = Array.from({ length: 1_000 }, (_, partition) => heartbeat(groupOf(7, partition), ROUTE))
  const { header } = bytesOf(messages)
  assert.ok(header.length < 16 * 1_000, `${header.length} bytes`)
})

test('random bytes are malformed or mean something; nothing else happens', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 100 }), (header, payload) => {
      decodeFrame(Buffer.from(header), Buffer.from(payload))
    }),
    { numRuns: RUNS * 4 },
  )
})

test('truncated and mutated frames are malformed or mean something; nothing else happens', () => {
  const mutation = fc.record({ at: fc.nat(), to: fc.nat(255), cut: fc.nat(), kind: fc.constantFrom('flip', 'cut') })
  let malformedCount = 0
  fc.assert(
    fc.property(fc.array(anyMessage(), { minLength: 1, maxLength: 4 }), mutation, (messages, { at, to, cut, kind }) => {
      const { header, payload } = bytesOf(messages)
      const both = Buffer.concat([header, payload])
      both[at % both.length] = to
      const end = kind === 'cut' ? cut % (both.length + 1) : both.length
      const headerEnd = Math.min(header.length, end)
      const decoded = decodeFrame(both.subarray(0, headerEnd), both.subarray(headerEnd, end))
      if (decoded.kind === 'malformed') malformedCount++
    }),
    { numRuns: RUNS * 4 },
  )
  assert.ok(malformedCount > RUNS, `${malformedCount} malformed`)
})

test('control batches that say nonsense under a good checksum are malformed or taken; nothing else happens', () => {
  const position = RECORD_BATCH_OVERHEAD_BYTES
  const voters = encodeVoters({ voterIds: [1, 2], learnerIds: [3], context: Buffer.from('{}'), timestamp: 1 })
  for (const batch of [leaderChangeBatch(5, 1), voters]) {
    stampBatch(batch, 0, 5, 1)
    const { header } = bytesOf([appendMessage(groupOf(1, 0), ROUTE, [leaderChangeBatch(5, 1)], { prev: 5, term: 1 })])
    const fields = stratalog.v1.PeerFrame.decode(header)
    for (const message of fields.raft?.messages ?? []) message.payloadBytes = batch.length
    const changed = Buffer.from(stratalog.v1.PeerFrame.encode(fields).finish())
    const mutation = fc.array(fc.tuple(fc.nat(batch.length - position - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 3,
    })
    fc.assert(
      fc.property(mutation, (changes) => {
        const mutated = Buffer.from(batch)
        for (const [at, to] of changes) mutated[position + at] = to
        mutated.writeUInt32BE(crc32c(mutated, 21), 17)
        decodeFrame(changed, mutated)
      }),
      { numRuns: RUNS },
    )
  }
})

test('a flipped bit in a batch is noticed, whatever the checksum covers', () => {
  const batches = [dataBatch({ baseOffset: 5, recordCount: 3 }), dataBatch({ baseOffset: 8 })]
  const { header, payload } = bytesOf([appendMessage(groupOf(1, 0), ROUTE, batches, { prev: 5, term: 1 })])
  for (let bit = 0; bit < payload.length * 8; bit++) {
    const damaged = Buffer.from(payload)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    // With two batches of epoch 1 in a message of term 1 even the stamped fields have only one right value.
    assert.equal(decodeFrame(header, damaged).kind, 'malformed', `bit ${bit}`)
  }
})

test('batches that do not match their message are refused, with the reason', () => {
  const group = groupOf(1, 0)
  const first = dataBatch({ baseOffset: 5, epoch: 2 })
  const cases: [RegExp, Buffer[], { prev: number; prevTerm: number; term: number }][] = [
    [/begins at 5 instead of 6/, [first], { prev: 6, prevTerm: 2, term: 2 }],
    [/begins at 8 instead of 6/, [first, dataBatch({ baseOffset: 8, epoch: 2 })], { prev: 5, prevTerm: 2, term: 2 }],
    [/epoch 2 follows 3/, [first], { prev: 5, prevTerm: 3, term: 4 }],
    [/epoch 2 follows 1 in a message of term 1/, [first], { prev: 5, prevTerm: 1, term: 1 }],
    [/epoch 1 follows 2/, [first, leaderChangeBatch(6, 1)], { prev: 5, prevTerm: 1, term: 2 }],
    [/later than their sender/, [], { prev: 5, prevTerm: 3, term: 2 }],
  ]
  for (const [reason, batches, fields] of cases) {
    const { header, payload } = bytesOf([appendMessage(group, ROUTE, batches, fields)])
    assert.match(reasonIn(decodeFrame(header, payload)), reason)
  }
})

test('an entry whose batch is another one never leaves', () => {
  const message = appendMessage(groupOf(1, 0), ROUTE, [dataBatch({ baseOffset: 5 })], { prev: 5, term: 1 })
  const batch = message.entries[0]?.data ?? Buffer.alloc(0)
  stampBatch(batch, 0, 6, 1)
  assert.throws(() => bytesOf([message]), { name: 'InvariantError' })
  assert.throws(() => bytesOf([{ ...message, entries: message.entries.map((each) => ({ ...each, data: null })) }]), {
    name: 'InvariantError',
  })
})

test('payload that belongs to no message, and payload that is missing, are refused', () => {
  const { header, payload } = bytesOf([
    appendMessage(groupOf(1, 0), ROUTE, [dataBatch({ baseOffset: 5 })], { prev: 5, term: 1 }),
  ])
  assert.match(reasonIn(decodeFrame(header, payload.subarray(1))), /more payload than there is/)
  assert.match(reasonIn(decodeFrame(header, Buffer.concat([payload, payload]))), /belong to no message/)
})
