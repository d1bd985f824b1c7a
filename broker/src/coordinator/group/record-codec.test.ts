/** Bytes of coordinator records: they come back as they were, and hostile bytes are refused by name. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Assignment, assignmentOf } from './assignment.ts'
import type { CoordinatorRecord } from './group-records.ts'
import { decodeRecord, encodeKey, encodeRecord } from './record-codec.ts'
import { GroupRecordError } from './record-error.ts'
import { topicId } from './test/shard-fixture.ts'

const id = fc.string({ minLength: 1, maxLength: 255, unit: 'grapheme' })
const text = fc.string({ maxLength: 50, unit: 'grapheme' })
const object = <Value>(model: { [Key in keyof Value]: fc.Arbitrary<Value[Key]> }): fc.Arbitrary<Value> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<Value>
const optional = fc.option(fc.string({ minLength: 1, maxLength: 20 }))
const count = fc.maxSafeNat()
const epoch = fc.nat(0x7fffffff)
const ofTopic = fc.nat(1000).map(topicId)
const partitions: fc.Arbitrary<Assignment> = fc
  .array(fc.tuple(ofTopic, fc.array(fc.nat(100), { maxLength: 8 })), { maxLength: 5 })
  .map((entries) => assignmentOf(entries))
const orGone = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> => fc.option(value, { freq: 4 })
const type = <Name extends string>(name: Name): fc.Arbitrary<Name> => fc.constant(name)

const record: fc.Arbitrary<CoordinatorRecord> = fc.oneof(
  object({
    type: type('group'),
    groupId: id,
    value: orGone(
      object({
        epoch,
        targetEpoch: epoch,
        assignor: text,
        topicsVersion: count,
        emptySinceMs: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
      }),
    ),
  }),
  object({
    type: type('member'),
    groupId: id,
    memberId: id,
    value: orGone(
      object({
        instanceId: optional,
        clientId: text,
        address: text,
        rack: optional,
        topics: fc.array(text, { maxLength: 4 }),
        topicPattern: optional,
        rebalanceTimeoutMs: epoch,
        sessionTimeoutMs: epoch,
        assignor: optional,
      }),
    ),
  }),
  object({ type: type('target'), groupId: id, memberId: id, value: orGone(object({ partitions })) }),
  object({
    type: type('current'),
    groupId: id,
    memberId: id,
    value: orGone(
      object({
        memberEpoch: epoch,
        previousEpoch: fc.integer({ min: -1, max: 0x7fffffff }),
        assigned: partitions,
        revoking: partitions,
        away: fc.boolean(),
      }),
    ),
  }),
  object({
    type: type('offset'),
    groupId: id,
    topicId: ofTopic,
    partition: epoch,
    value: orGone(
      object({
        offset: count,
        leaderEpoch: fc.integer({ min: -1, max: 0x7fffffff }),
        metadata: text,
        committedAtMs: count,
      }),
    ),
  }),
  object({ type: fc.constantFrom('checkpoint-begin', 'checkpoint-end'), checkpointId: count }),
)

test('property: what is written is read', () => {
  fc.assert(
    fc.property(record, (each) => {
      const { key, value } = encodeRecord(each)
      assert.deepEqual(decodeRecord(key, value), each)
      assert.deepEqual(encodeKey(each), key)
    }),
  )
})

test('property: any bytes are read or refused as corrupt or too new', () => {
  const bytes = fc.uint8Array({ maxLength: 60 })
  fc.assert(
    fc.property(bytes, fc.option(bytes), record, (key, value, each) => {
      const keys = [key, encodeKey(each)]
      for (const some of keys) {
        try {
          decodeRecord(some, value)
        } catch (error) {
          assert.ok(error instanceof GroupRecordError, String(error))
        }
      }
    }),
  )
})

test('a kind that is not known is refused as too new', () => {
  const unknown = Buffer.from([(15 << 3) | 2, 0])
  assert.throws(() => decodeRecord(unknown, null), { code: 'GROUP_RECORD_TOO_NEW', retriable: false })
  assert.throws(() => decodeRecord(Buffer.from([0xff]), null), { code: 'GROUP_RECORD_CORRUPT' })
})
