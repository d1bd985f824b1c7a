import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ConsumerOptions, resolveConsumerOptions } from './options.ts'

describe('options of a consumer', () => {
  it('have defaults', () => {
    assert.deepEqual(resolveConsumerOptions({}), {
      prefetchBytesMax: 64 * 1024 * 1024,
      partitionCreditBytes: 8 * 1024 * 1024,
      onOutOfRange: 'fail',
      keyDeserializer: null,
      valueDeserializer: null,
      onDeserializationError: 'fail',
      stallTimeoutMs: 30_000,
      verifyCrc: true,
    })
  })

  it('that make no sense are refused at construction, naming option, value and range', () => {
    const cases: [ConsumerOptions<unknown, unknown>, RegExp][] = [
      [{ prefetchBytesMax: 0 }, /prefetchBytesMax is 0/],
      [{ partitionCreditBytes: 1.5 }, /partitionCreditBytes is 1.5/],
      [{ stallTimeoutMs: 99 }, /stallTimeoutMs is 99; it must be an integer of 100..3600000/],
      [{ onOutOfRange: 'newest' as never }, /onOutOfRange is newest/],
      [{ onDeserializationError: 'dlq' as never }, /onDeserializationError is dlq/],
      [{ valueSerde: 'json' as never }, /valueSerde is json/],
      [{ verifyCrc: 1 as never }, /verifyCrc is 1/],
    ]
    for (const [options, message] of cases) {
      assert.throws(() => resolveConsumerOptions(options), { code: 'INVALID_CONFIG', message })
    }
  })
})
