import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkTopicConfig, describeTopicConfig, resolveTopicConfig, TOPIC_CONFIG_KEYS } from './topic-config.ts'

test('every default passes its own check', () => {
  for (const { key, default: value } of TOPIC_CONFIG_KEYS) assert.equal(checkTopicConfig(key, value), null, key)
  const config = resolveTopicConfig(new Map(), new Map())
  assert.equal(config.maxMessageBytes, 8 * 1024 * 1024)
  assert.equal(config.flushPolicy, 'fsync')
  assert.equal(Object.keys(config).length, TOPIC_CONFIG_KEYS.length)
})

test('the topic is asked first, then the broker, then the default', () => {
  const topic = new Map([['retention.ms', '1']])
  const broker = new Map([
    ['retention.ms', '2'],
    ['segment.ms', '3'],
  ])
  const sources = describeTopicConfig(topic, broker).map(({ key, value, source }) => `${key}=${value} ${source}`)
  assert.ok(sources.includes('retention.ms=1 topic'))
  assert.ok(sources.includes('segment.ms=3 broker'))
  assert.ok(sources.includes('retention.bytes=-1 default'))
  assert.deepEqual(
    [resolveTopicConfig(topic, broker).retentionMs, resolveTopicConfig(topic, broker).segmentMaxAgeMs],
    [1, 3],
  )
})

test('bad values name key, value and what is allowed', () => {
  for (const value of ['', '1.5', '1e3', '0x10', ' 5', '-2', '9'.repeat(17), 'abc']) {
    const error = checkTopicConfig('retention.ms', value)
    assert.equal(error?.code, 'INVALID_CONFIG', value)
    assert.match(error.message, /retention\.ms .* integer from -1/)
  }
})
