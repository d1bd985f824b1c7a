/** Golden bytes: batches that real Kafka wrote are read as Kafka reads them, and ours are the same bytes. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { CompressionName } from './codec.ts'
import { decompressSync } from './compression.ts'
import { decodeControlRecord, encodeLeaderChange, encodeVoters } from './control-batch.ts'
import { decodeBatch, decodeBatchSync } from './decode.ts'
import { readBatchHeader } from './header.ts'
import { iterateBatches } from './iterate.ts'
import type { LogRecord } from './record.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'
import { stampAppendTime, stampBatch } from './stamp.ts'
import { validateBatch } from './validate.ts'

interface GoldenRecord {
  offset: number
  timestamp: number
  key: string | null
  value: string | null
  headers: { key: string; value: string | null }[]
}
interface GoldenBatch {
  header: {
    baseOffset: number
    lastOffset: number
    sizeBytes: number
    leaderEpoch: number
    crc: number
    codec: CompressionName
    append: boolean
    transactional: boolean
    control: boolean
    baseTimestamp: number
    maxTimestamp: number
    producerId: number
    producerEpoch: number
    baseSequence: number
    recordCount: number
  }
  records: GoldenRecord[]
}
interface GoldenCase {
  name: string
  hex: string
  batches: GoldenBatch[]
}

const LIMITS = { maxBatchBytes: 100_000, deep: true, source: 'log' } as const
const file = new URL('../../testdata/kafka-record-batches.json', import.meta.url)
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: GoldenCase[] }

describe('batches that Kafka wrote', () => {
  for (const { name, hex, batches } of cases) {
    test(`${name}: headers and records as Kafka reads them`, async () => {
      const bytes = Buffer.from(hex, 'hex')
      const found = [...iterateBatches(bytes)]
      assert.equal(found.length, batches.length)
      for (const [index, { position, header }] of found.entries()) {
        const golden = batches[index]!
        validateBatch(bytes.subarray(position, position + header.sizeBytes), LIMITS)
        assert.deepEqual(asGolden(header), golden.header)
        assert.deepEqual(Array.from(decodeBatchSync(bytes, position), goldenRecord), golden.records)
        assert.deepEqual(Array.from(await decodeBatch(bytes, position), goldenRecord), golden.records)
      }
    })
  }
})

describe('our bytes are the same', () => {
  const plain = cases.filter(({ batches }) => batches.length === 1 && !batches[0]!.header.transactional)
  for (const { name, hex, batches } of plain.filter(({ batches }) => !batches[0]!.header.control)) {
    test(name, () => {
      const golden = batches[0]!
      const ours = rebuild(golden)
      if (golden.header.codec === 'none') {
        assert.equal(ours.toString('hex'), hex)
        return
      }
      const theirs = Buffer.from(hex, 'hex')
      assert.ok(recordsSection(ours).equals(recordsSection(theirs)))
      assert.ok(ours.subarray(21, 61).equals(theirs.subarray(21, 61)))
    })
  }

  test('leader change', () => {
    const change = { leaderId: 2, voterIds: [1, 2, 300], grantingVoterIds: [2, 300] }
    const { hex, batches } = golden('leader change')
    const ours = encodeLeaderChange({ ...change, timestamp: batches[0]!.header.baseTimestamp })
    stampBatch(ours, 0, 0, 1)
    assert.equal(ours.toString('hex'), hex)
    const record = decodeBatchSync(Buffer.from(hex, 'hex')).next()!
    assert.deepEqual(decodeControlRecord(record), { kind: 'leader-change', ...change })
  })

  test('voters', () => {
    const { hex, batches } = golden('voters')
    const ours = encodeVoters({ voterIds: [1, 2, 3], timestamp: batches[0]!.header.baseTimestamp })
    stampBatch(ours, 0, 0, 1)
    assert.equal(ours.toString('hex'), hex)
    const withEndpoints = decodeBatchSync(Buffer.from(golden('voters with endpoints').hex, 'hex')).next()!
    const decoded = decodeControlRecord(withEndpoints)
    assert.deepEqual(decoded.kind === 'voters' && decoded.voterIds, [1])
  })
})

function golden(name: string): GoldenCase {
  return cases.find((found) => found.name === name)!
}

function rebuild({ header, records }: GoldenBatch): Buffer {
  const builder = new RecordBatchBuilder({ codec: header.codec })
  for (const [index, { timestamp, key, value, headers }] of records.entries()) {
    builder.append({
      key: unhex(key),
      value: unhex(value),
      headers: headers.map((found) => ({ key: found.key, value: unhex(found.value) })),
      // What the producer gave is not visible any more under append time: the fixture's records were 5 ms apart.
      timestamp: header.append ? header.baseTimestamp + 5 * index : timestamp,
    })
  }
  const { producerId, producerEpoch, baseSequence } = header
  const batch = builder.buildSync(producerId < 0 ? {} : { producerId, producerEpoch, baseSequence })
  if (header.append) stampAppendTime(batch, 0, header.maxTimestamp)
  if (header.leaderEpoch >= 0) stampBatch(batch, 0, header.baseOffset, header.leaderEpoch)
  return batch
}

function recordsSection(batch: Buffer): Buffer {
  return decompressSync(readBatchHeader(batch, 0).codec, batch.subarray(61))
}

function asGolden(header: ReturnType<typeof readBatchHeader>): GoldenBatch['header'] {
  const { baseOffset, lastOffset, sizeBytes, leaderEpoch, crc, codec, transactional, control, recordCount } = header
  return {
    baseOffset,
    lastOffset,
    sizeBytes,
    leaderEpoch,
    crc,
    codec,
    append: header.timestampType === 'append',
    transactional,
    control,
    baseTimestamp: header.baseTimestamp,
    maxTimestamp: header.maxTimestamp,
    producerId: header.producerId ?? -1,
    producerEpoch: header.producerEpoch ?? -1,
    baseSequence: header.baseSequence ?? -1,
    recordCount,
  }
}

function goldenRecord({ offset, timestamp, key, value, headers }: LogRecord): GoldenRecord {
  const hex = (bytes: Buffer | null): string | null => bytes?.toString('hex') ?? null
  return {
    offset,
    timestamp,
    key: hex(key),
    value: hex(value),
    headers: headers.map((h) => ({ key: h.key, value: hex(h.value) })),
  }
}

function unhex(hex: string | null): Buffer | null {
  return hex === null ? null : Buffer.from(hex, 'hex')
}
