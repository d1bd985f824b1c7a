import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isStratalogError, stratalog } from '@stratalog/proto'
import fc from 'fast-check'
import { checkRequestShape, type RequestShape } from './request-shape.ts'

const SHAPE: RequestShape = { bytesMax: 1000, fieldCountMax: 5, depth: 1 }

const isRefused = (bytes: Uint8Array, shape: RequestShape): boolean => {
  try {
    checkRequestShape('/x', bytes, shape)
    return false
  } catch (error) {
    assert.ok(isStratalogError(error, 'INVALID_REQUEST'))
    return true
  }
}

test('bytes and fields are counted, nested ones where asked', () => {
  assert.equal(isRefused(new Uint8Array(1001), { ...SHAPE, fieldCountMax: 1e6 }), true)
  const batches = (count: number) =>
    stratalog.v1.ProduceRequest.encode({
      timeoutMs: 5,
      batches: Array(count).fill({ topic: 'abc', partition: 7 }),
    }).finish()
  assert.equal(isRefused(batches(4), SHAPE), false)
  assert.equal(isRefused(batches(5), SHAPE), true)
  assert.equal(isRefused(batches(4), { ...SHAPE, depth: 2 }), true)
  assert.equal(isRefused(batches(4), { ...SHAPE, depth: 2, fieldCountMax: 13 }), false)
  assert.equal(isRefused(batches(4), { ...SHAPE, depth: 2, fieldCountMax: 12 }), true)
})

test('any bytes are passed or refused, never anything else, and empty fields by the million are refused at once', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom<1 | 2>(1, 2), (bytes, depth) => {
      isRefused(bytes, { ...SHAPE, depth })
    }),
    { numRuns: 2000 },
  )
  const hostile = Buffer.alloc(32 << 20, Buffer.from([0x1a, 0x00]))
  assert.equal(isRefused(hostile, { bytesMax: 64 << 20, fieldCountMax: 100_000, depth: 1 }), true)
})
