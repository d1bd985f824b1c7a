import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CorruptMessageError } from './corrupt-message-error.ts'
import {
  VarintReader,
  varintSizeBytes,
  varlongSizeBytes,
  writeUnsignedVarint,
  writeVarint,
  writeVarlong,
} from './varint.ts'

const INT32_MAX = 2 ** 31 - 1
const safeInteger = fc.oneof(fc.maxSafeInteger(), fc.integer())

test('varints have the bytes that Kafka ByteUtils writes', () => {
  const golden: [number, string][] = [
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [63, '7e'],
    [-64, '7f'],
    [64, '8001'],
    [8191, 'fe7f'],
    [8192, '808001'],
    [INT32_MAX, 'feffffff0f'],
    [-(2 ** 31), 'ffffffff0f'],
  ]
  for (const [value, hex] of golden) {
    assert.equal(written(writeVarint, value), hex)
    assert.equal(written(writeVarlong, value), hex)
    assert.equal(varintSizeBytes(value), hex.length / 2)
  }
  assert.equal(written(writeVarlong, 17_179_869_183), 'feffffff7f')
  assert.equal(written(writeVarlong, -17_179_869_184), 'ffffffff7f')
  assert.equal(written(writeVarlong, 17_179_869_184), '808080808001')
  assert.equal(written(writeUnsignedVarint, 2 ** 32 - 1), 'ffffffff0f')
})

test('every int32 and safe integer comes back, in as many bytes as promised', () => {
  fc.assert(
    fc.property(fc.integer(), (value) => {
      assert.equal(reader(written(writeVarint, value)).readVarint(), value)
      assert.equal(written(writeVarint, value).length / 2, varintSizeBytes(value))
    }),
  )
  fc.assert(
    fc.property(safeInteger, (value) => {
      assert.equal(reader(written(writeVarlong, value)).readVarlong(), value)
      assert.equal(written(writeVarlong, value).length / 2, varlongSizeBytes(value))
    }),
  )
})

test('over-long, overflowing and cut varints are corrupt', () => {
  const varints = ['', '80', 'ffffffff', 'ffffffff10', 'ffffffff8f00', '8080808080808000']
  for (const hex of varints) assert.throws(() => reader(hex).readVarint(), CorruptMessageError, hex)
  const varlongs = ['', '80', 'ffffffffff', 'ffffffffffffffffffff01', 'ffffffffffffffffff01', '8080808080808080808000']
  for (const hex of varlongs) assert.throws(() => reader(hex).readVarlong(), CorruptMessageError, hex)
})

function reader(hex: string): VarintReader {
  const bytes = Buffer.from(hex, 'hex')
  return new VarintReader(bytes, 0, bytes.length)
}

function written(write: (buffer: Buffer, position: number, value: number) => number, value: number): string {
  const buffer = Buffer.alloc(12, 0xee)
  return buffer.toString('hex', 1, write(buffer, 1, value))
}
