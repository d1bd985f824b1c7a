import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BYTES_SERDE, jsonSerde, STRING_SERDE } from './serde.ts'

test('bytes and strings pass as they are; anything else is refused by name', () => {
  const bytes = Buffer.from([1, 2])
  assert.equal(BYTES_SERDE.serialize(bytes, 't'), bytes)
  assert.equal(BYTES_SERDE.serialize('text', 't'), 'text')
  assert.throws(() => BYTES_SERDE.serialize(5 as unknown as string, 't'), /number/)
  assert.throws(() => STRING_SERDE.serialize(bytes as unknown as string, 't'), /object/)
  assert.equal(STRING_SERDE.deserialize(Buffer.from('grüße'), 't'), 'grüße')
})

test('JSON goes both ways and refuses what has no form in it', () => {
  const serde = jsonSerde<unknown>()
  const value = { a: [1, null, 'x'] }
  assert.deepEqual(serde.deserialize(Buffer.from(serde.serialize(value, 't') as string), 't'), value)
  assert.throws(() => serde.serialize(undefined, 't'), /no JSON form/)
})
