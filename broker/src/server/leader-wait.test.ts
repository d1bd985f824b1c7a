import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StratalogError } from '@stratalog/proto'
import type { PartitionLeader } from '../cluster/cluster-view.ts'
import type { MetadataImage } from '../controller/metadata-image.ts'
import { ClientErrors } from './client-errors.ts'
import { LeaderWait } from './leader-wait.ts'

function open() {
  const topic = {
    name: 't',
    topicId: 'id',
    partitions: [0, 1].map((partition) => ({ partition, replicas: [1, 2, 3] })),
  }
  const brokers = new Map([[2, { brokerId: 2, host: 'host-2', port: 9402, rack: '' }]])
  const image = { topicsByName: new Map([['t', topic]]), brokers } as unknown as MetadataImage
  const leaders = new Map<number, PartitionLeader>()
  const listeners = new Set<() => void>()
  const cluster = {
    leaderOf: (_: string, partition: number) => leaders.get(partition) ?? { leaderId: null, leaderEpoch: 1 },
    onChange: (listener: () => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const errors = new ClientErrors({ brokerId: 1, image: () => image, cluster })
  const served = new Set<number>()
  const isServing = (_: string, partition: number) => served.has(partition)
  const wait = new LeaderWait({ errors, cluster, isServing, nowMs: () => performance.now() })
  const told: string[] = []
  const tell = (partition: number) =>
    wait.tell(new StratalogError('LEADER_NOT_AVAILABLE', undefined, { topic: 't', partition }), (error) =>
      told.push(`${partition} ${error.code} ${error.leader?.leaderId ?? 'none'}`),
    )
  const elect = (partition: number) => {
    leaders.set(partition, { leaderId: 2, leaderEpoch: 2 })
    for (const listener of listeners) listener()
  }
  const begin = (partition: number) => {
    served.add(partition)
    for (const listener of listeners) listener()
  }
  return { wait, told, tell, elect, begin, listeners }
}

test('whoever asks while a leader is elected is told that one', () => {
  const { told, tell, elect, wait, listeners } = open()
  tell(0)
  tell(1)
  assert.deepEqual(told, [])
  elect(1)
  assert.deepEqual(told, ['1 NOT_LEADER_OR_FOLLOWER 2'])
  tell(1)
  assert.equal(told.length, 2, 'a leader that is known is told at once')
  wait.close()
  assert.deepEqual(told.slice(2), ['0 LEADER_NOT_AVAILABLE none'])
  assert.equal(listeners.size, 0)
})

test('whoever asks a leader that is not ready is told when it is; one that hands over is not ready again', () => {
  const { told, tell, begin, elect, wait } = open()
  tell(0)
  begin(0)
  assert.deepEqual(told, ['0 LEADER_NOT_AVAILABLE none'])
  tell(0)
  begin(1)
  assert.equal(told.length, 1)
  elect(0)
  assert.deepEqual(told.slice(1), ['0 NOT_LEADER_OR_FOLLOWER 2'])
  wait.close()
})

test('without an election it is told after a moment', async () => {
  const { told, tell, wait } = open()
  tell(0)
  const deadlineMs = performance.now() + 10_000
  while (told.length === 0 && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.deepEqual(told, ['0 LEADER_NOT_AVAILABLE none'])
  wait.close()
})
