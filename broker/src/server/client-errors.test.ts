import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorName, StratalogError } from '@stratalog/proto'
import type { PartitionLeader } from '../cluster/cluster-view.ts'
import type { MetadataImage } from '../controller/metadata-image.ts'
import { ClientErrors } from './client-errors.ts'

/** What broker 1 tells clients of an error of `t-0`, whose replicas are on brokers 1..replicaCount. */
function told(code: ErrorName, leader: PartitionLeader, replicaCount = 3): StratalogError {
  const replicas = Array.from({ length: replicaCount }, (_, index) => index + 1)
  const topic = { name: 't', topicId: 'id', partitions: [{ partition: 0, replicas }] }
  const brokers = new Map([1, 2, 3].map((id) => [id, { brokerId: id, host: `host-${id}`, port: 9400 + id, rack: '' }]))
  const image = { topicsByName: new Map([['t', topic]]), brokers } as unknown as MetadataImage
  const errors = new ClientErrors({ brokerId: 1, image: () => image, cluster: { leaderOf: () => leader } })
  return errors.of(new StratalogError(code, 'what happened', { topic: 't', partition: 0 }))
}

const ELSEWHERE = { leaderId: 2, leaderEpoch: 7 }
const NOBODY = { leaderId: null, leaderEpoch: 7 }

test('whoever asks the wrong broker is told the right one and where it is', () => {
  for (const code of [
    'NOT_LEADER_OR_FOLLOWER',
    'LEADER_NOT_AVAILABLE',
    'PARTITION_DAMAGED',
    'SHUTTING_DOWN',
  ] as const) {
    const error = told(code, ELSEWHERE)
    assert.equal(error.code, 'NOT_LEADER_OR_FOLLOWER')
    assert.deepEqual(error.leader, { leaderId: 2, leaderEpoch: 7, host: 'host-2', port: 9402 })
    assert.match(error.message, /broker 1 does not lead t-0; broker 2 does/)
  }
})

test('without a leader clients are to come back, also when the copy here is damaged', () => {
  for (const code of ['NOT_LEADER_OR_FOLLOWER', 'PARTITION_DAMAGED', 'STORAGE_ERROR'] as const) {
    const error = told(code, NOBODY)
    assert.equal(error.code, 'LEADER_NOT_AVAILABLE')
    assert.equal(error.retriable, true)
    assert.equal(error.leader?.leaderId, null)
  }
  assert.match(told('PARTITION_DAMAGED', NOBODY).message, /the copy on broker 1 is out of order \(PARTITION_DAMAGED\)/)
})

test('the only copy is damaged for good, and other errors have nothing to do with leaders', () => {
  assert.equal(told('PARTITION_DAMAGED', NOBODY, 1).code, 'PARTITION_DAMAGED')
  assert.equal(told('MESSAGE_TOO_LARGE', ELSEWHERE).code, 'MESSAGE_TOO_LARGE')
  assert.equal(told('SHUTTING_DOWN', NOBODY).code, 'SHUTTING_DOWN')
})
