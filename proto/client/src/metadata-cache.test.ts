import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import { type MetadataAnswer, MetadataCache } from './metadata-cache.ts'
import type { TopicMetadata } from './topic-metadata.ts'

const broker = (id: number) => ({ brokerId: id, host: '127.0.0.1', port: 9400 + id })

function topicOf(name: string, leaderId: number | null, leaderEpoch = 1, id = 1): TopicMetadata {
  const partition = {
    partition: 0,
    leader: leaderId === null ? null : broker(leaderId),
    leaderId,
    leaderEpoch,
    replicas: [1],
    liveReplicas: [1],
    targetReplicas: [],
    error: null,
    logStartOffset: 0,
    visibleEnd: 0,
    highWatermark: 0,
    logBytes: 0,
    segmentCount: 1,
  }
  const topicId = Buffer.alloc(16, id)
  return { name, topicId, partitions: [partition], configs: {}, replicationFactor: 1, internal: false }
}

function setUp(answer: (topics: readonly string[], call: number) => Map<string, TopicMetadata | StratalogError>) {
  const calls: string[][] = []
  const describe = async (topics: readonly string[]): Promise<MetadataAnswer> => {
    calls.push([...topics])
    const number = calls.length
    await new Promise((resolve) => setImmediate(resolve))
    return { topics: answer(topics, number), brokers: [broker(1)] }
  }
  return { cache: new MetadataCache(describe, () => 0), calls }
}

test('any number of askers share one call, and those who come later one more', async () => {
  const { cache, calls } = setUp((topics) => new Map(topics.map((name) => [name, topicOf(name, 1)])))
  const first = Promise.all([cache.topic('a'), cache.topic('b'), cache.leader('a', 0)])
  await Promise.resolve()
  await Promise.resolve()
  const later = Promise.all([cache.refresh(['a']), cache.refresh(['c']), cache.refresh(['a'])])
  await first
  await later
  assert.deepEqual(calls, [
    ['a', 'b'],
    ['a', 'c'],
  ])
  await cache.topic('a')
  assert.equal(calls.length, 2)
})

test('a topic that does not exist is an error, is forgotten, and can appear later', async () => {
  const missing = new StratalogError('UNKNOWN_TOPIC_OR_PARTITION', 'topic a does not exist')
  const { cache } = setUp((_, call) => new Map([['a', call === 1 ? missing : topicOf('a', 1)]]))
  await assert.rejects(cache.topic('a'), missing)
  assert.equal(cache.peekError('a'), missing)
  assert.equal((await cache.topic('a')).name, 'a')
  assert.equal(cache.peekError('a'), null)
  await assert.rejects(cache.leader('a', 5), { code: 'UNKNOWN_TOPIC_OR_PARTITION', message: /0\.\.0.*partition 5/ })
})

test('a leader is replaced by none of a lower epoch, unless the topic is another one', async () => {
  const answers = [topicOf('a', 1, 5), topicOf('a', 2, 4), topicOf('a', 3, 1, 2)]
  const { cache } = setUp((_, call) => new Map([['a', answers[call - 1]!]]))
  await cache.topic('a')
  assert.equal(cache.applyLeader('a', 0, { leader: broker(9), leaderEpoch: 3 }), false)
  assert.equal(cache.applyLeader('a', 0, { leader: broker(8), leaderEpoch: 6 }), true)
  await cache.refresh(['a'])
  assert.equal(cache.peekLeader('a', 0)?.brokerId, 8)
  await cache.refresh(['a'])
  assert.equal(cache.peekLeader('a', 0)?.brokerId, 3)
})

test('a partition without a leader is LEADER_NOT_AVAILABLE, and listeners hear of changes', async () => {
  const { cache, calls } = setUp(() => new Map([['a', topicOf('a', null)]]))
  const heard: string[] = []
  const stop = cache.onChange((topic) => heard.push(topic))
  await assert.rejects(cache.leader('a', 0), { code: 'LEADER_NOT_AVAILABLE' })
  assert.equal(calls.length, 2)
  stop()
  await cache.refresh(['a'])
  assert.deepEqual(heard, ['a', 'a'])
})

test('a call that fails fails its askers only; abort and close end the waiting', async () => {
  let failures = 1
  const describe = async (topics: readonly string[]): Promise<MetadataAnswer> => {
    if (failures-- > 0) throw new StratalogError('BROKER_NOT_AVAILABLE')
    return { topics: new Map(topics.map((name) => [name, topicOf(name, 1)])), brokers: [] }
  }
  const cache = new MetadataCache(describe, () => 0)
  await assert.rejects(cache.topic('a'), { code: 'BROKER_NOT_AVAILABLE' })
  assert.equal((await cache.topic('a')).name, 'a')
  await assert.rejects(cache.topic('b', { signal: AbortSignal.abort() }), { code: 'CANCELLED' })
  cache.close()
  await assert.rejects(cache.refresh(['a']), { code: 'CLIENT_CLOSED' })
})
