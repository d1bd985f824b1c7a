import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_IMAGE, type MetadataImage } from '../controller/metadata-image.ts'
import type { PeerIdentity } from '../peer/peer-port.ts'
import { BrokerDirectory } from './broker-directory.ts'

const METADATA_OFFSET = 40

const IMAGE: MetadataImage = {
  ...EMPTY_IMAGE,
  metadataOffset: METADATA_OFFSET,
  clusterId: 'c',
  brokers: new Map([
    [
      2,
      {
        brokerId: 2,
        host: 'h',
        port: 9402,
        rack: '',
        peerHost: 'h',
        peerPort: 9502,
        directoryId: 'folder',
        run: 'third',
        formerRuns: ['first', 'second'],
        storageLost: false,
        metadataGeneration: 0,
        isDrained: false,
        isDecommissioning: false,
      },
    ],
  ]),
}

function mayReplicate(peer: Partial<PeerIdentity>): boolean {
  const directory = new BrokerDirectory({
    brokerId: 1,
    configured: new Map(),
    introduced: () => new Map(),
    image: () => IMAGE,
    clusterId: () => 'c',
  })
  const identity = {
    clusterId: 'c',
    brokerId: 2,
    directoryId: 'folder',
    runs: ['third'],
    registeredAt: null,
    version: '0',
  }
  return directory.mayReplicate({ ...identity, ...peer })
}

test('a peer is heard that remembers the run that is known of it, or of which nothing is known', () => {
  assert.equal(mayReplicate({}), true)
  assert.equal(mayReplicate({ runs: ['second', 'third', 'fourth'] }), true)
  assert.equal(mayReplicate({ brokerId: 3, directoryId: 'another', runs: ['any'] }), true)
})

test('a folder that has forgotten something is not heard before it has registered', () => {
  for (const forgetful of [{ directoryId: 'wiped', runs: ['new'] }, { runs: ['second', 'again'] }]) {
    assert.equal(mayReplicate(forgetful), false)
    assert.equal(mayReplicate({ ...forgetful, registeredAt: METADATA_OFFSET }), false, 'the image knows it better')
    assert.equal(mayReplicate({ ...forgetful, registeredAt: METADATA_OFFSET + 1 }), true, 'the news is on its way')
  }
})
