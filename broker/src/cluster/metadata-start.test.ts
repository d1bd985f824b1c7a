import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerAddress } from '../peer/peer-port.ts'
import { type Acquaintance, type MetadataStartFacts, planMetadataStart } from './metadata-start.ts'

const identity = {
  clusterId: null,
  brokerId: 1,
  directoryId: 'mine',
  runs: ['first'],
  registeredAt: null,
  version: '0',
}
const address = (port: number): PeerAddress => ({ host: '127.0.0.1', port })
const controllers = new Map([3, 1, 2].map((id) => [id, address(id)]))

function plan(facts: Partial<MetadataStartFacts>, answers: Readonly<Record<number, Acquaintance>> = {}) {
  const ask = async ({ port }: PeerAddress) => answers[port] ?? null
  return planMetadataStart({ identity, storedGeneration: null, controllers, ask, ...facts })
}

test('a broker that has a copy goes on with it, whoever the controllers are', async () => {
  assert.deepEqual(await plan({ storedGeneration: 4 }), { kind: 'resume', generation: 4 })
})

test('the configured controllers found the cluster, also when they do not reach each other yet', async () => {
  const voters = [1, 2, 3].map((brokerId) => ({ brokerId, generation: 0 }))
  assert.deepEqual(await plan({}), { kind: 'found', voters })
  const founders = { 2: { clusterId: null, directoryId: null }, 3: { clusterId: 'c', directoryId: null } }
  assert.deepEqual(await plan({}, founders), { kind: 'found', voters })
})

test('a controller that another one knows by another folder has lost its disk, and joins', async () => {
  assert.deepEqual(await plan({}, { 3: { clusterId: 'c', directoryId: 'older' } }), { kind: 'join' })
  assert.equal((await plan({}, { 3: { clusterId: 'c', directoryId: 'mine' } })).kind, 'found')
})

test('a broker that is no controller joins', async () => {
  assert.deepEqual(await plan({ identity: { ...identity, brokerId: 9 } }), { kind: 'join' })
})
