import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type ControlRecord,
  ControlRecordType,
  decodeControlRecord,
  encodeLeaderChange,
  encodeRecordsDeleted,
  encodeVoters,
} from './control-batch.ts'
import { CorruptMessageError } from './corrupt-message-error.ts'
import { decodeBatchSync } from './decode.ts'

const ids = fc.array(fc.nat(2 ** 31 - 1), { maxLength: 200 })

test('leader changes come back', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31 - 1), ids, ids, (leaderId, voterIds, grantingVoterIds) => {
      const change = { leaderId, voterIds, grantingVoterIds }
      const batch = encodeLeaderChange({ ...change, timestamp: 17 })
      assert.deepEqual(onlyControlRecord(batch), { kind: 'leader-change', ...change })
    }),
  )
})

test('voter sets come back, joint ones with all that Raft needs', () => {
  const context = fc.option(fc.uint8Array().map((bytes) => Buffer.from(bytes)))
  fc.assert(
    fc.property(
      ids,
      ids,
      ids,
      ids,
      fc.boolean(),
      context,
      (voterIds, outgoingVoterIds, learnerIds, nextLearnerIds, autoLeave, context) => {
        const voters = { voterIds, outgoingVoterIds, learnerIds, nextLearnerIds, autoLeave, context }
        assert.deepEqual(onlyControlRecord(encodeVoters({ ...voters, timestamp: 17 })), { kind: 'voters', ...voters })
      },
    ),
  )
})

test('deletions of records come back, and those that contradict themselves are refused', () => {
  const offset = fc.nat(Number.MAX_SAFE_INTEGER)
  fc.assert(
    fc.property(offset, offset, (one, other) => {
      const deletion = { beforeOffset: Math.max(one, other), batchOffset: Math.min(one, other) }
      const batch = encodeRecordsDeleted({ ...deletion, timestamp: 17 })
      assert.deepEqual(onlyControlRecord(batch), { kind: 'records-deleted', ...deletion })
    }),
  )
  const key = Buffer.from([0, 0, ControlRecordType.recordsDeleted >> 8, ControlRecordType.recordsDeleted & 0xff])
  const value = (version: number, before: bigint, batchOffset: bigint): Buffer => {
    const bytes = Buffer.alloc(19)
    bytes.writeInt16BE(version, 0)
    bytes.writeBigInt64BE(before, 2)
    bytes.writeBigInt64BE(batchOffset, 10)
    return bytes
  }
  assert.equal(decodeControlRecord({ key, value: value(0, 7n, 5n) }).kind, 'records-deleted')
  for (const bad of [
    value(1, 7n, 5n),
    value(0, 5n, 7n),
    value(0, 7n, -1n),
    value(0, 2n ** 60n, 5n),
    value(0, 7n, 5n).subarray(0, 18),
  ]) {
    assert.throws(() => decodeControlRecord({ key, value: bad }), CorruptMessageError)
  }
})

test('the batch is a control batch of one record at the time given', () => {
  const reader = decodeBatchSync(encodeVoters({ voterIds: [1], timestamp: 1234 }))
  assert.equal(reader.header.control, true)
  assert.equal(reader.header.producerId, null)
  assert.equal(reader.header.recordCount, 1)
  assert.equal(reader.header.maxTimestamp, 1234)
})

test('types of others are named by number', () => {
  assert.deepEqual(decodeControlRecord({ key: Buffer.from('00000003', 'hex'), value: null }), {
    kind: 'other',
    type: 3,
  })
})

test('cut and random control records are corrupt, nothing else', () => {
  const record = decodeBatchSync(encodeVoters({ voterIds: [1, 2], outgoingVoterIds: [3], timestamp: 1 })).next()!
  for (let end = 0; end < record.value!.length; end++) {
    const cut = { key: record.key, value: record.value!.subarray(0, end) }
    assert.throws(() => decodeControlRecord(cut), CorruptMessageError)
  }
  fc.assert(
    fc.property(fc.constantFrom('00000002', '00000006', '', 'ffff0002'), fc.uint8Array(), (key, value) => {
      try {
        decodeControlRecord({ key: Buffer.from(key, 'hex'), value: Buffer.from(value) })
      } catch (error) {
        assert.ok(error instanceof CorruptMessageError, String(error))
      }
    }),
    { numRuns: 500 },
  )
})

function onlyControlRecord(batch: Buffer): ControlRecord {
  return decodeControlRecord(decodeBatchSync(batch).next()!)
}
