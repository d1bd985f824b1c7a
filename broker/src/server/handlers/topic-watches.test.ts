import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { StratalogError, stratalog } from '@stratalog/proto'
import { EMPTY_IMAGE } from '../../controller/metadata-image.ts'
import { MemoryStreamCall, memoryConnection } from '../../testing/memory-stream-call.ts'
import { ClientErrors } from '../client-errors.ts'
import { TopicView } from './topic-view.ts'
import { TopicWatches } from './topic-watches.ts'

function open() {
  let version = 0
  const cluster = { leaderOf: () => ({ leaderId: null, leaderEpoch: 0 }), liveness: () => new Map() }
  const view = new TopicView({
    brokerId: 1,
    rack: '',
    advertised: null,
    image: () => EMPTY_IMAGE,
    lookup: () => new StratalogError('UNKNOWN_TOPIC_OR_PARTITION'),
    cluster,
    errors: new ClientErrors({ brokerId: 1, image: () => EMPTY_IMAGE, cluster }),
  })
  const watches = new TopicWatches(
    view,
    () => [],
    () => ({ metadataOffset: version }),
  )
  const call = new MemoryStreamCall<never, stratalog.v1.DescribeTopicsResponse.$Properties>(memoryConnection(1e6))
  watches.open(new stratalog.v1.DescribeTopicsRequest(), call)
  const change = () => {
    version++
    watches.onChange()
  }
  const seen = () => call.received.map((message) => message.metadataOffset)
  return { call, watches, change, seen }
}

test('the answer comes at once; changes of one turn make one message', async () => {
  const { call, change, seen } = open()
  call.take()
  assert.deepEqual(seen(), [0])
  change()
  change()
  await nextTurn()
  call.take()
  assert.deepEqual(seen(), [0, 2])
})

test('a client that takes nothing has one message waiting, and gets the newest once it has taken it', async () => {
  const { call, change, seen } = open()
  for (let i = 0; i < 5; i++) {
    change()
    await nextTurn()
  }
  assert.equal(call.written.length, 1)
  call.take()
  call.take()
  assert.deepEqual(seen(), [0, 5])
})

test('a watch that has ended is forgotten', async () => {
  const { call, watches, change } = open()
  call.disconnect()
  change()
  await nextTurn()
  assert.equal(call.written.length, 0)
  assert.equal(watches.streams().length, 0)
})
