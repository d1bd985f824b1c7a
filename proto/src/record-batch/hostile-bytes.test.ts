/** Bytes from an enemy: whatever they are, the codec answers with its own errors, soon, within its limits. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Compression, type CompressionName, UnsupportedCompressionError } from './codec.ts'
import { CorruptMessageError } from './corrupt-message-error.ts'
import { decodeBatch, decodeBatchSync } from './decode.ts'
import { iterateBatches } from './iterate.ts'
import { RecordBatchBuilder } from './record-batch-builder.ts'
import type { RecordReader } from './record-reader.ts'
import { stampCrc } from './stamp.ts'
import { validateBatch } from './validate.ts'

const LIMIT_BYTES = 64 * 1024
const sound = (Object.keys(Compression) as CompressionName[]).map(sample)
const soundBatch = fc.constantFrom(...sound)

const flipped = fc
  .tuple(soundBatch, fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 }))
  .map(([batch, flips]) => {
    const bytes = Buffer.from(batch)
    for (const [at, bits] of flips) bytes[at % bytes.length]! ^= bits
    return bytes
  })
const cut = fc.tuple(soundBatch, fc.nat(400)).map(([batch, end]) => Buffer.from(batch.subarray(0, end % batch.length)))
const spliced = fc
  .tuple(soundBatch, soundBatch, fc.nat(400), fc.nat(400))
  .map(([head, tail, a, b]) => Buffer.concat([head.subarray(0, a % head.length), tail.subarray(b % tail.length)]))
const stuffed = fc
  .tuple(soundBatch, fc.integer({ min: 61, max: 400 }), fc.uint8Array({ maxLength: 60 }))
  .map(([batch, at, bytes]) => Buffer.concat([batch.subarray(0, Math.min(at, batch.length)), bytes]))
const random = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const hostile = fc.oneof(flipped, cut, spliced, stuffed, random)

describe('hostile bytes', () => {
  test('as they are', async () => {
    await fc.assert(fc.asyncProperty(hostile, survives), { numRuns: 1500 })
  })

  test('with length and CRC made right, so that they reach the deeper layers', async () => {
    const resealed = hostile.filter((bytes) => bytes.length >= 61).map(reseal)
    await fc.assert(fc.asyncProperty(resealed, survives), { numRuns: 3000 })
  })
})

test('every single flipped bit of a batch is noticed, but for the stamps outside the CRC', () => {
  for (const batch of sound) {
    for (let at = 16; at < batch.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Buffer.from(batch)
        damaged[at]! ^= 1 << bit
        assert.throws(() => validateBatch(damaged, { maxBatchBytes: LIMIT_BYTES }), isOurs, `byte ${at} bit ${bit}`)
      }
    }
  }
})

test('a header count that its bytes cannot hold is refused when headers are asked for', () => {
  const builder = new RecordBatchBuilder()
  builder.append({ value: 'v', headers: [{ key: 'k', value: 'v' }] })
  const batch = builder.buildSync()
  batch[batch.length - 5] = 0x7e
  const record = decodeBatchSync(batch).next()!
  assert.equal(record.value?.toString(), 'v')
  assert.throws(() => record.headers, { code: 'CORRUPT_MESSAGE', reason: '63 headers' })
})

test('records whose offsets do not increase are corrupt', () => {
  const builder = new RecordBatchBuilder()
  for (let index = 0; index < 3; index++) builder.append({ value: 'v' })
  const batch = builder.buildSync()
  // The second record: length, attributes, timestamp delta, then its offset delta.
  batch[61 + 8 + 3] = 0
  assert.throws(() => decodeBatchSync(batch).verify(), { code: 'CORRUPT_MESSAGE', reason: 'offset delta is 0' })
})

async function survives(bytes: Buffer): Promise<void> {
  const options = { maxDecompressedBytes: LIMIT_BYTES }
  attempt(() => validateBatch(bytes, { ...options, maxBatchBytes: LIMIT_BYTES, source: 'log', deep: true }))
  attempt(() => [...iterateBatches(bytes)])
  attempt(() => walk(decodeBatchSync(bytes, 0, options)))
  try {
    walk(await decodeBatch(bytes, 0, options))
  } catch (error) {
    assert.ok(isOurs(error), String(error))
  }
}

/** Touches everything that a record offers. */
function walk(reader: RecordReader): void {
  let total = 0
  reader.forEach((record) => {
    total += (record.key?.length ?? 0) + (record.value?.length ?? 0)
    for (const header of record.headers) total += header.value?.length ?? 0
  })
  assert.ok(total <= LIMIT_BYTES)
}

function attempt(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    assert.ok(isOurs(error), String(error))
  }
}

function isOurs(error: unknown): boolean {
  return error instanceof CorruptMessageError || error instanceof UnsupportedCompressionError
}

function reseal(bytes: Buffer): Buffer {
  bytes[16] = 2
  bytes.writeInt32BE(bytes.length - 12, 8)
  stampCrc(bytes, 0)
  return bytes
}

function sample(codec: CompressionName): Buffer {
  const builder = new RecordBatchBuilder({ codec })
  for (let index = 0; index < 12; index++) {
    builder.append({
      key: index % 3 === 0 ? null : `key ${index}`,
      value: index % 5 === 0 ? null : `value ${index} `.repeat(index),
      headers: index % 4 === 0 ? [{ key: 'header', value: 'x' }] : [],
      timestamp: 1_700_000_000_000 + index * 1000,
    })
  }
  return builder.buildSync({ producerId: 77, producerEpoch: 1, baseSequence: 5 })
}
